//! The conversation: `contents` and their parts.

use super::calls::Calls;
use super::{below, fields, media, unsupported};
use crate::signature::{self, Returned};
use pointsman_sdk::codec::chat::{Message, Part, Reasoning, ResultPart, Role, Sealed, Text, ToolCall, ToolResult};
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use pointsman_sdk::json::{self, Fields};
use serde_json::Value;

/// What only Gemini runs or understands.
const UNTRANSLATABLE: [&str; 4] = ["executableCode", "codeExecutionResult", "toolCall", "toolResponse"];

pub fn contents(top: &mut Fields) -> Result<Vec<Message>, Fault> {
    let path = top.at("contents");
    let list = match top.required("contents")? {
        // A single content, as Google takes it too.
        object @ Value::Object(_) => vec![(path.clone(), object)],
        other => json::items(path.clone(), other)?,
    };
    let mut calls = Calls::new(&list);
    let mut messages: Vec<Message> = Vec::new();
    for (path, value) in list {
        let message = content(fields(path, value)?, messages.last_mut(), &mut calls)?;
        messages.extend(message);
    }
    if messages.is_empty() {
        return Err(fault_at(FaultKind::InvalidRequest, path.clone(), format!("{path} must say something")));
    }
    for message in &mut messages {
        // The contract wants results first.
        message.parts.sort_by_key(|part| !matches!(part, Part::ToolResult(_)));
    }
    Ok(messages)
}

/// A message, or more parts of the one before: histories of streamed replies come with one content for each chunk,
/// and a thought is whole only when its pieces are together.
fn content(mut content: Fields, before: Option<&mut Message>, calls: &mut Calls) -> Result<Option<Message>, Fault> {
    let role = match content.optional_string("role")?.as_deref() {
        None | Some("" | "user" | "function") => Role::User,
        Some("model") => Role::Assistant,
        _ => return Err(json::wrong(content.at("role"), "one of user and model")),
    };
    let list = content.array("parts")?;
    let extras = content.rest();
    let mut new = Message { role, parts: Vec::new(), extras: Vec::new() };
    let (message, is_new) = match before {
        Some(before) if before.role == role => (before, false),
        _ => (&mut new, true),
    };
    if is_new && role == Role::Assistant {
        calls.next_step();
    }
    message.extras.extend(extras);
    let seam = message.parts.len();
    for (path, value) in list {
        part(fields(path, value)?, role, calls, &mut message.parts)?;
    }
    if role == Role::Assistant {
        join_text(&mut message.parts, seam);
    }
    Ok((is_new && !new.parts.is_empty()).then_some(new))
}

/// Pieces of one text, if a chunk ended within it. Where a caller cut a text itself, it stays in pieces.
fn join_text(parts: &mut Vec<Part>, seam: usize) {
    if let Some([Part::Text(before), Part::Text(after)]) = parts.get_mut(seam.saturating_sub(1)..=seam)
        && before.extras.is_empty()
        && after.extras.is_empty()
    {
        before.text += &std::mem::take(&mut after.text);
        parts.remove(seam);
    }
}

fn part(mut part: Fields, role: Role, calls: &mut Calls, parts: &mut Vec<Part>) -> Result<(), Fault> {
    for name in UNTRANSLATABLE {
        super::unsupported_if_there(&mut part, name)?;
    }
    let is_thought = part.bool("thought")?.unwrap_or(false);
    let signature = part.optional_string("thoughtSignature")?.and_then(signature::unpack);
    if is_thought {
        think(part.optional_string("text")?.unwrap_or_default(), parts);
        sign(signature, parts);
        return Ok(());
    }
    sign(signature, parts);
    if let Some(text) = part.optional_string("text")? {
        if !text.is_empty() {
            parts.push(Part::Text(Text { text, extras: part.rest() }));
        }
    } else if let Some(value) = part.take("functionCall") {
        only(Role::Assistant, role, &part, "functionCall")?;
        let mut call = call(fields(part.at("functionCall"), value)?, calls)?;
        call.extras.extend(part.rest());
        parts.push(Part::ToolCall(call));
    } else if let Some(value) = part.take("functionResponse") {
        only(Role::User, role, &part, "functionResponse")?;
        let mut result = result(fields(part.at("functionResponse"), value)?, calls)?;
        result.extras.extend(part.rest());
        parts.push(Part::ToolResult(result));
    } else if let Some(mut media) = media::media(&mut part)? {
        media.extras.extend(part.rest());
        parts.push(Part::Media(media));
    } else if let Some(unknown) = part_kind(&mut part) {
        return Err(unsupported(unknown));
    }
    Ok(())
}

