//! The conversation: instructions to the top, then turns of user and assistant.

use super::{Extras, content};
use pointsman_sdk::codec::chat::{Extra, Message, Part, Request, Role};
use pointsman_sdk::codec::provider::ModelFacts;
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use serde_json::{Value, json};

/// The API demands that a user speaks first; some conversations begin with a greeting of the assistant.
const OPENING: &str = "(The conversation begins.)";

pub struct Said {
    pub system: Vec<Value>,
    pub messages: Vec<Value>,
}

struct Turn<'a> {
    role: Role,
    /// Apart, because they must stand first in their turn, also when turns are merged.
    results: Vec<Value>,
    blocks: Vec<Value>,
    extras: &'a [Extra],
}

pub fn split(request: &Request, facts: &ModelFacts, extras: &mut Extras) -> Result<Said, Fault> {
    refuse_prefill(request, facts)?;
    let mut system = Vec::new();
    let mut turns: Vec<Turn> = Vec::new();
    for (i, message) in request.messages.iter().enumerate() {
        let mut turn = turn(message, &format!("messages[{i}]"), extras)?;
        match turns.last_mut() {
            _ if turn.results.is_empty() && turn.blocks.is_empty() => {}
            Some(last) if turn.role == Role::System && stays(last, facts, extras) => turns.push(turn),
            _ if turn.role == Role::System => system.append(&mut turn.blocks),
            Some(last) if last.role == turn.role && !extras.own => {
                last.results.append(&mut turn.results);
                last.blocks.append(&mut turn.blocks);
            }
            _ => turns.push(turn),
        }
    }
    if turns.is_empty() {
        // Instructions alone: somebody must speak, so they are the user's words.
        let blocks = std::mem::take(&mut system);
        turns.push(Turn { role: Role::User, results: Vec::new(), blocks, extras: &[] });
    }
    trim_prefill(&mut turns);
    let mut said = Said { system, messages: Vec::new() };
    if turns.first().is_some_and(|turn| turn.role == Role::Assistant) {
        said.messages.push(json!({ "role": "user", "content": OPENING }));
    }
    said.messages.extend(turns.into_iter().map(|turn| wire(turn, extras)));
    Ok(said)
}

/// Does the conversation end with results of tools, although the turn that called them will not begin with a thought that
/// Claude signed? The turn has all messages since the user's last words; later ones in it need no thought. A caller of this
/// protocol (`own`) is believed, unless it had another provider's thought there.
pub fn lacks_thought(request: &Request, own: bool) -> bool {
    let has_results = |message: &Message| message.parts.iter().any(|part| matches!(part, Part::ToolResult(_)));
    let spoken = request.messages.iter().rev().filter(|message| message.role != Role::System);
    let mut turn = spoken.take_while(|message| message.role == Role::Assistant || has_results(message)).peekable();
    if !turn.peek().is_some_and(|last| has_results(last)) {
        return false;
    }
    let calling: Vec<&Message> = turn.filter(|message| message.role == Role::Assistant).collect();
    let is_foreign = |part: &Part| matches!(part, Part::Reasoning(thought) if content::thought(thought).is_none());
    let begins_with_thought = calling.last().is_some_and(|first| {
        let first = first.parts.iter().find(|part| !is_foreign(part));
        matches!(first, Some(Part::Reasoning(_)))
    });
    !begins_with_thought && (!own || calling.iter().any(|message| message.parts.iter().any(is_foreign)))
}

/// Can system messages stand behind this turn? Newer models take them after the user; callers of this protocol are
/// believed that the model that they chose does.
fn stays(last: &Turn, facts: &ModelFacts, extras: &Extras) -> bool {
    match facts.mid_system {
        None => extras.own,
        Some(taken) => taken && (extras.own || last.role != Role::Assistant),
    }
}

fn refuse_prefill(request: &Request, facts: &ModelFacts) -> Result<(), Fault> {
    let spoken = |message: &Message| message.role != Role::System && !message.parts.is_empty();
    let last = request.messages.iter().rposition(spoken);
    let prefill = last.filter(|i| request.messages.get(*i).is_some_and(|message| message.role == Role::Assistant));
    match prefill {
        Some(i) if facts.prefill == Some(false) => {
            let message = "this model does not go on with a message of the assistant: the user must speak last";
            Err(fault_at(FaultKind::Unsupported, format!("messages[{i}]"), message))
        }
        _ => Ok(()),
    }
}

fn turn<'a>(message: &'a Message, path: &str, extras: &mut Extras) -> Result<Turn<'a>, Fault> {
    let mut turn = Turn { role: message.role, results: Vec::new(), blocks: Vec::new(), extras: &message.extras };
    if !extras.own {
        message.extras.iter().for_each(|extra| extras.drop(&extra.name));
    }
    for (i, part) in message.parts.iter().enumerate() {
        let path = format!("{path}.content[{i}]");
        match part {
            Part::Text(text) => turn.blocks.extend(content::text(text, extras)),
            Part::Media(media) => turn.blocks.push(content::media(media, message.role, &path, extras)?),
            Part::Reasoning(thought) => match content::thought(thought) {
                Some(mut block) => {
                    extras.put(&thought.extras, &mut block);
                    turn.blocks.push(block);
                }
                // Not Claude's: refused here, and never to be shown as text.
                None => extras.drop("reasoning"),
            },
            Part::ToolCall(call) => turn.blocks.push(content::tool_call(call, extras)),
            Part::ToolResult(result) => turn.results.push(content::tool_result(result, &path, extras)?),
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

fn wire(turn: Turn, extras: &mut Extras) -> Value {
    let role = match turn.role {
        Role::Assistant => "assistant",
        Role::System => "system",
        Role::User => "user",
    };
    let mut content = turn.results;
    content.extend(turn.blocks);
    let mut message = json!({ "role": role, "content": content });
    if extras.own {
        extras.put(turn.extras, &mut message);
    }
    message
}
