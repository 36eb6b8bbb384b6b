//! Parts of messages as Gemini's parts.

use super::{Dropped, tools};
use crate::arguments;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pointsman_sdk::codec::chat::{Media, MediaKind, Source, Text, ToolCall};
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use serde_json::{Value, json};

pub fn text(text: &Text, dropped: &mut Dropped) -> Value {
    let mut part = json!({ "text": text.text });
    dropped.extras(&text.extras, &mut part);
    part
}

pub fn tool_call(call: &ToolCall, path: &str, dropped: &mut Dropped) -> Result<Value, Fault> {
    let mut function = json!({});
    if !call.id.is_empty() {
        function["id"] = call.id.as_str().into();
    }
    function["name"] = tools::name(&call.name, &format!("{path}.name"))?.into();
    function["args"] = arguments::object(&call.arguments);
    let mut part = json!({ "functionCall": function });
    dropped.extras(&call.extras, &mut part);
    Ok(part)
}

/// Either side may speak in images: the model does where it makes them.
pub fn media(media: &Media, path: &str, dropped: &mut Dropped) -> Result<Value, Fault> {
    dropped.add_if(media.title.is_some() && !dropped.speaks_gemini, "title");
    let mut part = match &media.source {
        Source::Bytes(bytes) if dropped.speaks_gemini => json!({ "inlineData": blob(media, bytes) }),
        Source::Bytes(bytes) => json!({ "inlineData": inline(media, bytes, path)? }),
        // Known only to the provider that gave it, or fetched by newer models only: its own callers know.
        Source::FileId(uri) | Source::Url(uri) if dropped.speaks_gemini => json!({ "fileData": file(media, uri) }),
        Source::FileId(_) => return unsupported(path, "a file id is known only to the provider that gave it"),
        Source::Url(_) => return unsupported(path, "Gemini takes no URLs, and the gateway did not fetch this one"),
    };
    dropped.extras(&media.extras, &mut part);
    Ok(part)
}

/// `inlineData`: a MIME type, which the API demands, and bytes.
fn inline(media: &Media, bytes: &[u8], path: &str) -> Result<Value, Fault> {
    let mime = match media.mime.as_str() {
        "image/jpg" => "image/jpeg",
        mime => mime,
    };
    let is_known = match media.kind {
        MediaKind::Image => {
            matches!(mime, "image/png" | "image/jpeg" | "image/webp" | "image/heic" | "image/heif")
        }
        MediaKind::Document => mime == "application/pdf" || mime.starts_with("text/"),
        MediaKind::Audio => mime.starts_with("audio/"),
        MediaKind::Video => mime.starts_with("video/"),
    };
    if !is_known {
        let message = "Gemini takes PNG, JPEG, WebP and HEIC images, PDF and text documents, audio and video";
        return unsupported(path, message);
    }
    Ok(json!({ "mimeType": mime, "data": STANDARD.encode(bytes) }))
}

fn blob(media: &Media, bytes: &[u8]) -> Value {
    named(media, json!({ "mimeType": media.mime, "data": STANDARD.encode(bytes) }))
}

fn file(media: &Media, uri: &str) -> Value {
    let mut file = json!({ "fileUri": uri });
    if !media.mime.is_empty() {
        file["mimeType"] = media.mime.as_str().into();
    }
    named(media, file)
}

/// Only Vertex knows the field.
fn named(media: &Media, mut wire: Value) -> Value {
    if let Some(title) = &media.title {
        wire["displayName"] = title.as_str().into();
    }
    wire
}

fn unsupported<T>(path: &str, what: &str) -> Result<T, Fault> {
    Err(fault_at(FaultKind::Unsupported, path, what))
}
