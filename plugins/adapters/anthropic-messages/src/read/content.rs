//! Content blocks as parts of messages.

use super::below;
use crate::{BLOCK, PROTOCOL};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pointsman_sdk::codec::chat::{
    Extra, Media, MediaKind, Part, Reasoning, ResultPart, Role, Sealed, Source, Text, ToolCall, ToolResult,
};
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use pointsman_sdk::json::{self, Fields};
use pointsman_sdk::sealed;
use serde_json::Value;

/// A string, or blocks. `role` decides which blocks may stand here.
pub fn parts(path: &str, content: Value, role: Role) -> Result<Vec<Part>, Fault> {
    match content {
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        Value::String(text) => Ok(vec![Part::Text(Text { text, extras: Vec::new() })]),
        Value::Array(_) => {
            json::items(path, content)?.into_iter().map(|(path, value)| part(value, path, role)).collect()
        }
        _ => Err(json::wrong(path, "a string or an array of content blocks")),
    }
}

fn part(value: Value, path: String, role: Role) -> Result<Part, Fault> {
    if let Some(part) = known_to_anthropic(&value, role) {
        return Ok(part);
    }
    let mut block = Fields::new(path, value)?;
    let kind = block.string("type")?;
    match (kind.as_str(), role) {
        ("text", _) => Ok(Part::Text(text(block)?)),
        ("image", Role::User) => Ok(Part::Media(image(block)?)),
        ("document", Role::User) => document(block),
        ("tool_result", Role::User) => Ok(Part::ToolResult(tool_result(block)?)),
        ("tool_use", Role::Assistant) => Ok(Part::ToolCall(tool_call(block)?)),
        ("thinking", Role::Assistant) => {
            let text = block.string("thinking")?;
            let signature = block.optional_string("signature")?.and_then(sealed);
            Ok(Part::Reasoning(Reasoning { text, signature, redacted: None, extras: block.rest() }))
        }
        ("redacted_thinking", Role::Assistant) => {
            let redacted = sealed(block.string("data")?);
            Ok(Part::Reasoning(Reasoning { text: String::new(), signature: None, redacted, extras: block.rest() }))
        }
        ("image" | "document" | "tool_result" | "tool_use" | "thinking" | "redacted_thinking", _) => {
            let message = format!("a `{kind}` block cannot stand in a message of this role");
            Err(fault_at(FaultKind::InvalidRequest, block.at("type"), message))
        }
        _ => Err(untranslatable(&block, &kind)),
    }
}

/// A block that other protocols have no word for, and that the conversation can go on without: its text, or none, with the
/// whole block as an extra for Anthropic itself.
fn known_to_anthropic(block: &Value, role: Role) -> Option<Part> {
    let kind = block["type"].as_str()?;
    let text = match (kind, role) {
        // What a search for tools found: the tools themselves are in the request.
        ("tool_reference", _) => block["tool_name"].as_str().unwrap_or_default().to_owned(),
        ("search_result", Role::User) => {
            let content = block["content"].as_array().into_iter().flatten().filter_map(|part| part["text"].as_str());
            let head = [&block["title"], &block["source"]].into_iter().filter_map(Value::as_str);
            head.chain(content).collect::<Vec<_>>().join("\n")
        }
        // A summary of what stood before it.
        ("compaction", Role::Assistant) => block["content"].as_str()?.to_owned(),
        // Tools that Anthropic ran: the model has told what came of it.
        ("server_tool_use" | "mcp_tool_use", Role::Assistant) => String::new(),
        (kind, Role::Assistant) if kind != "tool_result" && kind.ends_with("_tool_result") => String::new(),
        _ => return None,
    };
    let extras = vec![Extra { name: format!("{BLOCK}{kind}"), value: block.to_string() }];
    Some(Part::Text(Text { text, extras }))
}

/// None where nobody signed: `write` marks such a thought as sealed by nobody.
fn sealed(text: String) -> Option<Sealed> {
    let sealed = sealed::unpack(text, PROTOCOL);
    (!sealed.data.is_empty()).then_some(sealed)
}

