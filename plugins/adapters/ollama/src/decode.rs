//! Replies as events. A line of a stream and a reply that is not streamed have the same shape: the latter is one line
//! that says everything and that it is done.

mod embeddings;
mod wire;

use crate::{EMBEDDINGS, PROTOCOL, classify};
use pointsman_adapter_sdk::chat::{
    Delta, Event, Finish, Finished, Sealed, SealedDelta, Started, ToolCallStarted, Usage,
};
use pointsman_adapter_sdk::provider::{Decoded, Frame};
use pointsman_adapter_sdk::{Fault, FaultKind, fault, recall, remember};
use serde::{Deserialize, Serialize};
use wire::{Line, WireCall};

/// Ollama signs nothing. This stands where a signature stands, so that the thought is known for Ollama's own when the
/// caller sends it back.
const UNSIGNED: &str = "unsigned";

#[derive(Default, Deserialize, Serialize)]
struct Memory {
    /// `finished` or `failed` was given: nothing may follow.
    over: bool,
    /// Something of this reply alone, which the ids that are missing are made of. None before the first line.
    seed: Option<u64>,
    open: Option<Open>,
    /// Parts so far.
    parts: u32,
    call_ids: Vec<String>,
}

/// The part that is being received. Calls come whole, so they are never open.
#[derive(Clone, Copy, PartialEq, Deserialize, Serialize)]
enum Open {
    Thinking,
    Text,
}

pub fn frames(operation: &str, memory: &[u8], frames: &[Frame], ended: bool) -> Decoded {
    let mut memory: Memory = recall(memory);
    let mut events = Vec::new();
    for frame in frames {
        if memory.over {
            break;
        }
        let said = match operation {
            EMBEDDINGS => embeddings::whole(&frame.data, &mut events),
            _ => memory.line(&frame.data, &mut events),
        };
        if let Err(fault) = said {
            events.push(Event::Failed(fault));
        }
        memory.over = matches!(events.last(), Some(Event::Finished(_) | Event::Failed(_)));
    }
    if ended && !memory.over {
        memory.over = true;
        events.push(Event::Failed(fault(FaultKind::Truncated, "the reply ended before it was complete")));
    }
    Decoded { events, memory: remember(&memory) }
}

impl Memory {
    /// An error ends the reply.
    fn line(&mut self, data: &[u8], events: &mut Vec<Event>) -> Result<(), Fault> {
        if data.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let line: Line = serde_json::from_slice(data).map_err(|_| malformed("a line is not what it says"))?;
        if let Some(error) = &line.error {
            return Err(classify::in_reply(error, line.status.as_ref().and_then(wire::status)));
        }
        self.start(&line, events);
        if let Some(message) = line.message {
            self.piece(Open::Thinking, message.thinking, events);
            self.piece(Open::Text, message.content, events);
            for call in message.tool_calls.unwrap_or_default() {
                self.call(call, events)?;
            }
        }
        if line.done == Some(true) {
            self.close(events);
            if line.prompt_eval_count.is_some() || line.eval_count.is_some() {
                events.push(Event::Usage(usage(line.prompt_eval_count, line.eval_count)));
            }
            events.push(Event::Finished(self.finish(line.done_reason.as_deref())?));
        }
        Ok(())
    }

    fn start(&mut self, line: &Line, events: &mut Vec<Event>) {
        if self.seed.is_some() {
            return;
        }
        let model = line.model.as_deref().unwrap_or_default();
        let seed = hash(&format!("{model} {}", line.created_at.as_deref().unwrap_or_default()));
        self.seed = Some(seed);
        // Ollama's replies have no id.
        events.push(Event::Started(Started { id: String::new(), model: model.to_owned(), created_unix_s: 0 }));
    }

    fn piece(&mut self, kind: Open, text: Option<String>, events: &mut Vec<Event>) {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return };
        if self.open != Some(kind) {
            self.close(events);
            self.open = Some(kind);
        }
        let delta = Delta { index: self.parts, text };
        events.push(if kind == Open::Thinking { Event::ReasoningDelta(delta) } else { Event::TextDelta(delta) });
    }

    fn call(&mut self, call: WireCall, events: &mut Vec<Event>) -> Result<(), Fault> {
        self.close(events);
        let name = call.function.name.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| malformed("a tool call without a name"))?;
        let (index, id) = (self.parts, self.call_id(call.id));
        events.push(Event::ToolCallStarted(ToolCallStarted { index, id, name }));
        let text = wire::arguments(call.function.arguments);
        events.push(Event::ToolArgumentsDelta(Delta { index, text }));
        events.push(Event::PartFinished(index));
        self.parts += 1;
        Ok(())
    }

    /// Older versions give no ids. An id that is made differs from all others of this reply, and from those of other
    /// replies of the same conversation.
    fn call_id(&mut self, given: Option<String>) -> String {
        let given = given.filter(|id| !id.is_empty() && !self.call_ids.contains(id));
        let made = || format!("call_{:016x}_{}", self.seed.unwrap_or_default(), self.call_ids.len());
        let id = given.unwrap_or_else(made);
        self.call_ids.push(id.clone());
        id
    }

    fn close(&mut self, events: &mut Vec<Event>) {
        let Some(open) = self.open.take() else { return };
        let index = self.parts;
        if open == Open::Thinking {
            let sealed = Sealed { maker: PROTOCOL.into(), data: UNSIGNED.into() };
            events.push(Event::ReasoningSignature(SealedDelta { index, sealed }));
        }
        events.push(Event::PartFinished(index));
        self.parts += 1;
    }

    /// Ollama says `stop` also where it called tools. `load` and `unload` are no replies.
    fn finish(&self, done_reason: Option<&str>) -> Result<Finished, Fault> {
        let reason = match done_reason {
            Some("length") => Finish::Length,
            Some("load" | "unload") if self.parts == 0 => return Err(malformed("the model was loaded, but not asked")),
            _ if !self.call_ids.is_empty() => Finish::ToolCalls,
            _ => Finish::Stop,
        };
        Ok(Finished { reason, stop_sequence: None })
    }
}

/// `prompt_eval_count` counts all input and can be missing when the prompt was cached; thinking is not counted apart.
fn usage(input: Option<u64>, output: Option<u64>) -> Usage {
    let (input, output) = (input.unwrap_or(0), output.unwrap_or(0));
    Usage { input, output, cache_read: 0, cache_write: 0, reasoning: 0 }
}

fn malformed(what: &str) -> Fault {
    fault(FaultKind::MalformedReply, format!("the provider's reply is not what the protocol says: {what}"))
}

/// FNV-1a: the same on every machine, and good enough to tell replies apart.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
