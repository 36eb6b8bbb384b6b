//! The parts of a reply, put in a row. A chunk may add to any tool call at any time; events may not overlap. So the
//! first part that is not complete is told as it comes, and what comes for later ones waits.

use super::completeness::Completeness;
use crate::ids;
use pointsman_sdk::codec::chat::{Delta, Event, ToolCallStarted};
use pointsman_sdk::codec::{Fault, FaultKind, fault};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

#[derive(Default, Serialize, Deserialize)]
pub struct Assembly {
    /// Not finished. Only the first one can be open.
    parts: VecDeque<Part>,
    /// Of the first part.
    index: u32,
    is_open: bool,
    /// All calls of the reply, finished or not: later pieces must find theirs.
    calls: Vec<Call>,
    #[serde(skip)]
    places: Places,
}

/// Where the last call with each id, and of each index, stands. It is made anew from one call of `decode` to the next.
#[derive(Default)]
struct Places {
    by_id: BTreeMap<String, usize>,
    by_index: BTreeMap<u64, usize>,
    /// So many calls are in it.
    count: usize,
}

#[derive(Serialize, Deserialize)]
struct Part {
    kind: Kind,
    /// What was said and not yet told.
    waiting: String,
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Kind {
    Text,
    Reasoning,
    /// By its position in `calls`.
    Call(usize),
}

#[derive(Default, Serialize, Deserialize)]
struct Call {
    wire_index: Option<u64>,
    id: String,
    name: String,
    arguments: Completeness,
}

/// What one chunk says of a call. Empty is unknown.
pub struct CallPiece<'a> {
    pub wire_index: Option<u64>,
    pub id: &'a str,
    pub name: &'a str,
    pub arguments: &'a str,
}

impl Places {
    fn note_id(&mut self, id: &str, position: usize) {
        if !id.is_empty() {
            let last = self.by_id.entry(id.to_owned()).or_insert(position);
            *last = position.max(*last);
        }
    }
}

impl Assembly {
    pub fn has_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    /// Something was said, and no call is cut in the middle of its arguments.
    pub fn looks_whole(&self) -> bool {
        let has_content = self.index > 0 || !self.parts.is_empty();
        has_content && self.calls.iter().all(|call| call.arguments.is_complete())
    }

    pub fn text(&mut self, reply_id: &str, text: &str, events: &mut Vec<Event>) {
        self.words(reply_id, Kind::Text, text, events);
    }

    pub fn reasoning(&mut self, reply_id: &str, text: &str, events: &mut Vec<Event>) {
        self.words(reply_id, Kind::Reasoning, text, events);
    }

    /// Empty words make no part: many servers send `content: ""` beside everything else.
    fn words(&mut self, reply_id: &str, kind: Kind, text: &str, events: &mut Vec<Event>) {
        if text.is_empty() {
            return;
        }
        match self.parts.back_mut() {
            Some(last) if last.kind == kind => last.waiting.push_str(text),
            _ => self.parts.push_back(Part { kind, waiting: text.into() }),
        }
        self.advance(reply_id, events);
    }

    pub fn call(&mut self, reply_id: &str, piece: CallPiece, events: &mut Vec<Event>) {
        if piece.id.is_empty() && piece.name.is_empty() && piece.arguments.is_empty() {
            return;
        }
        let position = match self.owner(&piece) {
            Some(known) if !self.calls[known].ends_before(&piece) => known,
            _ => self.begin_call(piece.wire_index),
        };
        let call = &mut self.calls[position];
        if call.id.is_empty() {
            call.id = piece.id.into();
            self.places.note_id(piece.id, position);
        }
        if call.name.is_empty() {
            call.name = piece.name.into();
        }
        call.arguments.feed(piece.arguments);
        // A part that is gone was complete; some servers repeat themselves at the end.
        if let Some(part) = self.parts.iter_mut().rfind(|part| part.kind == Kind::Call(position)) {
            part.waiting.push_str(piece.arguments);
        }
        self.advance(reply_id, events);
    }

