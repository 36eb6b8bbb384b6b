//! The conversation: instructions to the top, then turns of user and assistant that strictly alternate.

use super::{Notes, content, unsupported};
use pointsman_adapter_sdk::Fault;
use pointsman_adapter_sdk::chat::{Message, Part, Role};
use pointsman_adapter_sdk::provider::ModelFacts;
use serde_json::{Value, json};

/// The API demands that a user speaks first; some conversations begin with a greeting of the assistant.
const OPENING: &str = "(The conversation begins.)";

/// The API demands a text beside documents.
const SEE_DOCUMENT: &str = "(See the document.)";

pub struct Said {
    pub system: Vec<Value>,
    pub messages: Vec<Value>,
    /// The model is to go on with a turn in which it called tools, and the thoughts that began it are not here: Claude
    /// refuses to think with a budget then.
    pub lost_thoughts: bool,
}

#[derive(Default)]
struct Turn {
    is_assistant: bool,
    /// Apart, because they must stand first in their turn, also when turns are merged.
    results: Vec<Value>,
    blocks: Vec<Value>,
}

pub fn split(messages: &[Message], facts: &ModelFacts, notes: &mut Notes) -> Result<Said, Fault> {
    let mut system = Vec::new();
    let mut turns: Vec<Turn> = Vec::new();
    for (i, message) in messages.iter().enumerate() {
        notes.cache_point(&message.extras);
        let mut turn = turn(message, &format!("messages[{i}]"), notes)?;
        match turns.last_mut() {
            _ if message.role == Role::System => system.append(&mut turn.blocks),
            _ if turn.results.is_empty() && turn.blocks.is_empty() => {}
            Some(last) if last.is_assistant == turn.is_assistant => {
                last.results.append(&mut turn.results);
                last.blocks.append(&mut turn.blocks);
            }
            _ => turns.push(turn),
        }
    }
    if turns.is_empty() {
        // Instructions alone: somebody must speak, so they are the user's words.
        turns.push(Turn { blocks: std::mem::take(&mut system), ..Turn::default() });
    }
    if let Some(last) = turns.last_mut().filter(|turn| turn.is_assistant) {
        if facts.prefill == Some(false) {
            let field = format!("messages[{}]", messages.len().saturating_sub(1));
            return Err(unsupported(&field, "this model does not continue a message of the assistant"));
        }
        trim_prefill(last);
    }
    let lost_thoughts = lost_thoughts(&turns);
    let mut said = Vec::new();
    if turns.first().is_some_and(|turn| turn.is_assistant) {
        said.push(json!({ "role": "user", "content": [{ "text": OPENING }] }));
    }
    said.extend(turns.into_iter().map(wire));
    Ok(Said { system, messages: said, lost_thoughts })
}

fn turn(message: &Message, path: &str, notes: &mut Notes) -> Result<Turn, Fault> {
    let mut turn = Turn { is_assistant: message.role == Role::Assistant, ..Turn::default() };
    for (i, part) in message.parts.iter().enumerate() {
        let path = format!("{path}.content[{i}]");
        match part {
            Part::Text(text) => turn.blocks.extend(content::text(text, notes)),
            Part::Media(media) => turn.blocks.extend(content::media(media, message.role, &path, notes)?),
            Part::Reasoning(thought) => turn.blocks.extend(content::reasoning(thought, notes)),
            Part::ToolCall(call) => turn.blocks.extend(content::tool_call(call, notes)),
            Part::ToolResult(result) => turn.results.extend(content::tool_result(result, &path, notes)?),
        }
    }
    Ok(turn)
}

/// A last turn of the assistant is the beginning of its answer, and must not end in white space.
fn trim_prefill(turn: &mut Turn) {
    if let Some(Value::String(text)) = turn.blocks.last_mut().and_then(|block| block.get_mut("text")) {
        text.truncate(text.trim_end().len());
    }
}

fn lost_thoughts(turns: &[Turn]) -> bool {
    match turns {
        [.., called, answered] if called.is_assistant && !answered.results.is_empty() => {
            called.blocks.first().is_none_or(|block| block.get("reasoningContent").is_none())
        }
        _ => false,
    }
}

fn wire(turn: Turn) -> Value {
    let role = if turn.is_assistant { "assistant" } else { "user" };
    let mut content = turn.results;
    content.extend(turn.blocks);
    let has = |name: &str| content.iter().any(|block| block.get(name).is_some());
    if has("document") && !has("text") {
        content.push(json!({ "text": SEE_DOCUMENT }));
    }
    json!({ "role": role, "content": content })
}
