//! Events of the contract as parts of the wire: a call comes whole, and a signature stands on the part that it signs,
//! which comes after it.

use crate::{PROTOCOL, arguments, signature};
use pointsman_sdk::codec::chat::{Delta, Event, Sealed, ToolCallStarted};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Clone, Default, Deserialize, Serialize)]
pub struct Part {
    text: String,
    thought: bool,
    signature: Option<String>,
    call: Option<Call>,
}

#[derive(Clone, Default, Deserialize, Serialize)]
struct Call {
    id: String,
    name: String,
    arguments: String,
}

/// What is held back until it is whole.
#[derive(Default, Deserialize, Serialize)]
pub struct Parts {
    /// The caller asked for `includeThoughts`.
    thoughts_wanted: bool,
    /// Of the part that comes next.
    signature: Option<String>,
    /// The reasoning part that is open had text that the caller was not shown.
    hidden: bool,
    call: Option<Call>,
    has_called: bool,
}

impl Parts {
    pub fn new(thoughts_wanted: bool) -> Parts {
        Parts { thoughts_wanted, ..Parts::default() }
    }

    /// What can be said now, of an event that is content.
    pub fn take(&mut self, event: Event) -> Vec<Part> {
        match event {
            Event::TextDelta(Delta { text, .. }) if !text.is_empty() => {
                let signature = self.signature.take();
                vec![Part { signature, ..Part::text(&text) }]
            }
            Event::ReasoningDelta(Delta { text, .. }) if !text.is_empty() => self.thought(text),
            Event::ReasoningSignature(delta) => self.sign(&delta.sealed),
            Event::RedactedReasoning(delta) => {
                let mut parts = self.flush();
                parts.push(self.bare(signature::pack_redacted(delta.sealed)));
                parts
            }
            Event::ToolCallStarted(ToolCallStarted { id, name, .. }) => {
                self.call = Some(Call { id, name, arguments: String::new() });
                Vec::new()
            }
            Event::ToolArgumentsDelta(Delta { text, .. }) => {
                if let Some(call) = &mut self.call {
                    call.arguments += &text;
                }
                Vec::new()
            }
            Event::PartFinished(_) => {
                self.hidden = false;
                self.call.take().map(|call| self.called(call)).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// What is left when the reply is over.
    pub fn end(&mut self) -> Vec<Part> {
        let mut parts: Vec<Part> = self.call.take().map(|call| self.called(call)).into_iter().collect();
        parts.extend(self.flush());
        parts
    }

    fn thought(&mut self, text: String) -> Vec<Part> {
        let mut parts = self.flush();
        if self.thoughts_wanted {
            parts.push(Part { thought: true, ..Part::text(&text) });
        } else {
            self.hidden = true;
        }
        parts
    }

    /// Others refuse a signature without the thought that it signs. Gemini's own stand alone.
    fn sign(&mut self, sealed: &Sealed) -> Vec<Part> {
        if self.hidden && sealed.maker != PROTOCOL {
            return Vec::new();
        }
        let parts = self.flush();
        self.signature = Some(signature::pack(sealed));
        parts
    }

    /// Gemini 3 refuses a turn whose first call has no signature. A mark in its place brings the turn back here, to be
    /// said as Gemini wants it.
    fn called(&mut self, call: Call) -> Part {
        let first = !std::mem::replace(&mut self.has_called, true);
        let signature = self.signature.take().or_else(|| first.then(signature::unsigned));
        Part { signature, call: Some(call), ..Part::default() }
    }

    /// A signature after which nothing came that could carry it.
    fn flush(&mut self) -> Vec<Part> {
        self.signature.take().map(|signature| self.bare(signature)).into_iter().collect()
    }

    fn bare(&self, signature: String) -> Part {
        Part { thought: self.thoughts_wanted, signature: Some(signature), ..Part::default() }
    }
}

impl Part {
    pub fn text(text: &str) -> Part {
        Part { text: text.to_owned(), ..Part::default() }
    }

    pub fn json(&self) -> Value {
        let mut part = match &self.call {
            Some(call) => {
                let arguments = arguments::object(&call.arguments);
                json!({ "functionCall": { "id": call.id, "name": call.name, "args": arguments } })
            }
            None => json!({ "text": self.text }),
        };
        if self.thought {
            part["thought"] = true.into();
        }
        if let Some(signature) = &self.signature {
            part["thoughtSignature"] = signature.as_str().into();
        }
        part
    }

    fn continues(&self, last: &Part) -> bool {
        self.call.is_none()
            && last.call.is_none()
            && self.thought == last.thought
            && self.signature.is_none()
            && (last.signature.is_none() || !last.text.is_empty())
    }
}

/// Adds a part to a whole reply: pieces of one text become one.
pub fn gather(gathered: &mut Vec<Part>, part: Part) {
    match gathered.last_mut() {
        Some(last) if part.continues(last) => last.text += &part.text,
        _ => gathered.push(part),
    }
}
