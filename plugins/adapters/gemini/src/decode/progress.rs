//! How far a reply has come: chunks of the wire in, events of the contract out.

use super::wire::{self, Chunk, FunctionCall, Part, text};
use super::{finish, malformed};
use crate::classify::{self, ErrorBody};
use crate::usage::Counts;
use crate::{PROTOCOL, names};
use pointsman_sdk::codec::chat::{Delta, Event, Finish, Finished, Sealed, SealedDelta, Started, ToolCallStarted};
use pointsman_sdk::codec::{Fault, FaultKind, fault, other_content};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Default, Deserialize, Serialize)]
pub struct Progress {
    started: bool,
    /// The reply's own.
    id: String,
    /// What is being received. Calls come whole and are never open.
    open: Option<Open>,
    parts: u32,
    calls: u32,
    /// Something that a caller sees was said.
    has_content: bool,
    counts: Counts,
    /// `finishReason`, and what the provider says about it.
    finish: Option<(String, String)>,
    /// The prompt was refused: there are no candidates.
    blocked: bool,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Serialize)]
enum Open {
    Text,
    Thought,
}

impl Progress {
    /// An error ends the reply.
    pub fn chunk(&mut self, data: &[u8], events: &mut Vec<Event>) -> Result<(), Fault> {
        let data = data.trim_ascii();
        if data.is_empty() {
            return Ok(());
        }
        if data.starts_with(b"[")
            && let Some(error) = serde_json::from_slice(data).ok().and_then(|body: Value| ErrorBody::of(&body))
        {
            return Err(classify::in_reply(&error));
        }
        let chunk: Chunk = serde_json::from_slice(data).map_err(|_| malformed("a chunk is not JSON of a reply"))?;
        if let Some(error) = chunk.error {
            let body = serde_json::from_str(&format!("{{\"error\":{}}}", error.get())).unwrap_or_default();
            return Err(classify::in_reply(&ErrorBody::of(&body).unwrap_or_default()));
        }
        self.start(&chunk, events);
        // Only one is ever asked for; a caller of this protocol may ask for more, but its body goes on untouched.
        let first = chunk.candidates.as_deref().and_then(|list| list.iter().find(|each| each.index.unwrap_or(0) == 0));
        if let Some(candidate) = first {
            for part in candidate.content.iter().flat_map(|content| content.parts.iter().flatten()) {
                self.part(part, events);
            }
            let reason = text(&candidate.finish_reason);
            if !reason.is_empty() && reason != "FINISH_REASON_UNSPECIFIED" {
                self.finish = Some((reason.to_owned(), text(&candidate.finish_message).to_owned()));
            }
        }
        self.blocked |= wire::block_reason(chunk.prompt_feedback).is_some();
        if let Some(usage) = chunk.usage_metadata {
            let before = self.counts;
            self.counts.update(&wire::usage(usage));
            if self.counts != before {
                events.push(Event::Usage(self.counts.chat()));
            }
        }
        Ok(())
    }

    /// Nothing more comes.
    pub fn end(&mut self, events: &mut Vec<Event>) -> Result<(), Fault> {
        let reason = match &self.finish {
            Some((name, message)) => finish::reason(name, message, self.calls > 0, self.has_content)?,
            None if self.blocked && self.parts == 0 => Finish::Refusal,
            None if self.blocked => Finish::ContentFilter,
            None => return Err(fault(FaultKind::Truncated, "the reply ended before it was complete")),
        };
        self.close(events);
        events.push(Event::Finished(Finished { reason, stop_sequence: None }));
        Ok(())
    }

    fn start(&mut self, chunk: &Chunk, events: &mut Vec<Event>) {
        if self.started {
            return;
        }
        self.started = true;
        self.id = text(&chunk.response_id).to_owned();
        let model = text(&chunk.model_version).to_owned();
        events.push(Event::Started(Started { id: self.id.clone(), model, created_unix_s: 0 }));
    }

    fn part(&mut self, part: &Part, events: &mut Vec<Event>) {
        let words = text(&part.text);
        if part.is_other_content() {
            self.has_content = true;
            events.push(other_content());
        }
        if part.thought == Some(true) {
            self.say(Open::Thought, words, events);
            self.sign(text(&part.thought_signature), events);
        } else if let Some(call) = &part.function_call {
            self.sign(text(&part.thought_signature), events);
            self.call(call, events);
        } else {
            // Gemini demands back only the signatures of calls. A text's comes at its end, where callers of other protocols
            // would take it for a thought after the answer.
            if self.open == Some(Open::Thought) {
                self.sign(text(&part.thought_signature), events);
            }
            self.has_content |= !words.is_empty();
            self.say(Open::Text, words, events);
        }
    }

    fn say(&mut self, kind: Open, words: &str, events: &mut Vec<Event>) {
        if words.is_empty() {
            return;
        }
        self.enter(kind, events);
        let delta = Delta { index: self.parts, text: words.to_owned() };
        events.push(if kind == Open::Text { Event::TextDelta(delta) } else { Event::ReasoningDelta(delta) });
    }

    /// On the thought that is open, else on one of its own that has no text. Either is complete then.
    fn sign(&mut self, signature: &str, events: &mut Vec<Event>) {
        if signature.is_empty() {
            return;
        }
        self.enter(Open::Thought, events);
        let sealed = Sealed { maker: PROTOCOL.into(), data: signature.to_owned() };
        events.push(Event::ReasoningSignature(SealedDelta { index: self.parts, sealed }));
        self.close(events);
    }

    fn call(&mut self, call: &FunctionCall, events: &mut Vec<Event>) {
        let name = text(&call.name);
        if name.is_empty() {
            // A piece of arguments that are streamed, which only callers of this protocol can ask for.
            events.push(other_content());
            return;
        }
        self.close(events);
        self.has_content = true;
        let id = match text(&call.id) {
            "" => self.made_up_id(),
            id => id.to_owned(),
        };
        self.calls = self.calls.saturating_add(1);
        let index = self.parts;
        events.push(Event::ToolCallStarted(ToolCallStarted { index, id, name: names::from_wire(name) }));
        if let Some(text) = call.arguments() {
            events.push(Event::ToolArgumentsDelta(Delta { index, text }));
        }
        self.finish_part(events);
    }

    /// The reply's id keeps the ids of a conversation's replies apart.
    fn made_up_id(&self) -> String {
        let separator = if self.id.is_empty() { "" } else { "_" };
        format!("call_{}{separator}{}", self.id, self.calls)
    }

    /// Opens a part unless it is open, and closes the one before.
    fn enter(&mut self, kind: Open, events: &mut Vec<Event>) {
        if self.open != Some(kind) {
            self.close(events);
            self.open = Some(kind);
        }
    }

    fn close(&mut self, events: &mut Vec<Event>) {
        if self.open.take().is_some() {
            self.finish_part(events);
        }
    }

    fn finish_part(&mut self, events: &mut Vec<Event>) {
        events.push(Event::PartFinished(self.parts));
        self.parts = self.parts.saturating_add(1);
    }
}
