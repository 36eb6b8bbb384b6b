//! One reply, streamed or whole: events of the wire in, events of the contract out.

use super::item::{self, Item, Piece};
use super::parts::Parts;
use super::{index, malformed, parse, refuse_error, text};
use crate::classify;
use pointsman_sdk::codec::chat::{Event, Finish, Finished, Started, Usage};
use pointsman_sdk::codec::provider::Frame;
use pointsman_sdk::codec::{Fault, FaultKind, fault, other_content};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Default, Serialize, Deserialize)]
pub struct Reply {
    is_started: bool,
    parts: Parts,
}

impl Reply {
    /// An error ends the reply.
    pub fn frame(&mut self, frame: &Frame, events: &mut Vec<Event>) -> Result<(), Fault> {
        let data = frame.data.trim_ascii();
        // Not OpenAI's here, but some servers end with it out of habit.
        if data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        let mut event = parse(frame)?;
        if let (Value::Object(fields), Some(name)) = (&mut event, &frame.event)
            && !fields.contains_key("type")
        {
            fields.insert("type".into(), name.as_str().into());
        }
        self.event(&event, events)
    }

    fn event(&mut self, event: &Value, events: &mut Vec<Event>) -> Result<(), Fault> {
        let response = event.get("response").unwrap_or(&Value::Null);
        match text(event, "type") {
            "response.created" | "response.in_progress" | "response.queued" => self.start(response, events),
            "response.completed" => return self.end("completed", response, events),
            "response.incomplete" => return self.end("incomplete", response, events),
            "response.failed" => return self.end("failed", response, events),
            "error" => return Err(classify::inside(event)),
            "response.output_item.added" => {
                let item = Item::of(event).map(Piece::Begun);
                note_other(item.is_none(), events);
                return self.piece(event, item, events);
            }
            "response.output_item.done" => {
                let item = Item::of(event).map(Piece::Done);
                note_other(item.is_none(), events);
                return self.piece(event, item, events);
            }
            kind => {
                refuse_error(event)?;
                let words = item::words(event).map(Piece::Said);
                // Pieces of items that nobody knows, and news of what a hosted tool does.
                let is_piece = kind.ends_with(".delta") || kind.ends_with(".partial_image") || kind.contains("_call.");
                note_other(words.is_none() && is_piece, events);
                return self.piece(event, words, events);
            }
        }
        Ok(())
    }

    /// The whole reply is what a stream's last event carries.
    pub fn whole(&mut self, body: &Value, events: &mut Vec<Event>) -> Result<(), Fault> {
        let status = text(body, "status");
        if status.is_empty() {
            refuse_error(body)?;
        }
        if !body.get("output").is_some_and(Value::is_array) && status != "failed" {
            return Err(malformed("it has no output"));
        }
        self.end(if status.is_empty() { "completed" } else { status }, body, events)
    }

    fn start(&mut self, response: &Value, events: &mut Vec<Event>) {
        if self.is_started {
            return;
        }
        self.is_started = true;
        // Some servers give a fraction.
        let created = response.get("created_at").and_then(Value::as_f64).unwrap_or_default();
        events.push(Event::Started(Started {
            id: text(response, "id").into(),
            model: text(response, "model").into(),
            // The cast saturates.
            created_unix_s: created as u64,
        }));
    }

    fn piece(&mut self, event: &Value, piece: Option<Piece>, events: &mut Vec<Event>) -> Result<(), Fault> {
        let Some(piece) = piece else { return Ok(()) };
        // A server that leaves out `response.created` is understood all the same.
        self.start(&Value::Null, events);
        self.parts.accept(index(event, "output_index"), piece, events)
    }

    fn end(&mut self, expected: &str, response: &Value, events: &mut Vec<Event>) -> Result<(), Fault> {
        let status = Some(text(response, "status")).filter(|status| !status.is_empty()).unwrap_or(expected);
        let reason = match status {
            "completed" => None,
            "incomplete" => Some(match text(response.get("incomplete_details").unwrap_or(&Value::Null), "reason") {
                "content_filter" => Finish::ContentFilter,
                _ => Finish::Length,
            }),
            "failed" => return Err(classify::inside(response.get("error").unwrap_or(&Value::Null))),
            "cancelled" => return Err(fault(FaultKind::ServerError, "the provider cancelled the reply")),
            _ => return Err(malformed("it ends before it is complete")),
        };
        self.start(response, events);
        self.parts.finish(events)?;
        self.catch_up(response, events)?;
        events.extend(usage(response).map(Event::Usage));
        let reason = reason.unwrap_or(match &self.parts {
            parts if parts.has_calls => Finish::ToolCalls,
            parts if parts.has_refusal => Finish::Refusal,
            _ => Finish::Stop,
        });
        events.push(Event::Finished(Finished { reason, stop_sequence: None }));
        Ok(())
    }

    /// Some servers make a stream of a reply that they have whole, and say it in the last event only.
    fn catch_up(&mut self, response: &Value, events: &mut Vec<Event>) -> Result<(), Fault> {
        if !self.parts.are_empty() {
            return Ok(());
        }
        self.parts = Parts::default();
        let output = response.get("output").and_then(Value::as_array);
        for (item, output_index) in output.into_iter().flatten().zip(0..) {
            match Item::read(item) {
                Some(item) => self.parts.accept(output_index, Piece::Done(item), events)?,
                None => note_other(true, events),
            }
        }
        Ok(())
    }
}

fn note_other(is_other: bool, events: &mut Vec<Event>) {
    if is_other {
        events.push(other_content());
    }
}

impl Item {
    fn of(event: &Value) -> Option<Item> {
        event.get("item").and_then(Item::read)
    }
}

/// `input_tokens` counts everything, as the contract does.
pub fn usage(response: &Value) -> Option<Usage> {
    let usage = response.get("usage").filter(|usage| usage.is_object())?;
    let count = |object: Option<&Value>, name: &str| {
        object.and_then(|object| object.get(name)).and_then(Value::as_u64).unwrap_or_default()
    };
    let (input, output) = (usage.get("input_tokens_details"), usage.get("output_tokens_details"));
    Some(Usage {
        input: count(Some(usage), "input_tokens"),
        output: count(Some(usage), "output_tokens"),
        cache_read: count(input, "cached_tokens"),
        cache_write: count(input, "cache_write_tokens"),
        reasoning: count(output, "reasoning_tokens"),
    })
}
