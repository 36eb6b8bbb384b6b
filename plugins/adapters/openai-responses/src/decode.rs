//! Replies of the provider as events. This also runs over replies that go to the caller untouched, for the sake of usage
//! and faults: what it does not know it passes over.

mod item;
mod parts;
mod reply;

use crate::{COMPACT, COUNT_TOKENS, classify};
use pointsman_sdk::codec::chat::{Event, Finish, Finished, Usage};
use pointsman_sdk::codec::provider::{Decoded, Frame};
use pointsman_sdk::codec::{Fault, FaultKind, fault, recall, remember};
use reply::Reply;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Default, Serialize, Deserialize)]
struct Memory {
    /// `finished` or `failed` was given: nothing may follow.
    is_over: bool,
    reply: Reply,
}

pub fn fold(operation: &str, stream: bool, memory: &[u8], frames: &[Frame], ended: bool) -> Decoded {
    let mut memory: Memory = recall(memory);
    let mut events = Vec::new();
    for frame in frames {
        if memory.is_over {
            break;
        }
        let said = match operation {
            COUNT_TOKENS => count(frame, &mut events),
            COMPACT => compacted(frame, &mut events),
            _ if stream => memory.reply.frame(frame, &mut events),
            _ => parse(frame).and_then(|body| memory.reply.whole(&body, &mut events)),
        };
        if let Err(fault) = said {
            events.push(Event::Failed(fault));
        }
        memory.is_over = matches!(events.last(), Some(Event::Finished(_) | Event::Failed(_)));
    }
    if ended && !memory.is_over {
        memory.is_over = true;
        events.push(Event::Failed(fault(FaultKind::Truncated, "the reply ended before it was complete")));
    }
    Decoded { events, memory: remember(&memory) }
}

/// `{"object": "response.input_tokens", "input_tokens": 11}`
fn count(frame: &Frame, events: &mut Vec<Event>) -> Result<(), Fault> {
    let body = parse(frame)?;
    refuse_error(&body)?;
    let input = body.get("input_tokens").and_then(Value::as_u64).ok_or_else(|| malformed("it has no input_tokens"))?;
    events.push(Event::Usage(Usage { input, output: 0, cache_read: 0, cache_write: 0, reasoning: 0 }));
    events.push(Event::Finished(Finished { reason: Finish::Stop, stop_sequence: None }));
    Ok(())
}

/// `{"object": "response.compaction", "output": [...], "usage": {...}}`: no event says what is in it, for it goes to the caller as
/// it is.
fn compacted(frame: &Frame, events: &mut Vec<Event>) -> Result<(), Fault> {
    let body = parse(frame)?;
    refuse_error(&body)?;
    if !body.get("output").is_some_and(Value::is_array) {
        return Err(malformed("it has no output"));
    }
    events.extend(reply::usage(&body).map(Event::Usage));
    events.push(Event::Finished(Finished { reason: Finish::Stop, stop_sequence: None }));
    Ok(())
}

fn parse(frame: &Frame) -> Result<Value, Fault> {
    serde_json::from_slice(&frame.data).map_err(|_| malformed("it is not JSON"))
}

/// An error that came with status 200.
fn refuse_error(body: &Value) -> Result<(), Fault> {
    match body.get("error") {
        None | Some(Value::Null) => Ok(()),
        Some(_) => Err(classify::inside(body)),
    }
}

fn malformed(what: &str) -> Fault {
    fault(FaultKind::MalformedReply, format!("the provider's reply is not what the protocol says: {what}"))
}

/// The text of a field; empty where there is none.
fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn index(object: &Value, name: &str) -> u32 {
    object.get(name).and_then(Value::as_u64).and_then(|index| u32::try_from(index).ok()).unwrap_or_default()
}
