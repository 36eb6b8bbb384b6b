//! Output items -> parts that do not overlap. Items may interleave on the wire: news of a later one is held back until
//! the open one is done.

use std::collections::BTreeSet;

use super::item::{Item, Kind, Piece, Words};
use super::malformed;
use crate::ids;
use crate::reasoning::{PARAGRAPH, Secret};
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{Delta, Event, SealedDelta, ToolCallStarted};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
pub struct Parts {
    /// Parts so far. A message may have several, a server's own tools have none: this is not the wire's index.
    count: u32,
    pub has_calls: bool,
    pub has_refusal: bool,
    open: Option<Open>,
    /// With their output index.
    held: Vec<(u32, Piece)>,
    /// Output indices of items that are over.
    done: BTreeSet<u32>,
}

/// The item that is being received.
#[derive(Default, Serialize, Deserialize)]
struct Open {
    output_index: u32,
    part: Option<u32>,
    /// The texts that were begun, the last of them being the current one.
    told: Vec<(Kind, u32)>,
    is_call: bool,
    /// Arguments that came whole before their call could be named, or at its very beginning.
    arguments: String,
}

impl Open {
    fn is_thinking(&self) -> bool {
        matches!(self.told.last(), Some((Kind::Summary | Kind::Thought, _)))
    }

    /// The index of the part that is open, or of a new one.
    fn part(&mut self, continues: bool, count: &mut u32, events: &mut Vec<Event>) -> u32 {
        if !continues {
            events.extend(self.part.take().map(Event::PartFinished));
        }
        *self.part.get_or_insert_with(|| {
            *count += 1;
            *count - 1
        })
    }
}

impl Parts {
    pub fn are_empty(&self) -> bool {
        self.count == 0
    }

    pub fn accept(&mut self, output_index: u32, piece: Piece, events: &mut Vec<Event>) -> Result<(), Fault> {
        if self.open.as_ref().is_some_and(|open| open.output_index != output_index) {
            self.held.push((output_index, piece));
            return Ok(());
        }
        match piece {
            Piece::Begun(item) => {
                // Some servers number every item 0.
                self.close(events);
                self.done.remove(&output_index);
                self.begin(output_index, item, events);
                Ok(())
            }
            _ if self.done.contains(&output_index) => Ok(()),
            Piece::Said(words) => {
                self.open.get_or_insert_with(|| Open { output_index, ..Open::default() });
                self.say(words, events);
                Ok(())
            }
            Piece::Done(item) => {
                self.open.get_or_insert_with(|| Open { output_index, ..Open::default() });
                self.complete(item, events)?;
                self.close(events);
                self.release(events)
            }
        }
    }

    /// The reply is complete: whatever is still open or held back is, too.
    pub fn finish(&mut self, events: &mut Vec<Event>) -> Result<(), Fault> {
        self.close(events);
        while !self.held.is_empty() {
            self.release(events)?;
            self.close(events);
        }
        Ok(())
    }

    fn release(&mut self, events: &mut Vec<Event>) -> Result<(), Fault> {
        let held = std::mem::take(&mut self.held);
        held.into_iter().try_for_each(|(output_index, piece)| self.accept(output_index, piece, events))
    }

    fn begin(&mut self, output_index: u32, item: Item, events: &mut Vec<Event>) {
        self.open = Some(Open { output_index, ..Open::default() });
        if let Item::Call { id, name, arguments } = item {
            self.start_call(&id, name, events);
            if let Some(open) = &mut self.open {
                open.arguments = arguments;
            }
        }
    }

    /// A call without a name is not told before its name is.
    fn start_call(&mut self, id: &str, name: String, events: &mut Vec<Event>) {
        let Some(open) = self.open.as_mut().filter(|open| open.part.is_none() && !name.is_empty()) else { return };
        let index = self.count;
        self.count += 1;
        self.has_calls = true;
        (open.part, open.is_call) = (Some(index), true);
        let id = if id.is_empty() { ids::made("call", &[&index.to_string(), &name]) } else { id.to_owned() };
        events.push(Event::ToolCallStarted(ToolCallStarted { index, id, name }));
    }

    fn say(&mut self, words: Words, events: &mut Vec<Event>) {
        let Some(open) = &mut self.open else { return };
        let place = (words.kind, words.index);
        if words.text.is_empty() || (words.whole && open.told.contains(&place)) {
            return;
        }
        let is_current = open.told.last() == Some(&place);
        let continues = match words.kind {
            Kind::Arguments if open.is_call => true,
            // Pieces are lost here, but the whole comes at the end, and with it the name.
            Kind::Arguments => {
                if words.whole {
                    open.arguments = words.text;
                }
                return;
            }
            // A call has no words.
            _ if open.is_call => return,
            Kind::Summary | Kind::Thought => open.is_thinking(),
            Kind::Text | Kind::Refusal => is_current,
        };
        let index = open.part(continues, &mut self.count, events);
        if !is_current {
            open.told.push(place);
        }
        self.has_refusal |= words.kind == Kind::Refusal;
        let delta = |text: String| Delta { index, text };
        events.push(match words.kind {
            Kind::Text | Kind::Refusal => Event::TextDelta(delta(words.text)),
            Kind::Arguments => Event::ToolArgumentsDelta(delta(words.text)),
            Kind::Summary | Kind::Thought if is_current || !continues => Event::ReasoningDelta(delta(words.text)),
            Kind::Summary | Kind::Thought => Event::ReasoningDelta(delta(format!("{PARAGRAPH}{}", words.text))),
        });
    }

    /// All that an item has to say: what was not said yet is said now.
    fn complete(&mut self, item: Item, events: &mut Vec<Event>) -> Result<(), Fault> {
        match item {
            Item::Message(words) => words.into_iter().for_each(|words| self.say(words, events)),
            Item::Reasoning { id, words, encrypted_content } => {
                words.into_iter().for_each(|words| self.say(words, events));
                let open = self.open.as_mut().filter(|open| !open.is_call);
                if let (Some(encrypted_content), Some(open)) = (encrypted_content, open) {
                    let index = open.part(open.is_thinking(), &mut self.count, events);
                    let sealed = Secret { id, encrypted_content }.seal();
                    events.push(Event::ReasoningSignature(SealedDelta { index, sealed }));
                }
            }
            Item::Call { name, .. } if name.is_empty() && self.open.as_ref().is_none_or(|open| !open.is_call) => {
                return Err(malformed("a function call has no name"));
            }
            Item::Call { id, name, arguments } => {
                self.start_call(&id, name, events);
                self.say(Words { kind: Kind::Arguments, index: 0, text: arguments, whole: true }, events);
            }
        }
        Ok(())
    }

    fn close(&mut self, events: &mut Vec<Event>) {
        let Some(open) = &mut self.open else { return };
        let early = std::mem::take(&mut open.arguments);
        if open.is_call {
            self.say(Words { kind: Kind::Arguments, index: 0, text: early, whole: true }, events);
        }
        if let Some(open) = self.open.take() {
            events.extend(open.part.map(Event::PartFinished));
            self.done.insert(open.output_index);
        }
    }
}
