//! Content blocks as parts of the reply. A part ends before the next begins, whatever the provider says about its
//! blocks. Only calls say when they begin: other blocks begin with their first piece.

use super::malformed;
use crate::CLAUDE;
use pointsman_adapter_sdk::Fault;
use pointsman_adapter_sdk::chat::{Delta, Event, Sealed, SealedDelta, ToolCallStarted};
use serde::{Deserialize, Serialize};

#[derive(Default, Deserialize, Serialize)]
pub struct Parts {
    /// Parts that ended. Not the provider's index, because not every block is a part.
    ended: u32,
    /// The provider's index, and what stands there.
    open: Option<(u32, Kind)>,
    /// Of the open thought. It may come in pieces, and is given whole.
    signature: String,
    /// Of the open call.
    has_arguments: bool,
    pub has_calls: bool,
}

#[derive(Clone, Copy, PartialEq, Deserialize, Serialize)]
enum Kind {
    Text,
    Reasoning,
    Call,
    /// No part, such as a call that the provider makes itself.
    Other,
}

impl Parts {
    pub fn text(&mut self, block: u32, text: String, events: &mut Vec<Event>) {
        if !text.is_empty() {
            self.begin(block, Kind::Text, events);
            events.push(Event::TextDelta(Delta { index: self.ended, text }));
        }
    }

    pub fn reasoning(&mut self, block: u32, text: String, events: &mut Vec<Event>) {
        if !text.is_empty() {
            self.begin(block, Kind::Reasoning, events);
            events.push(Event::ReasoningDelta(Delta { index: self.ended, text }));
        }
    }

    pub fn signature(&mut self, block: u32, piece: &str, events: &mut Vec<Event>) {
        if !piece.is_empty() {
            self.begin(block, Kind::Reasoning, events);
            self.signature.push_str(piece);
        }
    }

    /// Base64, which only Claude can read. It comes whole.
    pub fn redacted(&mut self, data: String, events: &mut Vec<Event>) {
        self.end(events);
        let sealed = Sealed { maker: CLAUDE.into(), data };
        events.push(Event::RedactedReasoning(SealedDelta { index: self.ended, sealed }));
        self.count(events);
    }

    pub fn call(&mut self, block: u32, id: String, name: String, events: &mut Vec<Event>) {
        self.end(events);
        self.open = Some((block, Kind::Call));
        self.has_calls = true;
        events.push(Event::ToolCallStarted(ToolCallStarted { index: self.ended, id, name }));
    }

    /// A piece of the arguments' text.
    pub fn arguments(&mut self, block: u32, text: String, events: &mut Vec<Event>) -> Result<(), Fault> {
        match self.open {
            Some((open, Kind::Call)) if open == block => {
                if !text.is_empty() {
                    self.has_arguments = true;
                    events.push(Event::ToolArgumentsDelta(Delta { index: self.ended, text }));
                }
                Ok(())
            }
            Some((open, Kind::Other)) if open == block => Ok(()),
            _ => Err(malformed("arguments of no call")),
        }
    }

    /// A block that is no part begins.
    pub fn other(&mut self, block: u32, events: &mut Vec<Event>) {
        self.begin(block, Kind::Other, events);
    }

    pub fn block_ended(&mut self, block: u32, events: &mut Vec<Event>) {
        if self.open.is_some_and(|(open, _)| open == block) {
            self.end(events);
        }
    }

    /// The open part, if there is one, is complete.
    pub fn end(&mut self, events: &mut Vec<Event>) {
        let index = self.ended;
        match self.open.take() {
            None | Some((_, Kind::Other)) => return,
            Some((_, Kind::Text)) => {}
            Some((_, Kind::Reasoning)) => {
                let data = std::mem::take(&mut self.signature);
                if !data.is_empty() {
                    let sealed = Sealed { maker: CLAUDE.into(), data };
                    events.push(Event::ReasoningSignature(SealedDelta { index, sealed }));
                }
            }
            Some((_, Kind::Call)) => {
                // Streams say nothing where whole replies say `{}`.
                if !std::mem::take(&mut self.has_arguments) {
                    events.push(Event::ToolArgumentsDelta(Delta { index, text: "{}".into() }));
                }
            }
        }
        self.count(events);
    }

    fn begin(&mut self, block: u32, kind: Kind, events: &mut Vec<Event>) {
        if self.open != Some((block, kind)) {
            self.end(events);
            self.open = Some((block, kind));
        }
    }

    fn count(&mut self, events: &mut Vec<Event>) {
        events.push(Event::PartFinished(self.ended));
        self.ended += 1;
    }
}
