//! The conversation: instructions to the top, then turns of user and assistant that strictly alternate.

use super::{Dropped, content};
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{Message, Part, Request, Role};
use serde_json::{Value, json};

/// The API demands that a user speaks first; some conversations begin with a greeting of the assistant.
const OPENING: &str = "(The conversation begins.)";

pub struct Said {
    pub system: Vec<Value>,
    pub messages: Vec<Value>,
}

struct Turn {
    role: Role,
    /// Apart, because they must stand first in their turn, also when turns are merged.
    results: Vec<Value>,
    blocks: Vec<Value>,
}

pub fn split(messages: &[Message], dropped: &mut Dropped) -> Result<Said, Fault> {
    let mut system = Vec::new();
    let mut turns: Vec<Turn> = Vec::new();
    for (i, message) in messages.iter().enumerate() {
        dropped.extras(&message.extras);
        let mut turn = turn(message, &format!("messages[{i}]"), dropped)?;
        match turns.last_mut() {
            _ if message.role == Role::System => system.append(&mut turn.blocks),
            _ if turn.results.is_empty() && turn.blocks.is_empty() => {}
            Some(last) if last.role == turn.role => {
                last.results.append(&mut turn.results);
                last.blocks.append(&mut turn.blocks);
            }
            _ => turns.push(turn),
        }
    }
    if turns.is_empty() {
        // Instructions alone: somebody must speak, so they are the user's words.
        turns.push(Turn { role: Role::User, results: Vec::new(), blocks: std::mem::take(&mut system) });
    }
    trim_prefill(&mut turns);
    let mut said = Said { system, messages: Vec::new() };
    if turns.first().is_some_and(|turn| turn.role == Role::Assistant) {
        said.messages.push(json!({ "role": "user", "content": OPENING }));
    }
    said.messages.extend(turns.into_iter().map(wire));
    Ok(said)
}

/// Does the conversation end with results of tools, so that the model goes on with a turn it began before?
pub fn answers_tools(request: &Request) -> bool {
    let spoken = request.messages.iter().rfind(|message| message.role != Role::System);
    spoken.is_some_and(|message| message.parts.iter().any(|part| matches!(part, Part::ToolResult(_))))
}

fn turn(message: &Message, path: &str, dropped: &mut Dropped) -> Result<Turn, Fault> {
    let mut turn = Turn { role: message.role, results: Vec::new(), blocks: Vec::new() };
    for (i, part) in message.parts.iter().enumerate() {
        let path = format!("{path}.content[{i}]");
        match part {
            Part::Text(text) => turn.blocks.extend(content::text(text, dropped)),
            Part::Media(media) => turn.blocks.push(content::media(media, message.role, &path, dropped)?),
            // Signed by another provider: refused here, and never to be shown as text.
            Part::Reasoning(_) => dropped.add("reasoning"),
            Part::ToolCall(call) => turn.blocks.push(content::tool_call(call, dropped)),
            Part::ToolResult(result) => turn.results.push(content::tool_result(result, &path, dropped)?),
        }
    }
    Ok(turn)
}

/// A last turn of the assistant is the beginning of its answer, and must not end in white space.
fn trim_prefill(turns: &mut [Turn]) {
    let Some(Turn { role: Role::Assistant, blocks, .. }) = turns.last_mut() else { return };
    let Some(Value::String(text)) = blocks.last_mut().and_then(|block| block.get_mut("text")) else { return };
    text.truncate(text.trim_end().len());
}

fn wire(turn: Turn) -> Value {
    let role = if turn.role == Role::Assistant { "assistant" } else { "user" };
    let mut content = turn.results;
    content.extend(turn.blocks);
    json!({ "role": role, "content": content })
}
