//! Parts of messages as content blocks. Each gives one block, and a cache point after it where the caller set one.

use super::{Notes, media, unsupported};
use crate::{CLAUDE, ids};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pointsman_adapter_sdk::Fault;
use pointsman_adapter_sdk::chat::{Media, MediaKind, Reasoning, ResultPart, Role, Text, ToolCall, ToolResult};
use serde_json::{Map, Value, json};

/// The API wants at least one block in a result, and no blank text.
const NO_OUTPUT: &str = "(no output)";

/// A blank text would be refused: nothing is said then, and no cache point set.
pub fn text(text: &Text, notes: &mut Notes) -> Vec<Value> {
    if text.text.trim().is_empty() {
        return Vec::new();
    }
    with_cache_point(json!({ "text": text.text }), notes.cache_point(&text.extras))
}

pub fn media(media: &Media, role: Role, path: &str, notes: &mut Notes) -> Result<Vec<Value>, Fault> {
    if role != Role::User {
        return Err(unsupported(path, "Bedrock takes images and documents only from the user"));
    }
    let block = media::block(media, path, notes)?;
    Ok(with_cache_point(block, notes.cache_point(&media.extras)))
}

/// Only Claude's own thoughts go back, and only to Claude: it refuses unsigned ones and those of others, and other
/// models refuse the signature.
pub fn reasoning(thought: &Reasoning, notes: &mut Notes) -> Option<Value> {
    notes.cache_point(&thought.extras);
    let block = match (&thought.signature, &thought.redacted) {
        (_, Some(redacted)) if redacted.maker == CLAUDE && is_base64(&redacted.data) => {
            json!({ "redactedContent": redacted.data })
        }
        (Some(signature), None) if signature.maker == CLAUDE => {
            json!({ "reasoningText": { "text": thought.text, "signature": signature.data } })
        }
        _ => Value::Null,
    };
    if block.is_null() || !notes.is_claude {
        notes.drop("reasoning");
        return None;
    }
    Some(json!({ "reasoningContent": block }))
}

pub fn tool_call(call: &ToolCall, notes: &mut Notes) -> Vec<Value> {
    let input = arguments(&call.arguments);
    let block =
        json!({ "toolUse": { "toolUseId": ids::call(&call.id), "name": ids::tool(&call.name), "input": input } });
    with_cache_point(block, notes.cache_point(&call.extras))
}

/// Arguments must be an object here, but a model may have written anything. What is no object stands in `_raw`: the
/// conversation can go on, and the model sees what it wrote.
fn arguments(text: &str) -> Value {
    if text.trim().is_empty() {
        return Value::Object(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(arguments)) => Value::Object(arguments),
        _ => json!({ "_raw": text }),
    }
}

/// Cache points cannot stand inside of a result: the last one that is set there stands after it.
pub fn tool_result(result: &ToolResult, path: &str, notes: &mut Notes) -> Result<Vec<Value>, Fault> {
    let mut content = Vec::new();
    let mut point = None;
    for (i, part) in result.content.iter().enumerate() {
        let path = format!("{path}.content[{i}]");
        let blocks = match part {
            ResultPart::Text(part) => text(part, notes),
            ResultPart::Media(part) if part.kind == MediaKind::Audio => {
                return Err(unsupported(&path, "Bedrock takes no audio in the result of a tool"));
            }
            ResultPart::Media(part) => media(part, Role::User, &path, notes)?,
        };
        for block in blocks {
            if block.get("cachePoint").is_some() {
                point = Some(block);
            } else {
                content.push(block);
            }
        }
    }
    if content.is_empty() {
        content.push(json!({ "text": NO_OUTPUT }));
    }
    let mut block = json!({ "toolUseId": ids::call(&result.call_id), "content": content });
    // Not all models know the field, and success goes without saying.
    if result.failed {
        block["status"] = "error".into();
    }
    let point = notes.cache_point(&result.extras).or(point);
    Ok(with_cache_point(json!({ "toolResult": block }), point))
}

fn with_cache_point(block: Value, point: Option<Value>) -> Vec<Value> {
    [Some(block), point].into_iter().flatten().collect()
}

fn is_base64(text: &str) -> bool {
    !text.is_empty() && STANDARD.decode(text).is_ok()
}
