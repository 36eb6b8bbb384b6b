//! Texts, media and results of tools -> content parts.

use super::{Dropped, unsupported};
use crate::ids;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{Media, MediaKind, ResultPart, Source, Text, ToolResult};
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
    let mut part = match speaker {
        Speaker::Caller => input_text(&text.text),
        Speaker::Model => json!({"type": "output_text", "text": text.text}),
    };
    dropped.extras_of_part(text.extras, &mut part);
    Some(part)
}

/// `at` is the field that the fault names.
pub fn tool_result(at: &str, result: ToolResult, is_own: bool, dropped: &mut Dropped) -> Result<Value, Fault> {
    dropped.extras(&result.extras);
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
                parts.push(media(&format!("{at}.content[{position}]"), said, is_own, dropped)?);
            }
        }
    }
    let mark = if result.failed { FAILED_MARK } else { "" };
    // Text alone is a string, which the oldest servers understand too.
    let output = if has_media { Value::Array(parts) } else { format!("{mark}{}", texts.join("\n")).into() };
    Ok(json!({"type": "function_call_output", "call_id": ids::call(&result.call_id), "output": output}))
}

pub fn media(at: &str, media: Media, is_own: bool, dropped: &mut Dropped) -> Result<Value, Fault> {
    let Media { kind, mime, source, title, extras } = media;
    if matches!(source, Source::FileId(_)) && !is_own {
        return Err(unsupported(at, "a file uploaded to another provider does not exist at OpenAI"));
    }
    let mut part = match kind {
        MediaKind::Image => image(at, &mime, source)?,
        MediaKind::Document => document(at, &mime, source, title)?,
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

/// Plain text is said as text, which every server takes.
fn document(at: &str, mime: &str, source: Source, title: Option<String>) -> Result<Value, Fault> {
    let bytes = match source {
        Source::FileId(id) => return Ok(json!({"type": "input_file", "file_id": id})),
        Source::Url(url) => return Ok(json!({"type": "input_file", "file_url": url})),
        Source::Bytes(_) if mime.is_empty() => {
            return Err(unsupported(at, "the document's media type is not known, and OpenAI wants it"));
        }
        Source::Bytes(bytes) => bytes,
    };
    if mime.starts_with("text/") {
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
