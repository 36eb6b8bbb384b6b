//! A streamed reply: frames of the wire in, events of the contract out.

use super::parts::Parts;
use super::wire::{BlockDelta, BlockStart, BlockStop, MessageStop, Metadata, Piece, ToolUseStart, stop_sequence};
use super::{finished, malformed, truncated};
use crate::classify;
use pointsman_adapter_sdk::Fault;
use pointsman_adapter_sdk::chat::{Event, Started};
use pointsman_adapter_sdk::provider::Frame;
use serde::{Deserialize, Serialize};

/// How far the reply has come.
#[derive(Default, Deserialize, Serialize)]
pub struct Progress {
    started: bool,
    parts: Parts,
    /// The message stopped. The counts come after that, so the end of the reply is held back.
    stop: Option<Stop>,
    counted: bool,
}

#[derive(Deserialize, Serialize)]
struct Stop {
    reason: String,
    sequence: Option<String>,
}

impl Progress {
    /// An error ends the reply. Frames of types that nobody knows yet are passed over.
    pub fn frame(&mut self, frame: &Frame, events: &mut Vec<Event>) -> Result<(), Fault> {
        let kind = frame.event.as_deref().unwrap_or_default();
        let data = &frame.data;
        if kind != "messageStart" && !self.started && is_of_message(kind) {
            return Err(malformed("it does not begin with messageStart"));
        }
        match kind {
            "messageStart" => self.start(events),
            "contentBlockStart" => self.block_start(read(kind, data)?, events),
            "contentBlockDelta" => {
                let BlockDelta { content_block_index, delta } = read(kind, data)?;
                delta.map_or(Ok(()), |piece| self.piece(content_block_index, piece, events))?;
            }
            "contentBlockStop" => {
                let BlockStop { content_block_index } = read(kind, data)?;
                self.parts.block_ended(content_block_index, events);
            }
            "messageStop" => {
                self.parts.end(events);
                let MessageStop { stop_reason, additional_model_response_fields } = read(kind, data)?;
                let sequence = stop_sequence(additional_model_response_fields);
                self.stop = Some(Stop { reason: stop_reason.unwrap_or_default(), sequence });
            }
            "metadata" => {
                // Counts are not worth a failed reply.
                let Metadata { usage } = serde_json::from_slice(data).unwrap_or_default();
                events.extend(usage.map(|usage| Event::Usage(usage.chat())));
                self.counted = true;
            }
            _ if classify::is_error(kind) => return Err(classify::in_reply(kind, data)),
            _ => {}
        }
        if self.counted && self.stop.is_some() { self.end(events) } else { Ok(()) }
    }

    /// The end of the reply, if the message did stop.
    pub fn end(&mut self, events: &mut Vec<Event>) -> Result<(), Fault> {
        let Stop { reason, sequence } = self.stop.take().ok_or_else(truncated)?;
        // Something may have been said behind the stop.
        self.parts.end(events);
        events.push(Event::Finished(finished(&reason, sequence, self.parts.has_calls)?));
        Ok(())
    }

    fn start(&mut self, events: &mut Vec<Event>) {
        if !self.started {
            self.started = true;
            // The reply names neither itself nor its model.
            events.push(Event::Started(Started { id: String::new(), model: String::new(), created_unix_s: 0 }));
        }
    }

    fn block_start(&mut self, frame: BlockStart, events: &mut Vec<Event>) {
        let block = frame.content_block_index;
        match frame.start.and_then(|start| start.tool_use) {
            Some(ToolUseStart { tool_use_id, name, kind: None }) => self.parts.call(block, tool_use_id, name, events),
            // Whatever else begins, of what the provider does on its own.
            Some(_) => self.parts.other(block, events),
            None => {}
        }
    }

    fn piece(&mut self, block: u32, piece: Piece, events: &mut Vec<Event>) -> Result<(), Fault> {
        if let Some(text) = piece.text {
            self.parts.text(block, text, events);
        }
        if let Some(reasoning) = piece.reasoning_content {
            self.parts.reasoning(block, reasoning.text.unwrap_or_default(), events);
            self.parts.signature(block, &reasoning.signature.unwrap_or_default(), events);
            if let Some(data) = reasoning.redacted_content {
                self.parts.redacted(data, events);
            }
        }
        match piece.tool_use {
            Some(call) => self.parts.arguments(block, call.input.unwrap_or_default(), events),
            None => Ok(()),
        }
    }
}

fn is_of_message(kind: &str) -> bool {
    matches!(kind, "contentBlockStart" | "contentBlockDelta" | "contentBlockStop" | "messageStop")
}

fn read<'a, T: Deserialize<'a>>(kind: &str, data: &'a [u8]) -> Result<T, Fault> {
    serde_json::from_slice(data).map_err(|_| malformed(&format!("a {kind} is not what it says")))
}
