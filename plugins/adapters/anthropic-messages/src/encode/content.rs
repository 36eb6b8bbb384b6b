//! Parts of messages as content blocks.

use super::Extras;
use crate::{BLOCK, PROTOCOL, ids};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pointsman_sdk::codec::chat::{
    Media, MediaKind, Reasoning, ResultPart, Role, Sealed, Source, Text, ToolCall, ToolResult,
};
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use serde_json::{Map, Value, json};

/// None for a text that the API would refuse as empty.
pub fn text(text: &Text, extras: &mut Extras) -> Option<Value> {
    if let (true, Some(block)) = (extras.own, text.extras.iter().find(|extra| extra.name.starts_with(BLOCK))) {
        // Bedrock runs no tools of its own, and what came of them was said.
        if extras.bedrock && text.text.is_empty() {
            extras.drop(&block.name);
            return None;
        }
        return serde_json::from_str(&block.value).ok();
    }
    if text.text.trim().is_empty() {
        return None;
    }
    let mut block = match text_document(text) {
        Some(document) if extras.own => document,
        _ => json!({ "type": "text", "text": text.text }),
    };
    extras.put(&text.extras, &mut block);
    Some(block)
}

/// `read` makes a text of a document of plain text, because every protocol can say that, and notes its type.
fn text_document(text: &Text) -> Option<Value> {
    let extra = |name: &str| {
        let extra = text.extras.iter().find(|extra| extra.name == name)?;
        serde_json::from_str::<String>(&extra.value).ok()
    };
    extra("type").filter(|kind| kind == "document")?;
    let words = extra("title").and_then(|title| text.text.strip_prefix(&title)?.strip_prefix("\n\n"));
    let data = words.unwrap_or(&text.text);
    Some(json!({ "type": "document", "source": { "type": "text", "media_type": "text/plain", "data": data } }))
}

/// None for a thought that Claude did not seal.
pub fn thought(thought: &Reasoning) -> Option<Value> {
    let own = |sealed: &Option<Sealed>| sealed.clone().filter(|sealed| sealed.maker == PROTOCOL);
    if let Some(sealed) = own(&thought.redacted) {
        return Some(json!({ "type": "redacted_thinking", "data": sealed.data }));
    }
    let sealed = own(&thought.signature)?;
    Some(json!({ "type": "thinking", "thinking": thought.text, "signature": sealed.data }))
}

pub fn tool_call(call: &ToolCall, extras: &mut Extras) -> Value {
    let input = arguments(&call.arguments);
    let mut block = json!({ "type": "tool_use", "id": ids::legal(&call.id), "name": call.name, "input": input });
    extras.put(&call.extras, &mut block);
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

pub fn tool_result(result: &ToolResult, path: &str, extras: &mut Extras) -> Result<Value, Fault> {
    let mut content = Vec::new();
    for (i, part) in result.content.iter().enumerate() {
        match part {
            ResultPart::Text(part) => content.extend(text(part, extras)),
            ResultPart::Media(part) => content.push(media(part, Role::User, &format!("{path}.content[{i}]"), extras)?),
        }
    }
    let mut block = json!({ "type": "tool_result", "tool_use_id": ids::legal(&result.call_id) });
    if !content.is_empty() {
        block["content"] = content.into();
    }
    if result.failed {
        block["is_error"] = true.into();
    }
    extras.put(&result.extras, &mut block);
    Ok(block)
}

pub fn media(media: &Media, role: Role, path: &str, extras: &mut Extras) -> Result<Value, Fault> {
    let unsupported = |what: &str| Err(fault_at(FaultKind::Unsupported, path, what));
    if role != Role::User {
        return unsupported("Anthropic takes images and documents only from the user");
    }
    let source = match media.kind {
        MediaKind::Image => image_source(media, extras),
        MediaKind::Document => document_source(media, extras),
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
    extras.put(&media.extras, &mut block);
    Ok(block)
}

fn image_source(media: &Media, extras: &Extras) -> Result<Value, &'static str> {
    let mime = match media.mime.as_str() {
        "image/jpg" => "image/jpeg",
        mime => mime,
    };
    match &media.source {
        Source::Bytes(bytes) => match mime {
            "image/png" | "image/jpeg" | "image/gif" | "image/webp" => Ok(base64(mime, bytes)),
            _ => Err("Anthropic takes PNG, JPEG, GIF and WebP images"),
        },
        other => elsewhere(other, extras),
    }
}

fn document_source(media: &Media, extras: &Extras) -> Result<Value, &'static str> {
    match &media.source {
        Source::Bytes(bytes) if media.mime == "application/pdf" => Ok(base64(&media.mime, bytes)),
        Source::Bytes(bytes) if media.mime.starts_with("text/") => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(json!({ "type": "text", "media_type": "text/plain", "data": text })),
            Err(_) => Err("a text document must be UTF-8"),
        },
        Source::Bytes(_) => Err("Anthropic takes PDF and text documents"),
        other => elsewhere(other, extras),
    }
}

fn elsewhere(source: &Source, extras: &Extras) -> Result<Value, &'static str> {
    match source {
        Source::Url(_) if !extras.fetches_media => Err("Claude takes no URLs on this platform: send the bytes"),
        Source::Url(url) if url.starts_with("https://") => Ok(json!({ "type": "url", "url": url })),
        Source::Url(_) => Err("Anthropic takes only https URLs"),
        Source::FileId(id) if extras.own && !extras.cloud => Ok(json!({ "type": "file", "file_id": id })),
        Source::FileId(_) => Err("a file id is known only to the provider that gave it"),
        Source::Bytes(_) => Err("bytes are not a reference"),
    }
}

fn base64(mime: &str, bytes: &[u8]) -> Value {
    json!({ "type": "base64", "media_type": mime, "data": STANDARD.encode(bytes) })
}
