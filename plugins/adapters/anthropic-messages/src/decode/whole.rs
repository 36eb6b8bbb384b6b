//! A reply that is not streamed: the same events, all at once.

use super::wire::{self, Kind, Message, Piece, text};
use super::{finish, malformed, push_piece, sealed};
use crate::classify;
use crate::usage::Counts;
use pointsman_sdk::codec::chat::{Delta, Event, Finished, Started};
use pointsman_sdk::codec::{Fault, other_content};
use serde_json::value::RawValue;

/// An error is the whole reply's.
pub fn body(data: &[u8], events: &mut Vec<Event>) -> Result<(), Fault> {
    let message: Message = serde_json::from_slice(data).map_err(|_| malformed("the body is not JSON of a message"))?;
    if text(&message.kind) == "error" || message.error.is_some() {
        return Err(classify::in_reply(wire::error(message.error)));
    }
    let content = message.content.as_ref().ok_or_else(|| malformed("`content` is missing"))?;
    let id = text(&message.id).to_owned();
    events.push(Event::Started(Started { id, model: text(&message.model).to_owned(), created_unix_s: 0 }));

    let mut parts = 0;
    let mut has_calls = false;
    for block in content {
        let kind = Kind::of(block);
        if matches!(kind.as_str(), "text" | "thinking" | "redacted_thinking" | "tool_use") {
            parts += u32::from(push_block(parts, &kind, block, events)?);
            has_calls |= kind == "tool_use";
        } else {
            events.push(other_content());
        }
    }
    if let Some(usage) = message.usage {
        let mut counts = Counts::default();
        counts.update(&wire::usage(usage));
        events.push(Event::Usage(counts.chat()));
    }
    let reason = finish(message.stop_reason.as_ref().map(wire::Str::as_str), has_calls);
    events.push(Event::Finished(Finished { reason, stop_sequence: message.stop_sequence }));
    Ok(())
}

/// Was it a part? A block that says nothing is none.
fn push_block(index: u32, kind: &str, block: &RawValue, events: &mut Vec<Event>) -> Result<bool, Fault> {
    let piece: Piece = serde_json::from_str(block.get()).map_err(|_| malformed(kind))?;
    let before = events.len();
    push_piece(index, kind, &piece, events);
    if let Some(arguments) = piece.arguments(kind) {
        events.push(Event::ToolArgumentsDelta(Delta { index, text: arguments.to_owned() }));
    }
    let signature = piece.signature(kind);
    if !signature.is_empty() {
        events.push(Event::ReasoningSignature(sealed(index, signature)));
    }
    let said = events.len() > before;
    if said {
        events.push(Event::PartFinished(index));
    }
    Ok(said)
}
