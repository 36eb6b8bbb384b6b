//! Events as a Messages reply: streamed, or one JSON object at the end.

mod stream;
mod whole;

use crate::is_count;
use pointsman_sdk::codec::chat::{Event, Finish, Sealed, SealedDelta, Started};
use pointsman_sdk::codec::client_protocol::Written;
use pointsman_sdk::codec::{recall, remember};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The signature of thinking that another provider left unsigned: what `sealed::pack` makes of no data by nobody known.
/// The caller sends it back with the history, where the host and `read` know it by its mark. An empty signature would be
/// no safer, and nobody could tell it apart.
pub const UNSIGNED: &str = "pointsman:unknown:";
/// The maker in it.
const NOBODY: &str = "unknown";

#[derive(Default, Deserialize, Serialize)]
struct Memory {
    /// Callers who did not ask for thinking read `content[0].text`, and must find the answer there.
    hides_thinking: bool,
    /// Calls without a thought before them are marked: see [`UNSIGNED`].
    marks_calls: bool,
    /// The reply is complete, or failed.
    over: bool,
    stream: stream::Progress,
    whole: whole::Reply,
}

/// The memory that the fold begins with. `has_budget`: the caller asked for thinking with a budget. Claude then refuses the
/// results of a turn that does not begin with its thought, so the calls of another provider get an empty one, by which
/// `encode` knows that this turn goes on without thinking.
pub fn beginning(thinking_wanted: bool, has_budget: bool) -> Vec<u8> {
    remember(&Memory { hides_thinking: !thinking_wanted, marks_calls: has_budget, ..Memory::default() })
}

pub fn events(operation: &str, stream: bool, memory: &[u8], events: Vec<Event>, ended: bool) -> Written {
    let mut memory: Memory = recall(memory);
    let mut bytes = Vec::new();
    if memory.over {
        return Written { bytes, memory: remember(&memory) };
    }
    let mut events = if memory.hides_thinking { without_thinking(events) } else { events };
    if memory.marks_calls {
        events = with_marks(events, &mut memory.marks_calls);
    }
    memory.over = if is_count(operation) {
        memory.whole.write_count(events, &mut bytes)
    } else if stream {
        memory.stream.write(events, ended, &mut bytes)
    } else {
        // A failure before the end is answered by `refuse`: no byte has gone out.
        memory.whole.write(events, &mut bytes)
    };
    Written { bytes, memory: remember(&memory) }
}

/// A ping stands in for what is left out, so that a caller who waits for a long thought does not give up.
fn without_thinking(mut events: Vec<Event>) -> Vec<Event> {
    let is_thinking = |event: &Event| {
        matches!(event, Event::ReasoningDelta(_) | Event::ReasoningSignature(_) | Event::RedactedReasoning(_))
    };
    if let Some(first) = events.iter().position(is_thinking) {
        events[first] = Event::Ping;
        events.retain(|event| !is_thinking(event));
    }
    events
}

/// An empty thought of nobody before the first call, unless a thought came before it.
fn with_marks(events: Vec<Event>, is_due: &mut bool) -> Vec<Event> {
    let mut marked = Vec::with_capacity(events.len() + 1);
    for event in events {
        match &event {
            Event::ReasoningDelta(_) | Event::ReasoningSignature(_) | Event::RedactedReasoning(_) => *is_due = false,
            Event::ToolCallStarted(call) if std::mem::take(is_due) => {
                let sealed = Sealed { maker: NOBODY.into(), data: String::new() };
                // The call's own index: the block of the call follows in another kind.
                marked.push(Event::RedactedReasoning(SealedDelta { index: call.index, sealed }));
            }
            _ => {}
        }
        marked.push(event);
    }
    marked
}

/// A message without content: what a stream begins with, and what a whole reply is filled into.
fn empty_message(started: &Started, usage: Value) -> Value {
    json!({
        "id": crate::ids::message(&started.id),
        "type": "message",
        "role": "assistant",
        "model": started.model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": usage,
    })
}

/// Some providers end with `stop` although they called tools; some say `tool-calls` and called none.
fn stop_reason(finish: Finish, has_calls: bool) -> &'static str {
    match finish {
        Finish::Stop | Finish::ToolCalls if has_calls => "tool_use",
        Finish::Stop | Finish::ToolCalls => "end_turn",
        Finish::StopSequence => "stop_sequence",
        Finish::Length => "max_tokens",
        Finish::ContentFilter | Finish::Refusal => "refusal",
        Finish::Pause => "pause_turn",
    }
}

fn no_started() -> Started {
    Started { id: String::new(), model: String::new(), created_unix_s: 0 }
}

fn empty_input() -> Value {
    Value::Object(Map::new())
}
