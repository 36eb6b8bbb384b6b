//! Replies as events: the frames of a stream, a whole message, a count of tokens, or vectors.

mod embeddings;
mod parts;
mod stream;
mod whole;
mod wire;

use crate::{COUNT_TOKENS, EMBEDDINGS};
use pointsman_adapter_sdk::chat::{Event, Finish, Finished};
use pointsman_adapter_sdk::provider::{Decoded, Frame};
use pointsman_adapter_sdk::{Fault, FaultKind, fault, recall, remember};
use serde::{Deserialize, Serialize};
use stream::Progress;

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
        let said = match (operation, stream) {
            (EMBEDDINGS, _) => embeddings::whole(&frame.data, &mut events),
            (COUNT_TOKENS, _) => whole::count(&frame.data, &mut events),
            (_, true) => memory.progress.frame(frame, &mut events),
            (_, false) => whole::body(&frame.data, &mut events),
        };
        memory.over = close(said, &mut events);
    }
    if ended && !memory.over {
        // A stream that stopped but for its counts is complete.
        let said = memory.progress.end(&mut events);
        memory.over = close(said, &mut events);
    }
    Decoded { events, memory: remember(&memory) }
}

/// Is the reply over? An error ends it.
fn close(said: Result<(), Fault>, events: &mut Vec<Event>) -> bool {
    if let Err(fault) = said {
        events.push(Event::Failed(fault));
    }
    matches!(events.last(), Some(Event::Finished(_) | Event::Failed(_)))
}

fn malformed(what: &str) -> Fault {
    fault(FaultKind::MalformedReply, format!("the provider's reply is not what the protocol says: {what}"))
}

fn truncated() -> Fault {
    fault(FaultKind::Truncated, "the reply ended before it was complete")
}

/// Why a reply ended. A reason nobody knows yet is taken for a normal end.
fn finished(stop_reason: &str, stop_sequence: Option<String>, has_calls: bool) -> Result<Finished, Fault> {
    let reason = match stop_reason {
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "stop_sequence" => Finish::StopSequence,
        "guardrail_intervened" | "content_filtered" => Finish::ContentFilter,
        "refusal" => Finish::Refusal,
        "pause_turn" => Finish::Pause,
        "malformed_model_output" | "malformed_tool_use" => {
            return Err(malformed(&format!("the model's output is broken ({stop_reason})")));
        }
        "tool_use" => Finish::ToolCalls,
        _ if has_calls => Finish::ToolCalls,
        _ => Finish::Stop,
    };
    Ok(Finished { reason, stop_sequence })
}
