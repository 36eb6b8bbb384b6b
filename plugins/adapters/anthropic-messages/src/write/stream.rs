//! The streamed reply. Blocks never overlap, are counted from 0 without gaps, and begin with empty placeholders, as
//! strict parsers expect.

use super::{UNSIGNED, empty_input, empty_message, no_started, stop_reason};
use crate::usage::Counts;
use crate::{PROTOCOL, ids, refuse};
use pointsman_sdk::codec::chat::{Event, Finished, Started, ToolCallStarted};
use pointsman_sdk::codec::{FaultKind, fault};
use pointsman_sdk::sealed::pack;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How far the caller's reply has come.
#[derive(Default, Deserialize, Serialize)]
pub struct Progress {
    started: bool,
    has_calls: bool,
    /// Blocks begun so far.
    blocks: u32,
    open: Option<Open>,
    counts: Counts,
}

#[derive(Deserialize, Serialize)]
struct Open {
    part: u32,
    kind: Kind,
    /// Arguments of a call, or the signature of a thought, were sent.
    complete: bool,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Serialize)]
enum Kind {
    Text,
    Thinking,
    Redacted,
    Call,
}

impl Progress {
    /// True when the reply is over.
    pub fn write(&mut self, events: Vec<Event>, ended: bool, out: &mut Vec<u8>) -> bool {
        let mut events = events.into_iter().peekable();
        while let Some(event) = events.next() {
            match event {
                Event::Failed(fault) => {
                    frame(out, &refuse::body(&fault));
                    return true;
                }
                Event::Finished(finished) => {
                    self.finish(finished, out);
                    return true;
                }
                Event::Ping => frame(out, &json!({ "type": "ping" })),
                Event::Usage(usage) => self.counts = Counts::from_chat(&usage),
                Event::Started(started) => {
                    // The message's start tells the input's size, where the provider says it that early.
                    if let Some(Event::Usage(usage)) = events.peek() {
                        self.counts = Counts::from_chat(usage);
                    }
                    self.start(&started, out);
                }
                content => self.content(content, out),
            }
        }
        if ended && self.started {
            let fault = fault(FaultKind::Truncated, "the reply ended before it was complete");
            frame(out, &refuse::body(&fault));
        }
        ended
    }

    fn start(&mut self, started: &Started, out: &mut Vec<u8>) {
        if !self.started {
            self.started = true;
            frame(out, &json!({ "type": "message_start", "message": empty_message(started, self.counts.json()) }));
        }
    }

    fn content(&mut self, event: Event, out: &mut Vec<u8>) {
        match event {
            // A block is opened by its first text: an empty one would be refused when it comes back in the history.
            Event::TextDelta(delta) if !delta.text.is_empty() => {
                self.enter(delta.index, Kind::Text, || json!({ "type": "text", "text": "" }), out);
                self.delta(json!({ "type": "text_delta", "text": delta.text }), out);
            }
            Event::ReasoningDelta(delta) if !delta.text.is_empty() => {
                self.enter(delta.index, Kind::Thinking, thinking, out);
                self.delta(json!({ "type": "thinking_delta", "thinking": delta.text }), out);
            }
            Event::ReasoningSignature(delta) if !delta.sealed.data.is_empty() => {
                self.enter(delta.index, Kind::Thinking, thinking, out);
                self.delta(json!({ "type": "signature_delta", "signature": pack(&delta.sealed, PROTOCOL) }), out);
                self.complete();
            }
            Event::RedactedReasoning(delta) => {
                let block = || json!({ "type": "redacted_thinking", "data": pack(&delta.sealed, PROTOCOL) });
                self.enter(delta.index, Kind::Redacted, block, out);
            }
            Event::ToolCallStarted(call) => self.call(&call, out),
            Event::ToolArgumentsDelta(delta) if self.is_in(delta.index, Kind::Call) && !delta.text.is_empty() => {
                self.delta(json!({ "type": "input_json_delta", "partial_json": delta.text }), out);
                self.complete();
            }
            Event::PartFinished(part) if self.open.as_ref().is_some_and(|open| open.part == part) => self.close(out),
            _ => {}
        }
    }

    fn call(&mut self, call: &ToolCallStarted, out: &mut Vec<u8>) {
        self.has_calls = true;
        let id = ids::legal(&call.id);
        let block = || json!({ "type": "tool_use", "id": id, "name": call.name, "input": empty_input() });
        self.enter(call.index, Kind::Call, block, out);
    }

    /// Opens a block unless it is open, and closes the one before.
    fn enter(&mut self, part: u32, kind: Kind, block: impl FnOnce() -> Value, out: &mut Vec<u8>) {
        self.start(&no_started(), out);
        if self.is_in(part, kind) {
            return;
        }
        self.close(out);
        frame(out, &json!({ "type": "content_block_start", "index": self.blocks, "content_block": block() }));
        self.blocks += 1;
        self.open = Some(Open { part, kind, complete: false });
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        let Some(open) = self.open.take() else { return };
        match open.kind {
            Kind::Call if !open.complete => {
                self.delta(json!({ "type": "input_json_delta", "partial_json": "{}" }), out);
            }
            Kind::Thinking if !open.complete => {
                self.delta(json!({ "type": "signature_delta", "signature": UNSIGNED }), out);
            }
            _ => {}
        }
        frame(out, &json!({ "type": "content_block_stop", "index": self.blocks.saturating_sub(1) }));
    }

    fn is_in(&self, part: u32, kind: Kind) -> bool {
        self.open.as_ref().is_some_and(|open| open.part == part && open.kind == kind)
    }

    fn complete(&mut self) {
        if let Some(open) = &mut self.open {
            open.complete = true;
        }
    }

    /// A piece of the block that was begun last.
    fn delta(&self, delta: Value, out: &mut Vec<u8>) {
        frame(out, &json!({ "type": "content_block_delta", "index": self.blocks.saturating_sub(1), "delta": delta }));
    }

    fn finish(&mut self, finished: Finished, out: &mut Vec<u8>) {
        self.start(&no_started(), out);
        self.close(out);
        let reason = stop_reason(finished.reason, self.has_calls);
        let delta = json!({ "stop_reason": reason, "stop_sequence": finished.stop_sequence });
        frame(out, &json!({ "type": "message_delta", "delta": delta, "usage": self.counts.json() }));
        frame(out, &json!({ "type": "message_stop" }));
    }
}

fn thinking() -> Value {
    json!({ "type": "thinking", "thinking": "", "signature": "" })
}

/// Clients skip events without an `event` line; its name is the data's type.
fn frame(out: &mut Vec<u8>, data: &Value) {
    let name = data["type"].as_str().unwrap_or_default();
    out.extend_from_slice(format!("event: {name}\ndata: {data}\n\n").as_bytes());
}
