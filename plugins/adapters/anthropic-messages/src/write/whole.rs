//! The reply that is not streamed: gathered until it is complete, then said at once.

use super::{UNSIGNED, empty_message, no_started, stop_reason};
use crate::PROTOCOL;
use crate::encode::arguments;
use crate::ids;
use crate::usage::Counts;
use pointsman_sdk::codec::chat::{Event, Finished, Started};
use pointsman_sdk::sealed::pack;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What was said so far.
#[derive(Default, Deserialize, Serialize)]
pub struct Reply {
    id: String,
    model: String,
    counts: Counts,
    /// Each with the part that it belongs to.
    blocks: Vec<(u32, Block)>,
}

#[derive(Deserialize, Serialize)]
enum Block {
    Text(String),
    Thinking { text: String, signature: String },
    Redacted(String),
    Call { id: String, name: String, arguments: String },
}

impl Reply {
    /// True when the reply is over.
    pub fn write(&mut self, events: Vec<Event>, out: &mut Vec<u8>) -> bool {
        for event in events {
            match event {
                Event::Finished(finished) => {
                    out.extend_from_slice(self.message(finished).to_string().as_bytes());
                    return true;
                }
                Event::Failed(_) => return true,
                Event::Started(started) => (self.id, self.model) = (started.id, started.model),
                Event::Usage(usage) => self.counts = Counts::from_chat(&usage),
                content => self.gather(content),
            }
        }
        false
    }

    /// The same, where only tokens were counted.
    pub fn write_count(&mut self, events: Vec<Event>, out: &mut Vec<u8>) -> bool {
        for event in events {
            match event {
                Event::Usage(usage) => self.counts = Counts::from_chat(&usage),
                Event::Finished(_) => {
                    let count = json!({ "input_tokens": self.counts.chat().input });
                    out.extend_from_slice(count.to_string().as_bytes());
                    return true;
                }
                Event::Failed(_) => return true,
                _ => {}
            }
        }
        false
    }

    fn gather(&mut self, event: Event) {
        let last = self.blocks.last_mut().map(|(part, block)| (*part, block));
        match (event, last) {
            (Event::TextDelta(delta), Some((part, Block::Text(text)))) if part == delta.index => *text += &delta.text,
            (Event::TextDelta(delta), _) => self.blocks.push((delta.index, Block::Text(delta.text))),
            (Event::ReasoningDelta(delta), Some((part, Block::Thinking { text, .. }))) if part == delta.index => {
                *text += &delta.text;
            }
            (Event::ReasoningDelta(delta), _) => {
                self.blocks.push((delta.index, Block::Thinking { text: delta.text, signature: String::new() }));
            }
            (Event::ReasoningSignature(delta), Some((part, Block::Thinking { signature, .. })))
                if part == delta.index =>
            {
                *signature = pack(&delta.sealed, PROTOCOL);
            }
            (Event::ReasoningSignature(delta), _) => {
                let signature = pack(&delta.sealed, PROTOCOL);
                self.blocks.push((delta.index, Block::Thinking { text: String::new(), signature }));
            }
            (Event::RedactedReasoning(delta), _) => {
                self.blocks.push((delta.index, Block::Redacted(pack(&delta.sealed, PROTOCOL))));
            }
            (Event::ToolCallStarted(call), _) => {
                let block = Block::Call { id: call.id, name: call.name, arguments: String::new() };
                self.blocks.push((call.index, block));
            }
            (Event::ToolArgumentsDelta(delta), Some((part, Block::Call { arguments, .. }))) if part == delta.index => {
                *arguments += &delta.text;
            }
            _ => {}
        }
    }

    fn message(&self, finished: Finished) -> Value {
        let started = Started { id: self.id.clone(), model: self.model.clone(), ..no_started() };
        let mut message = empty_message(&started, self.counts.json());
        let has_calls = self.blocks.iter().any(|(_, block)| matches!(block, Block::Call { .. }));
        message["content"] = self.blocks.iter().filter_map(|(_, block)| wire(block)).collect();
        message["stop_reason"] = stop_reason(finished.reason, has_calls).into();
        message["stop_sequence"] = finished.stop_sequence.into();
        message
    }
}

/// None for an empty text, which would be refused when it comes back in the history.
fn wire(block: &Block) -> Option<Value> {
    Some(match block {
        Block::Text(text) if text.is_empty() => return None,
        Block::Text(text) => json!({ "type": "text", "text": text }),
        Block::Thinking { text, signature } if text.is_empty() && signature.is_empty() => return None,
        Block::Thinking { text, signature } => {
            let signature = if signature.is_empty() { UNSIGNED } else { signature };
            json!({ "type": "thinking", "thinking": text, "signature": signature })
        }
        Block::Redacted(data) => json!({ "type": "redacted_thinking", "data": data }),
        Block::Call { id, name, arguments: text } => {
            json!({ "type": "tool_use", "id": ids::legal(id), "name": name, "input": arguments(text) })
        }
    })
}
