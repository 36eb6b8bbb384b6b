//! Messages of a caller of this same protocol, said again as they were. Nothing is put in another order, because what
//! OpenAI wants here the caller knows. README.md says what does not come out as it went in.

use super::extras::{put_back, take};
use super::{Terms, media, unsupported};
use crate::ids;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{
    Extra, Media, MediaKind, Message, Part, ResultPart, Role, Source, Text, ToolCall, ToolResult,
};
use pointsman_sdk::freeform;
use serde_json::{Map, Value, json};

pub fn wire(terms: &Terms, messages: Vec<Message>) -> Result<Vec<Value>, Fault> {
    let mut said = Vec::with_capacity(messages.len());
    for (position, message) in messages.into_iter().enumerate() {
        let at = format!("messages[{position}]");
        match message.role {
            Role::System => said.push(plain(terms, &at, "system", message)?),
            Role::User => user(terms, &at, message, &mut said)?,
            Role::Assistant => said.push(assistant(terms, &at, message)?),
        }
    }
    Ok(said)
}

/// A message that has nothing but content.
fn plain(terms: &Terms, at: &str, role: &str, message: Message) -> Result<Value, Fault> {
    let mut parts = Vec::with_capacity(message.parts.len());
    for (position, part) in message.parts.into_iter().enumerate() {
        let at = format!("{at}.content[{position}]");
        parts.push(match part {
            Part::Text(part) => text(part),
            Part::Media(part) => media_part(terms, &at, part)?,
            Part::Reasoning(_) | Part::ToolCall(_) | Part::ToolResult(_) => {
                return Err(unsupported(at, "only the assistant thinks and calls tools"));
            }
        });
    }
    Ok(object(json!({"role": role, "content": super::content(parts)}), message.extras))
}

/// `read` made one message of several tool messages.
fn user(terms: &Terms, at: &str, mut message: Message, said: &mut Vec<Value>) -> Result<(), Fault> {
    let had_parts = !message.parts.is_empty();
    let mut others = Vec::new();
    for (position, part) in message.parts.into_iter().enumerate() {
        match part {
            Part::ToolResult(result) => said.push(tool(terms, &format!("{at}.content[{position}]"), result)?),
            other => others.push(other),
        }
    }
    message.parts = others;
    if !message.parts.is_empty() || !had_parts {
        said.push(plain(terms, at, "user", message)?);
    }
    Ok(())
}

fn assistant(terms: &Terms, at: &str, message: Message) -> Result<Value, Fault> {
    let mut thoughts = String::new();
    let mut texts = Vec::new();
    let mut calls = Vec::new();
    for (position, part) in message.parts.into_iter().enumerate() {
        match part {
            Part::Text(part) => texts.push(text(part)),
            Part::ToolCall(part) => calls.push(call(part)),
            Part::Reasoning(part) if super::takes_thought(terms, &part) => thoughts.push_str(&part.text),
            Part::Reasoning(_) => {}
            Part::Media(_) | Part::ToolResult(_) => {
                let message = "OpenAI takes only text and tool calls from the assistant";
                return Err(unsupported(format!("{at}.content[{position}]"), message));
            }
        }
    }
    let content = if texts.is_empty() && !calls.is_empty() { Value::Null } else { super::content(texts) };
    let mut wire = Map::new();
    wire.insert("role".into(), "assistant".into());
    super::put_thoughts(terms, &mut wire, thoughts);
    wire.insert("content".into(), content);
    if !calls.is_empty() {
        wire.insert("tool_calls".into(), calls.into());
    }
    put_back(&mut wire, message.extras);
    Ok(Value::Object(wire))
}

fn call(mut call: ToolCall) -> Value {
    if freeform::is_marked(&call.extras) {
        _ = take(&mut call.extras, "type");
        let custom = json!({"name": call.name, "input": freeform::input(&call.arguments)});
        return object(json!({"id": ids::call(&call.id), "type": freeform::KIND, "custom": custom}), call.extras);
    }
    let arguments = if call.arguments.is_empty() { "{}".into() } else { call.arguments };
    let function = json!({"name": call.name, "arguments": arguments});
    object(json!({"id": ids::call(&call.id), "type": "function", "function": function}), call.extras)
}

fn tool(terms: &Terms, at: &str, result: ToolResult) -> Result<Value, Fault> {
    let mut parts = Vec::with_capacity(result.content.len());
    for (position, part) in result.content.into_iter().enumerate() {
        parts.push(match part {
            ResultPart::Text(part) => text(part),
            // OpenAI takes none here, but several servers do.
            ResultPart::Media(part) => media_part(terms, &format!("{at}.content[{position}]"), part)?,
        });
    }
    let id = ids::call(&result.call_id);
    let mut wire = json!({"role": "tool", "tool_call_id": id, "content": super::content(parts)});
    if let Some(name) = result.name {
        wire["name"] = name.into();
    }
    Ok(object(wire, result.extras))
}

/// A refusal has its type among the extras.
fn text(mut text: Text) -> Value {
    let part = match take(&mut text.extras, "type") {
        Some(kind) => json!({"type": kind, "refusal": text.text}),
        None => super::text_part(text.text),
    };
    object(part, text.extras)
}

fn media_part(terms: &Terms, at: &str, mut media: Media) -> Result<Value, Fault> {
    let mut extras = std::mem::take(&mut media.extras);
    let part = match media.kind {
        MediaKind::Image => {
            let mut part = media::part(terms, at, media)?;
            if let Some(detail) = take(&mut extras, "detail") {
                part["image_url"]["detail"] = detail;
            }
            part
        }
        MediaKind::Document => json!({"type": "file", "file": file(at, media)?}),
        MediaKind::Audio => json!({"type": "input_audio", "input_audio": audio(at, media)?}),
        MediaKind::Video => return Err(unsupported(at, "OpenAI's chat completions take no video")),
    };
    Ok(object(part, extras))
}

fn file(at: &str, media: Media) -> Result<Value, Fault> {
    let mut file = match media.source {
        Source::FileId(id) => json!({"file_id": id}),
        Source::Bytes(bytes) if media.mime.is_empty() => json!({"file_data": STANDARD.encode(bytes)}),
        Source::Bytes(bytes) => json!({"file_data": media::data_url(&media.mime, &bytes)}),
        Source::Url(_) => return Err(unsupported(at, "OpenAI takes a document's bytes only, not its URL")),
    };
    if let Some(name) = media.title {
        file["filename"] = name.into();
    }
    Ok(file)
}

/// In any format: some servers know more than OpenAI's two.
fn audio(at: &str, media: Media) -> Result<Value, Fault> {
    let Source::Bytes(bytes) = media.source else {
        return Err(unsupported(at, "OpenAI takes audio as bytes only"));
    };
    let format = match media.mime.as_str() {
        "audio/mpeg" => "mp3",
        mime => mime.strip_prefix("audio/").unwrap_or(mime),
    };
    Ok(json!({"data": STANDARD.encode(bytes), "format": format}))
}

fn object(mut object: Value, extras: Vec<Extra>) -> Value {
    if let Value::Object(map) = &mut object {
        put_back(map, extras);
    }
    object
}
