//! Content blocks as parts of messages.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pointsman_sdk::codec::chat::{
    Media, MediaKind, Part, Reasoning, ResultPart, Role, Source, Text, ToolCall, ToolResult,
};
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use pointsman_sdk::json::{self, Fields};
use serde_json::Value;

/// A string, or blocks. `role` decides which blocks may stand here.
pub fn parts(path: &str, content: Value, role: Role) -> Result<Vec<Part>, Fault> {
    match content {
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        Value::String(text) => Ok(vec![Part::Text(Text { text, extras: Vec::new() })]),
        Value::Array(_) => {
            json::items(path, content)?.into_iter().map(|(path, value)| part(Fields::new(path, value)?, role)).collect()
        }
        _ => Err(json::wrong(path, "a string or an array of content blocks")),
    }
}

fn part(mut block: Fields, role: Role) -> Result<Part, Fault> {
    let kind = block.string("type")?;
    match (kind.as_str(), role) {
        ("text", _) => Ok(Part::Text(text(block)?)),
        ("image", Role::User) => Ok(Part::Media(image(block)?)),
        ("document", Role::User) => document(block),
        ("tool_result", Role::User) => Ok(Part::ToolResult(tool_result(block)?)),
        ("tool_use", Role::Assistant) => Ok(Part::ToolCall(tool_call(block)?)),
        ("thinking", Role::Assistant) => {
            let text = block.string("thinking")?;
            // What `write` gave without a signature comes back with the mark that says so.
            let signature =
                block.optional_string("signature")?.filter(|s| !s.is_empty() && s != crate::write::UNSIGNED);
            Ok(Part::Reasoning(Reasoning { text, signature, redacted: None, extras: block.rest() }))
        }
        ("redacted_thinking", Role::Assistant) => {
            let redacted = Some(block.string("data")?);
            Ok(Part::Reasoning(Reasoning { text: String::new(), signature: None, redacted, extras: block.rest() }))
        }
        ("image" | "document" | "tool_result" | "tool_use" | "thinking" | "redacted_thinking", _) => {
            let message = format!("a `{kind}` block cannot stand in a message of this role");
            Err(fault_at(FaultKind::InvalidRequest, block.at("type"), message))
        }
        _ => Err(untranslatable(&block, &kind)),
    }
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
    let (mime, source) = source(&mut block)?;
    Ok(Media { kind: MediaKind::Image, mime, source, title: None, extras: block.rest() })
}

/// A document of plain text becomes a text: every protocol can say that.
fn document(mut block: Fields) -> Result<Part, Fault> {
    let title = block.optional_string("title")?;
    let (mime, source) = source(&mut block)?;
    let extras = block.rest();
    match source {
        Source::Bytes(bytes) if mime == "text/plain" => {
            let data = String::from_utf8_lossy(&bytes).into_owned();
            let text = title.map_or(data.clone(), |title| format!("{title}\n\n{data}"));
            Ok(Part::Text(Text { text, extras }))
        }
        source => Ok(Part::Media(Media { kind: MediaKind::Document, mime, source, title, extras })),
    }
}

/// Media type, empty where it is not said, and source.
fn source(block: &mut Fields) -> Result<(String, Source), Fault> {
    let value = block.required("source")?;
    let mut source = Fields::new(block.at("source"), value)?;
    let kind = source.string("type")?;
    match kind.as_str() {
        "base64" => {
            let data = source.string("data")?;
            let bytes = STANDARD.decode(data).map_err(|_| json::wrong(source.at("data"), "base64"))?;
            Ok((source.string("media_type")?, Source::Bytes(bytes)))
        }
        "text" => Ok(("text/plain".into(), Source::Bytes(source.string("data")?.into_bytes()))),
        "url" => {
            let url = source.string("url")?;
            if !url.starts_with("https://") && !url.starts_with("http://") {
                return Err(json::wrong(source.at("url"), "an http or https URL"));
            }
            Ok((String::new(), Source::Url(url)))
        }
        "file" => Ok((String::new(), Source::FileId(source.string("file_id")?))),
        _ => Err(untranslatable(&source, &kind)),
    }
}