fn untranslatable(block: &Fields, kind: &str) -> Fault {
    let message = format!("`{kind}` is known to Anthropic alone, and this request goes elsewhere");
    fault_at(FaultKind::Unsupported, block.at("type"), message)
}

fn text(mut block: Fields) -> Result<Text, Fault> {
    Ok(Text { text: block.string("text")?, extras: block.rest() })
}

fn tool_call(mut block: Fields) -> Result<ToolCall, Fault> {
    let id = block.string("id")?;
    let name = block.string("name")?;
    let arguments = match block.required("input")? {
        Value::Object(input) => Value::Object(input).to_string(),
        _ => return Err(json::wrong(block.at("input"), "an object")),
    };
    Ok(ToolCall { id, name, arguments, extras: block.rest() })
}

fn tool_result(mut block: Fields) -> Result<ToolResult, Fault> {
    let call_id = block.string("tool_use_id")?;
    let failed = block.bool("is_error")?.unwrap_or(false);
    let content = match block.take("content") {
        None => Vec::new(),
        Some(content) => parts(&block.at("content"), content, Role::User)?,
    };
    let content = content.into_iter().map(|part| match part {
        Part::Text(text) => Ok(ResultPart::Text(text)),
        Part::Media(media) => Ok(ResultPart::Media(media)),
        _ => Err(json::wrong(block.at("content"), "text, images and documents")),
    });
    let content = content.collect::<Result<_, _>>()?;
    Ok(ToolResult { call_id, name: None, failed, content, extras: block.rest() })
}

fn image(mut block: Fields) -> Result<Media, Fault> {
    let Content { mime, source, mut extras } = source(&mut block)?;
    extras.extend(block.rest());
    Ok(Media { kind: MediaKind::Image, mime, source, title: None, extras })
}

/// A document of plain text becomes a text: every protocol can say that. Its type and title stay beside it as extras,
/// for `encode` to know it by.
fn document(mut block: Fields) -> Result<Part, Fault> {
    let title = block.optional_string("title")?;
    let Content { mime, source, mut extras } = source(&mut block)?;
    extras.extend(block.rest());
    match source {
        Source::Bytes(bytes) if mime == "text/plain" => {
            let data = String::from_utf8_lossy(&bytes).into_owned();
            let word = |name: &str, word: &str| Extra { name: name.into(), value: Value::from(word).to_string() };
            extras.push(word("type", "document"));
            extras.extend(title.iter().map(|title| word("title", title)));
            let text = title.map_or(data.clone(), |title| format!("{title}\n\n{data}"));
            Ok(Part::Text(Text { text, extras }))
        }
        source => Ok(Part::Media(Media { kind: MediaKind::Document, mime, source, title, extras })),
    }
}

/// What a `source` object says.
struct Content {
    /// Empty where it is not said.
    mime: String,
    source: Source,
    extras: Vec<Extra>,
}

fn source(block: &mut Fields) -> Result<Content, Fault> {
    let value = block.required("source")?;
    let mut fields = Fields::new(block.at("source"), value)?;
    let kind = fields.string("type")?;
    let (mime, source) = match kind.as_str() {
        "base64" => {
            let data = fields.string("data")?;
            let bytes = STANDARD.decode(data).map_err(|_| json::wrong(fields.at("data"), "base64"))?;
            (fields.string("media_type")?, Source::Bytes(bytes))
        }
        "text" => {
            fields.take("media_type");
            ("text/plain".into(), Source::Bytes(fields.string("data")?.into_bytes()))
        }
        "url" => {
            let url = fields.string("url")?;
            if !url.starts_with("https://") && !url.starts_with("http://") {
                return Err(json::wrong(fields.at("url"), "an http or https URL"));
            }
            (String::new(), Source::Url(url))
        }
        "file" => (String::new(), Source::FileId(fields.string("file_id")?)),
        _ => return Err(untranslatable(&fields, &kind)),
    };
    Ok(Content { mime, source, extras: below("source", fields).collect() })
}
