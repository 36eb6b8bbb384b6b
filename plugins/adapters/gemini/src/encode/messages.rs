//! The conversation: instructions to the top, then turns of user and model that strictly alternate.

use super::{Dropped, content, results};
use crate::PROTOCOL;
use crate::signature::PLACEHOLDER;
use pointsman_sdk::codec::chat::{Message, Part, Reasoning, Request, Role};
use pointsman_sdk::codec::provider::{ModelFacts, ReasoningForm};
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use results::{Calls, Results};
use serde_json::{Value, json};

/// A call must follow a turn of the user; some conversations begin with a greeting of the assistant.
const OPENING: &str = "(The conversation begins.)";

pub struct Said {
    pub system: Vec<Value>,
    pub contents: Vec<Value>,
}

struct Turn {
    role: Role,
    /// Apart, because they must stand first in their turn, also when turns are merged.
    results: Results,
    parts: Vec<Value>,
}

pub fn split(request: &Request, facts: &ModelFacts, dropped: &mut Dropped) -> Result<Said, Fault> {
    if facts.prefill == Some(false) {
        refuse_prefill(&request.messages)?;
    }
    let is_gemini_3 = facts.reasoning == Some(ReasoningForm::Level);
    let mut system = Vec::new();
    let mut turns: Vec<Turn> = Vec::new();
    let mut calls = Calls::default();
    for (i, message) in request.messages.iter().enumerate() {
        // A turn is no object that could carry them.
        dropped.extras(&message.extras, &mut Value::Null);
        let mut turn = turn(message, &format!("messages[{i}]"), &mut calls, is_gemini_3, dropped)?;
        match turns.last_mut() {
            _ if message.role == Role::System => system.append(&mut turn.parts),
            _ if turn.results.is_empty() && turn.parts.is_empty() => {}
            Some(last) if last.role == turn.role => {
                last.results.append(turn.results);
                last.parts.append(&mut turn.parts);
            }
            _ => turns.push(turn),
        }
    }
    if turns.is_empty() {
        // Instructions alone: somebody must speak, so they are the user's words.
        turns.push(Turn { role: Role::User, results: Results::default(), parts: std::mem::take(&mut system) });
    }
    let mut contents = Vec::new();
    if turns.first().is_some_and(|turn| turn.role == Role::Assistant) {
        contents.push(json!({ "role": "user", "parts": [{ "text": OPENING }] }));
    }
    contents.extend(turns.into_iter().map(|turn| wire(turn, is_gemini_3)));
    Ok(Said { system, contents })
}

fn turn(
    message: &Message,
    path: &str,
    calls: &mut Calls,
    is_gemini_3: bool,
    dropped: &mut Dropped,
) -> Result<Turn, Fault> {
    let mut turn = Turn { role: message.role, results: Results::default(), parts: Vec::new() };
    // Of a thought that stands before the part that carries it on the wire.
    let mut signature = None;
    for (i, part) in message.parts.iter().enumerate() {
        let path = format!("{path}.content[{i}]");
        let wire = match part {
            Part::Reasoning(reasoning) => {
                if let Some(own) = own_signature(reasoning, dropped) {
                    turn.parts.extend(signature.replace(own).map(bare));
                }
                continue;
            }
            Part::ToolResult(result) => {
                turn.results.push(results::result(result, calls, &path, is_gemini_3, dropped)?);
                continue;
            }
            Part::Text(text) if text.text.is_empty() => continue,
            Part::Text(text) => content::text(text, dropped),
            Part::Media(media) => content::media(media, &path, dropped)?,
            Part::ToolCall(call) => {
                let wire = content::tool_call(call, &path, dropped)?;
                calls.add(call);
                wire
            }
        };
        turn.parts.push(signed(wire, signature.take()));
    }
    match turn.parts.last_mut() {
        // A streamed text is signed at its end.
        Some(last) if last.get("thoughtSignature").is_none() => *last = signed(last.take(), signature),
        Some(_) => turn.parts.extend(signature.map(bare)),
        None => {}
    }
    Ok(turn)
}

/// Gemini wants its signatures back, not the thoughts themselves. What others thought is refused here, and never to be
/// shown as text.
fn own_signature(reasoning: &Reasoning, dropped: &mut Dropped) -> Option<String> {
    let own = reasoning.signature.as_ref().filter(|signature| signature.maker == PROTOCOL);
    dropped.add_if(own.is_none(), "reasoning");
    own.map(|signature| signature.data.clone())
}

/// A signature without a part that could carry it: each stands where it stood, because none may be lost.
fn bare(signature: String) -> Value {
    signed(json!({ "text": "" }), Some(signature))
}

fn signed(mut part: Value, signature: Option<String>) -> Value {
    if let Some(signature) = signature {
        part["thoughtSignature"] = signature.into();
    }
    part
}

fn wire(mut turn: Turn, is_gemini_3: bool) -> Value {
    if is_gemini_3
        && let Some(first) = turn.parts.iter_mut().find(|part| part.get("functionCall").is_some())
        && first.get("thoughtSignature").is_none()
    {
        // Gemini 3 refuses a step whose first call is not signed, and others do not sign.
        first["thoughtSignature"] = PLACEHOLDER.into();
    }
    let role = if turn.role == Role::Assistant { "model" } else { "user" };
    let mut parts = turn.results.wire();
    parts.append(&mut turn.parts);
    json!({ "role": role, "parts": parts })
}

fn refuse_prefill(messages: &[Message]) -> Result<(), Fault> {
    let last = messages.iter().enumerate().rfind(|(_, message)| message.role != Role::System);
    match last {
        Some((i, message)) if message.role == Role::Assistant => {
            let why = "this model does not continue a message of the assistant";
            Err(fault_at(FaultKind::Unsupported, format!("messages[{i}]"), why))
        }
        _ => Ok(()),
    }
}
