//! Parts of messages as content blocks.

use super::Dropped;
use crate::ids;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pointsman_sdk::codec::chat::{Media, MediaKind, ResultPart, Role, Source, Text, ToolCall, ToolResult};
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use serde_json::{Map, Value, json};

/// None for a text that the API would refuse as empty.
pub fn text(text: &Text, dropped: &mut Dropped) -> Option<Value> {
    if text.text.trim().is_empty() {
        return None;
    }
    let mut block = json!({ "type": "text", "text": text.text });
    dropped.extras_of_part(&text.extras, &mut block);
    Some(block)
}

pub fn tool_call(call: &ToolCall, dropped: &mut Dropped) -> Value {
    let input = arguments(&call.arguments);
    let mut block = json!({ "type": "tool_use", "id": ids::legal(&call.id), "name": call.name, "input": input });
    dropped.extras_of_part(&call.extras, &mut block);
    block
}

/// Arguments must be an object here, but a model may have written anything. What is no object stands in `_raw`: the
/// conversation can go on, and the model sees what it wrote.
pub fn arguments(text: &str) -> Value {
    if text.trim().is_empty() {
        return Value::Object(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(arguments)) => Value::Object(arguments),
        _ => json!({ "_raw": text }),
    }
}

pub fn tool_result(result: &ToolResult, path: &str, dropped: &mut Dropped) -> Result<Value, Fault> {
    let mut content = Vec::new();
    for (i, part) in result.content.iter().enumerate() {
        match part {
            ResultPart::Text(part) => content.extend(text(part, dropped)),
            ResultPart::Media(part) => content.push(media(part, Role::User, &format!("{path}.content[{i}]"), dropped)?),
        }
    }
    let mut block = json!({ "type": "tool_result", "tool_use_id": ids::legal(&result.call_id) });
    if !content.is_empty() {
        block["content"] = content.into();
    }
    if result.failed {
        block["is_error"] = true.into();
    }
    dropped.extras_of_part(&result.extras, &mut block);
    Ok(block)
}

pub fn media(media: &Media, role: Role, path: &str, dropped: &mut Dropped) -> Result<Value, Fault> {
    let unsupported = |what: &str| Err(fault_at(FaultKind::Unsupported, path, what));
    if role != Role::User {
        return unsupported("Anthropic takes images and documents only from the user");
    }
    let source = match media.kind {
        MediaKind::Image => image_source(media),
        MediaKind::Document => document_source(media),
        MediaKind::Audio => return unsupported("Anthropic takes no audio"),
        MediaKind::Video => return unsupported("Anthropic takes no video"),
    };
    let source = match source {
        Ok(source) => source,
        Err(what) => return unsupported(what),
    };
    let kind = if media.kind == MediaKind::Image { "image" } else { "document" };
    let mut block = json!({ "type": kind, "source": source });
    if let (MediaKind::Document, Some(title)) = (media.kind, &media.title) {
        block["title"] = title.as_str().into();
    }
    dropped.extras_of_part(&media.extras, &mut block);
    Ok(block)
}

fn image_source(media: &Media) -> Result<Value, &'static str> {
    let mime = match media.mime.as_str() {
        "image/jpg" => "image/jpeg",
        mime => mime,
    };
    match &media.source {
        Source::Bytes(bytes) => match mime {
            "image/png" | "image/jpeg" | "image/gif" | "image/webp" => Ok(base64(mime, bytes)),
            _ => Err("Anthropic takes PNG, JPEG, GIF and WebP images"),
        },
        other => elsewhere(other),
    }
}

fn document_source(media: &Media) -> Result<Value, &'static str> {
    match &media.source {
        Source::Bytes(bytes) if media.mime == "application/pdf" => Ok(base64(&media.mime, bytes)),
        Source::Bytes(bytes) if media.mime.starts_with("text/") => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(json!({ "type": "text", "media_type": "text/plain", "data": text })),
            Err(_) => Err("a text document must be UTF-8"),
        },
        Source::Bytes(_) => Err("Anthropic takes PDF and text documents"),
        other => elsewhere(other),
    }
}

fn elsewhere(source: &Source) -> Result<Value, &'static str> {
    match source {
        Source::Url(url) if url.starts_with("https://") => Ok(json!({ "type": "url", "url": url })),
        Source::Url(_) => Err("Anthropic takes only https URLs"),
        Source::FileId(_) => Err("a file id is known only to the provider that gave it"),
        Source::Bytes(_) => Err("bytes are not a reference"),
    }
}

fn base64(mime: &str, bytes: &[u8]) -> Value {
    json!({ "type": "base64", "media_type": mime, "data": STANDARD.encode(bytes) })
}
