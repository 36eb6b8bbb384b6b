//! Replies of the provider as events. This also runs over replies that go to the caller untouched, for the sake of usage
//! and faults: what it does not know it passes over, and it copies no more than the events need.

mod bedrock;
mod count;
mod stream;
mod whole;
mod wire;

use crate::{PROTOCOL, is_count};
use pointsman_sdk::codec::chat::{Delta, Event, Finish, Sealed, SealedDelta, ToolCallStarted};
use pointsman_sdk::codec::provider::{Decoded, Frame};
use pointsman_sdk::codec::{Fault, FaultKind, fault, recall, remember};
use serde::{Deserialize, Serialize};
use stream::Progress;
use wire::{Piece, text};

#[derive(Default, Deserialize, Serialize)]
struct Memory {
    /// `finished` or `failed` was given: nothing may follow.
    over: bool,
    progress: Progress,
}

pub fn frames(operation: &str, stream: bool, memory: &[u8], frames: &[Frame], ended: bool) -> Decoded {
    let mut memory: Memory = recall(memory);
    let mut events = Vec::new();
    for frame in frames {
        if memory.over {
            break;
        }
        let said = match stream {
            _ if is_count(operation) => count::body(&frame.data, &mut events),
            true => memory.progress.frame(frame, &mut events),
            false => whole::body(&frame.data, &mut events),
        };
        if let Err(fault) = said {
            events.push(Event::Failed(fault));
        }
        memory.over = matches!(events.last(), Some(Event::Finished(_) | Event::Failed(_)));
    }
    if ended && !memory.over {
        memory.over = true;
        // Why it stopped was told, so nothing is missing but the words that nothing more will come.
        if !memory.progress.end(&mut events) {
            events.push(Event::Failed(fault(FaultKind::Truncated, "the reply ended before it was complete")));
        }
    }
    Decoded { events, memory: remember(&memory) }
}

/// What a block (`text`), or a piece of one (`text_delta`), says. Does it say anything?
fn push_piece(index: u32, kind: &str, piece: &Piece, events: &mut Vec<Event>) -> bool {
    let before = events.len();
    let mut push = |event: fn(Delta) -> Event, value: &str| {
        // Placeholders at a block's start are empty.
        if !value.is_empty() {
            events.push(event(Delta { index, text: value.to_owned() }));
        }
    };
    match kind {
        "text" | "text_delta" => push(Event::TextDelta, text(&piece.text)),
        "thinking" | "thinking_delta" => push(Event::ReasoningDelta, text(&piece.thinking)),
        "redacted_thinking" => events.push(Event::RedactedReasoning(sealed(index, text(&piece.data)))),
        "input_json_delta" => push(Event::ToolArgumentsDelta, text(&piece.partial_json)),
        "tool_use" => {
            let (id, name) = (text(&piece.id).to_owned(), text(&piece.name).to_owned());
            events.push(Event::ToolCallStarted(ToolCallStarted { index, id, name }));
        }
        _ => {}
    }
    events.len() > before
}

/// Made by this protocol's own provider.
fn sealed(index: u32, data: &str) -> SealedDelta {
    SealedDelta { index, sealed: Sealed { maker: PROTOCOL.into(), data: data.to_owned() } }
}

fn malformed(what: &str) -> Fault {
    fault(FaultKind::MalformedReply, format!("the provider's reply is not what the protocol says: {what}"))
}

/// Why a reply ended. A reason nobody knows yet is taken for a normal end.
fn finish(stop_reason: Option<&str>, has_calls: bool) -> Finish {
    match stop_reason {
        Some("max_tokens" | "model_context_window_exceeded") => Finish::Length,
        Some("stop_sequence") => Finish::StopSequence,
        Some("tool_use") => Finish::ToolCalls,
        Some("pause_turn") => Finish::Pause,
        Some("refusal") => Finish::Refusal,
        Some("end_turn") => Finish::Stop,
        _ if has_calls => Finish::ToolCalls,
        _ => Finish::Stop,
    }
}
