//! A streamed reply: events of the wire in, events of the contract out.

use super::bedrock;
use super::wire::{self, Kind, Message, Piece, Stop, StreamEvent, text};
use super::{finish, malformed, push_piece, sealed};
use crate::classify;
use crate::usage::Counts;
use pointsman_sdk::codec::chat::{Delta, Event, Finished, Started};
use pointsman_sdk::codec::provider::Frame;
use pointsman_sdk::codec::{Fault, other_content};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// How far the reply has come.
#[derive(Default, Deserialize, Serialize)]
pub struct Progress {
    started: bool,
    open: Option<Open>,
    /// Parts so far. Blocks of server tools are no parts, so this is not the wire's index.
    parts: u32,
    has_calls: bool,
    counts: Counts,
    stop_reason: Option<String>,
    stop_sequence: Option<String>,
}

/// The block that is being received. Blocks never overlap.
#[derive(Deserialize, Serialize)]
struct Open {
    wire_index: u32,
    kind: String,
    /// Only then is it a part: blocks may stay empty.
    said: bool,
    /// Arguments that came whole at the block's start: they count if no pieces follow.
    arguments: Option<String>,
    /// Said whole at the block's end.
    signature: String,
}

impl Progress {
    /// An error ends the reply.
    pub fn frame(&mut self, frame: &Frame, events: &mut Vec<Event>) -> Result<(), Fault> {
        let data = bedrock::unwrap(frame)?;
        if data.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let event: StreamEvent = serde_json::from_slice(&data).map_err(|_| malformed("an event is not JSON"))?;
        let kind = event.kind.as_ref().map(wire::Str::as_str).or(frame.event.as_deref()).unwrap_or_default();
        if !self.started
            && (kind.starts_with("content_block_") || kind.starts_with("message_"))
            && kind != "message_start"
        {
            return Err(malformed("it does not begin with message_start"));
        }
        match kind {
            "ping" => events.push(Event::Ping),
            "error" => return Err(classify::in_reply(wire::error(event.error))),
            "message_start" => self.message_start(read(event.message, kind)?, events),
            "content_block_start" => {
                let block = event.content_block.ok_or_else(|| malformed(kind))?;
                self.block_start(read(event.index, kind)?, block, events)?;
            }
            "content_block_delta" => {
                let delta = event.delta.ok_or_else(|| malformed(kind))?;
                self.block_delta(read(event.index, kind)?, delta, events)?;
            }
            "content_block_stop" => self.block_stop(events),
            "message_delta" => self.message_delta(read(event.delta, kind)?, event.usage, events),
            "message_stop" => self.message_stop(events),
            _ => {}
        }
        Ok(())
    }

    fn message_start(&mut self, message: Message, events: &mut Vec<Event>) {
        if self.started {
            return;
        }
        self.started = true;
        let id = text(&message.id).to_owned();
        events.push(Event::Started(Started { id, model: text(&message.model).to_owned(), created_unix_s: 0 }));
        self.usage(message.usage, events);
    }

    fn block_start(&mut self, index: u32, block: &RawValue, events: &mut Vec<Event>) -> Result<(), Fault> {
        self.block_stop(events);
        let kind = Kind::of(block);
        if !matches!(kind.as_str(), "text" | "thinking" | "redacted_thinking" | "tool_use") {
            events.push(other_content());
            return Ok(());
        }
        let piece: Piece = read(Some(block), &kind)?;
        self.has_calls |= kind == "tool_use";
        let said = push_piece(self.parts, &kind, &piece, events);
        let arguments = piece.arguments(&kind).map(str::to_owned);
        let signature = piece.signature(&kind).to_owned();
        self.open = Some(Open { wire_index: index, kind, said, arguments, signature });
        Ok(())
    }

    fn block_delta(&mut self, index: u32, json: &RawValue, events: &mut Vec<Event>) -> Result<(), Fault> {
        // Nothing is open while a block is received that is no part.
        let Some(open) = self.open.as_mut().filter(|open| open.wire_index == index) else {
            events.push(other_content());
            return Ok(());
        };
        let kind = Kind::of(json);
        // Anthropic's SDKs pass over pieces of another kind than their block's, too.
        if !matches!(
            (open.kind.as_str(), kind.as_str()),
            ("text", "text_delta")
                | ("tool_use", "input_json_delta")
                | ("thinking", "thinking_delta" | "signature_delta")
        ) {
            return Ok(());
        }
        let piece: Piece = read(Some(json), &kind)?;
        if !text(&piece.partial_json).is_empty() {
            open.arguments = None;
        }
        open.signature += piece.signature(&open.kind);
        open.said |= push_piece(self.parts, &kind, &piece, events);
        Ok(())
    }

    fn block_stop(&mut self, events: &mut Vec<Event>) {
        let Some(open) = self.open.take() else { return };
        let index = self.parts;
        if let Some(text) = open.arguments {
            events.push(Event::ToolArgumentsDelta(Delta { index, text }));
        }
        if !open.signature.is_empty() {
            events.push(Event::ReasoningSignature(sealed(index, &open.signature)));
        }
        if open.said || !open.signature.is_empty() {
            events.push(Event::PartFinished(index));
            self.parts += 1;
        }
    }

    fn message_delta(&mut self, stop: Stop, usage: Option<&RawValue>, events: &mut Vec<Event>) {
        if let Some(reason) = stop.stop_reason {
            self.stop_reason = Some(reason.as_str().to_owned());
        }
        self.stop_sequence = stop.stop_sequence.or(self.stop_sequence.take());
        self.usage(usage, events);
    }

    /// The stream is over. Is the reply?
    pub fn end(&mut self, events: &mut Vec<Event>) -> bool {
        let is_stopped = self.stop_reason.is_some();
        if is_stopped {
            self.message_stop(events);
        }
        is_stopped
    }

    fn message_stop(&mut self, events: &mut Vec<Event>) {
        self.block_stop(events);
        let reason = finish(self.stop_reason.as_deref(), self.has_calls);
        events.push(Event::Finished(Finished { reason, stop_sequence: self.stop_sequence.take() }));
    }

    fn usage(&mut self, json: Option<&RawValue>, events: &mut Vec<Event>) {
        if let Some(json) = json {
            self.counts.update(&wire::usage(json));
            events.push(Event::Usage(self.counts.chat()));
        }
    }
}

fn read<'a, T: serde::Deserialize<'a>>(json: Option<&'a RawValue>, kind: &str) -> Result<T, Fault> {
    json.and_then(|json| serde_json::from_str(json.get()).ok()).ok_or_else(|| malformed(kind))
}
