//! Texts, media and results of tools -> content parts.

use super::tools::take;
use super::{Dropped, unsupported};
use crate::{ITEM, ids};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{Extra, Media, MediaKind, ResultPart, Source, Text, ToolResult};
use pointsman_sdk::freeform;
use serde_json::{Value, json};

/// OpenAI has no flag for a tool that failed.
const FAILED_MARK: &str = "The tool failed. ";

/// Whose words they are.
pub enum Speaker {
    Caller,
    Model,
}

pub fn message(role: &str, content: Vec<Value>) -> Value {
    json!({"type": "message", "role": role, "content": content})
}

pub fn input_text(text: &str) -> Value {
    json!({"type": "input_text", "text": text})
}

/// None for an empty text.
pub fn text(text: Text, speaker: Speaker, dropped: &mut Dropped) -> Option<Value> {
    if text.text.is_empty() {
        return None;
    }
    let Text { text, mut extras } = text;
    let is_refusal = |extra: &Extra| extra.name == "type" && extra.value == "\"refusal\"";
    let mut part = match speaker {
        Speaker::Caller => input_text(&text),
        Speaker::Model if extras.iter().any(is_refusal) => {
            extras.retain(|extra| !is_refusal(extra));
            json!({"type": "refusal", "refusal": text})
        }
        Speaker::Model => json!({"type": "output_text", "text": text}),
    };
    dropped.extras_of_part(extras, &mut part);
    Some(part)
}

/// `at` is the field that the fault names.
pub fn tool_result(at: &str, mut result: ToolResult, dropped: &mut Dropped) -> Result<Value, Fault> {
    let (whole, kind) = (take(&mut result.extras, ITEM), take(&mut result.extras, "type"));
    if let Some(whole) = whole.filter(|_| dropped.is_own) {
        return Ok(whole);
    }
    let mut texts = Vec::new();
    let mut parts = Vec::new();
    if result.failed {
        parts.push(input_text(FAILED_MARK.trim_end()));
    }
    let mut has_media = false;
    for (position, part) in result.content.into_iter().enumerate() {
        match part {
            ResultPart::Text(said) => {
                texts.push(said.text.clone());
                parts.extend(text(said, Speaker::Caller, dropped));
            }
            ResultPart::Media(said) => {
                has_media = true;
                parts.push(media(&format!("{at}.content[{position}]"), said, dropped)?);
            }
        }
    }
    let mark = if result.failed { FAILED_MARK } else { "" };
    // Text alone is a string, which the oldest servers understand too; a caller of this protocol knows its server.
    let is_list = has_media || dropped.is_own && (parts.len() > 1 || parts.iter().any(has_extras));
    let output = if is_list { Value::Array(parts) } else { format!("{mark}{}", texts.join("\n")).into() };
    let is_custom = dropped.is_own && kind.is_some_and(|kind| kind == freeform::KIND);
    let item_type = if is_custom { "custom_tool_call_output" } else { "function_call_output" };
    let mut item = json!({"type": item_type, "call_id": ids::call(&result.call_id), "output": output});
    if let (true, Some(name)) = (dropped.is_own, result.name) {
        item["name"] = name.into();
    }
    dropped.extras(result.extras, &mut item);
    Ok(item)
}

/// More than a type and a text.
fn has_extras(part: &Value) -> bool {
    part.as_object().is_some_and(|part| part.len() > 2)
}

pub fn media(at: &str, media: Media, dropped: &mut Dropped) -> Result<Value, Fault> {
    let Media { kind, mime, source, title, extras } = media;
    if matches!(source, Source::FileId(_)) && !dropped.is_own {
        return Err(unsupported(at, "a file uploaded to another provider does not exist at OpenAI"));
    }
    let mut part = match kind {
        MediaKind::Image => image(at, &mime, source)?,
        MediaKind::Document => document(at, &mime, source, title, dropped.is_own)?,
        MediaKind::Audio => return Err(unsupported(at, "OpenAI's Responses take no audio")),
        MediaKind::Video => return Err(unsupported(at, "OpenAI's Responses take no video")),
    };
    dropped.extras_of_part(extras, &mut part);
    Ok(part)
}

fn image(at: &str, mime: &str, source: Source) -> Result<Value, Fault> {
    let url = match source {
        Source::FileId(id) => return Ok(json!({"type": "input_image", "file_id": id})),
        Source::Url(url) => url,
        Source::Bytes(_) if mime.is_empty() => {
            return Err(unsupported(at, "the image's media type is not known, and OpenAI wants it"));
        }
        Source::Bytes(bytes) => data_url(mime, &bytes),
    };
    // The SDKs' types demand a `detail`, and so do servers that are built on them.
    Ok(json!({"type": "input_image", "image_url": url, "detail": "auto"}))
}

/// Plain text is said as text, which every server takes, unless the caller itself said it as a file of this protocol.
fn document(at: &str, mime: &str, source: Source, title: Option<String>, is_own: bool) -> Result<Value, Fault> {
    let elsewhere = |name: &str, place: String| {
        let mut file = json!({"type": "input_file", name: place});
        if let (true, Some(title)) = (is_own, &title) {
            file["filename"] = title.as_str().into();
        }
        file
    };
    let bytes = match source {
        Source::FileId(id) => return Ok(elsewhere("file_id", id)),
        Source::Url(url) => return Ok(elsewhere("file_url", url)),
        Source::Bytes(_) if mime.is_empty() => {
            return Err(unsupported(at, "the document's media type is not known, and OpenAI wants it"));
        }
        Source::Bytes(bytes) => bytes,
    };
    if mime.starts_with("text/") && !is_own {
        let text = String::from_utf8(bytes).map_err(|_| unsupported(at, "a text document must be UTF-8"))?;
        return Ok(match title {
            Some(title) => input_text(&format!("{title}\n\n{text}")),
            None => input_text(&text),
        });
    }
    let name = match title {
        Some(title) => title,
        None if mime == "application/pdf" => "document.pdf".into(),
        None => "document".into(),
    };
    Ok(json!({"type": "input_file", "filename": name, "file_data": data_url(mime, &bytes)}))
}

fn data_url(mime: &str, bytes: &[u8]) -> String {
    let mut url = format!("data:{mime};base64,");
    STANDARD.encode_string(bytes, &mut url);
    url
}