/// The field that says what a part is, where we do not know it. Without one the part is empty, and says nothing.
fn part_kind(part: &mut Fields) -> Option<String> {
    let beside = ["videoMetadata", "mediaResolution", "partMetadata", "mediaProcessing"];
    beside.iter().for_each(|name| _ = part.take(name));
    let path = part.path().to_owned();
    let rest = std::mem::replace(part, Fields::new(path, Value::Object(Default::default())).ok()?).rest();
    rest.first().map(|extra| part.at(&extra.name))
}

fn only(wanted: Role, role: Role, part: &Fields, name: &str) -> Result<(), Fault> {
    if role == wanted {
        return Ok(());
    }
    let path = part.at(name);
    let message = format!("{path} cannot stand in a content of this role");
    Err(fault_at(FaultKind::InvalidRequest, path, message))
}

fn reasoning(text: String) -> Reasoning {
    Reasoning { text, signature: None, redacted: None, extras: Vec::new() }
}

/// A piece of a thought goes on the one before, unless that is complete.
fn think(text: String, parts: &mut Vec<Part>) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(Part::Reasoning(open)) if is_open(open) => open.text += &text,
        _ => parts.push(Part::Reasoning(reasoning(text))),
    }
}

/// A signature completes the thought before it. Where there is none, it is a thought of its own without text.
fn sign(signature: Option<Returned>, parts: &mut Vec<Part>) {
    let new = |signature: Option<Sealed>, redacted| {
        Part::Reasoning(Reasoning { signature, redacted, ..reasoning(String::new()) })
    };
    match (signature, parts.last_mut()) {
        (None, _) => {}
        (Some(Returned::Signature(sealed)), Some(Part::Reasoning(open))) if is_open(open) => {
            open.signature = Some(sealed)
        }
        (Some(Returned::Signature(sealed)), _) => parts.push(new(Some(sealed), None)),
        (Some(Returned::Redacted(sealed)), _) => parts.push(new(None, Some(sealed))),
    }
}

fn is_open(reasoning: &Reasoning) -> bool {
    reasoning.signature.is_none() && reasoning.redacted.is_none()
}

fn call(mut call: Fields, calls: &mut Calls) -> Result<ToolCall, Fault> {
    let name = call.string("name")?;
    let id = calls.call(call.optional_string("id")?, &name);
    let arguments = match call.take("args") {
        None => "{}".to_owned(),
        Some(Value::Object(arguments)) => Value::Object(arguments).to_string(),
        Some(_) => return Err(json::wrong(call.at("args"), "an object")),
    };
    Ok(ToolCall { id, name, arguments, extras: below("functionCall", call).collect() })
}

fn result(mut response: Fields, calls: &mut Calls) -> Result<ToolResult, Fault> {
    let name = response.string("name")?;
    let Some(call_id) = calls.result(response.optional_string("id")?, &name) else {
        let path = response.path().to_owned();
        let message = format!("{path} answers a call that is not in the conversation");
        return Err(fault_at(FaultKind::InvalidRequest, path, message));
    };
    let (text, failed) = match response.take("response") {
        None => (String::new(), false),
        Some(Value::Object(said)) => said_text(said),
        Some(_) => return Err(json::wrong(response.at("response"), "an object")),
    };
    let mut content = Vec::new();
    if !text.is_empty() {
        content.push(ResultPart::Text(Text { text, extras: Vec::new() }));
    }
    for (path, value) in response.array("parts")? {
        let mut part = fields(path, value)?;
        match media::media(&mut part)? {
            Some(mut media) => {
                media.extras.extend(part.rest());
                content.push(ResultPart::Media(media));
            }
            None => return Err(json::wrong(part.path(), "inlineData or fileData")),
        }
    }
    let extras = below("functionResponse", response).collect();
    Ok(ToolResult { call_id, name: Some(name), failed, content, extras })
}

/// `result` or `output` alone is what a tool said, `error` alone that it failed; any other object is the answer itself.
fn said_text(said: serde_json::Map<String, Value>) -> (String, bool) {
    let alone = if said.len() == 1 { said.iter().next() } else { None };
    match alone {
        Some((name, value)) if name == "error" => (words(value), true),
        Some((name, Value::String(text))) if name == "result" || name == "output" => (text.clone(), false),
        _ => (Value::Object(said).to_string(), false),
    }
}

fn words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