    /// The last call that the piece may belong to: by index, or by id where a server gives no index.
    fn owner(&mut self, piece: &CallPiece) -> Option<usize> {
        for position in self.places.count..self.calls.len() {
            let call = &self.calls[position];
            self.places.note_id(&call.id, position);
            if let Some(index) = call.wire_index {
                self.places.by_index.insert(index, position);
            }
        }
        self.places.count = self.calls.len();
        match piece.wire_index {
            Some(index) => self.places.by_index.get(&index).copied(),
            None if piece.id.is_empty() => self.calls.len().checked_sub(1),
            None => self.places.by_id.get(piece.id).copied(),
        }
    }

    fn begin_call(&mut self, wire_index: Option<u64>) -> usize {
        let position = self.calls.len();
        self.calls.push(Call { wire_index, ..Call::default() });
        self.parts.push_back(Part { kind: Kind::Call(position), waiting: String::new() });
        position
    }

    /// Tells what can be told: the first part's words, and, once it is complete, the next one's.
    fn advance(&mut self, reply_id: &str, events: &mut Vec<Event>) {
        while let Some(kind) = self.parts.front().map(|part| part.kind) {
            if let Kind::Call(position) = kind
                && self.calls[position].name.is_empty()
            {
                return;
            }
            self.tell_first(reply_id, events);
            let is_complete = match kind {
                Kind::Text | Kind::Reasoning => true,
                Kind::Call(position) => self.calls[position].arguments.is_complete(),
            };
            // The last part may still grow.
            if !is_complete || self.parts.len() == 1 {
                return;
            }
            self.finish_first(events);
        }
    }

    /// Nothing more comes: all parts are complete.
    pub fn finish(&mut self, reply_id: &str, events: &mut Vec<Event>) -> Result<(), Fault> {
        while let Some(part) = self.parts.front() {
            if let Kind::Call(position) = part.kind
                && self.calls[position].name.is_empty()
            {
                return Err(fault(FaultKind::MalformedReply, "the reply calls a tool without naming it"));
            }
            self.tell_first(reply_id, events);
            self.finish_first(events);
        }
        Ok(())
    }

    fn tell_first(&mut self, reply_id: &str, events: &mut Vec<Event>) {
        let index = self.index;
        let Some(part) = self.parts.front_mut() else { return };
        if let Kind::Call(position) = part.kind
            && !self.is_open
        {
            let call = &mut self.calls[position];
            if call.id.is_empty() {
                call.id = ids::made(reply_id, position);
                self.places.note_id(&call.id, position);
            }
            let (id, name) = (call.id.clone(), call.name.clone());
            events.push(Event::ToolCallStarted(ToolCallStarted { index, id, name }));
        }
        self.is_open = true;
        let text = std::mem::take(&mut part.waiting);
        if text.is_empty() {
            return;
        }
        let delta = Delta { index, text };
        events.push(match part.kind {
            Kind::Text => Event::TextDelta(delta),
            Kind::Reasoning => Event::ReasoningDelta(delta),
            Kind::Call(_) => Event::ToolArgumentsDelta(delta),
        });
    }

    fn finish_first(&mut self, events: &mut Vec<Event>) {
        self.parts.pop_front();
        events.push(Event::PartFinished(self.index));
        self.index += 1;
        self.is_open = false;
    }
}

impl Call {
    /// Some servers give all calls the same index, or none: a piece that names a function begins a call of its own
    /// where its id is another one, or where this call is already complete.
    fn ends_before(&self, piece: &CallPiece) -> bool {
        if piece.name.is_empty() {
            return false;
        }
        if self.id.is_empty() || piece.id.is_empty() {
            return self.arguments.is_complete() && !piece.arguments.is_empty();
        }
        self.id != piece.id
    }
}
