//! The events of a stream: every one has a name and a number.

use serde_json::{Value, json};

use super::super::answer::{Finish, fragments};
use super::super::reply::{Part, Piece, Sent};
use super::{Reply, id};

const OVERLOADED: &str = "Our servers are currently overloaded. Please try again later.";

#[derive(Default)]
struct Events(Vec<Piece>);

impl Events {
    fn say(&mut self, part: Part, kind: &str, mut data: Value) {
        data["type"] = json!(kind);
        data["sequence_number"] = json!(self.0.len());
        self.0.push(Piece::new(part, sse(&data)));
    }

    /// A text: its pieces, then all of it again.
    fn text(&mut self, kind: &str, place: &Value, pieces: &[String], field: &str, more: &Value) {
        for (index, piece) in pieces.iter().enumerate() {
            let padding = "abcdefghijklmnop".get(..index % 16).unwrap_or_default();
            let delta = merged(&[place, more, &json!({ "delta": piece, "obfuscation": padding })]);
            self.say(Part::Content, &format!("{kind}.delta"), delta);
        }
        self.say(Part::Frame, &format!("{kind}.done"), merged(&[place, more, &json!({ field: pieces.concat() })]));
    }
}

fn sse(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default())
}

fn merged(objects: &[&Value]) -> Value {
    let fields = objects.iter().filter_map(|object| object.as_object()).flatten();
    fields.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The error that may come after a 200: before any content an event of its own, later the response that failed.
pub fn error_event(model: &str, sent: Sent, number: usize) -> String {
    let code = "server_is_overloaded";
    sse(&match sent.chunks {
        0 => json!({
            "type": "error", "sequence_number": sent.pieces, "code": code, "message": OVERLOADED, "param": null,
        }),
        _ => json!({
            "type": "response.failed", "sequence_number": sent.pieces, "response": {
                "id": id(number), "object": "response", "status": "failed", "model": model, "output": [],
                "error": { "code": code, "message": OVERLOADED }, "incomplete_details": null, "usage": null,
            },
        }),
    })
}

pub fn stream(reply: &Reply<'_>) -> Vec<Piece> {
    let mut events = Events::default();
    events.say(Part::Opening, "response.created", json!({ "response": reply.begun() }));
    events.say(Part::Opening, "response.in_progress", json!({ "response": reply.begun() }));
    for (index, item) in reply.items().into_iter().enumerate() {
        events.say(Part::Frame, "response.output_item.added", json!({ "output_index": index, "item": begun(&item) }));
        let place = json!({ "item_id": item["id"], "output_index": index });
        match item["type"].as_str() {
            Some("reasoning") => reasoning(&mut events, &place, &item),
            Some("message") => message(&mut events, &place, &item, &reply.answer.text),
            Some("custom_tool_call") => {
                let input = item["input"].as_str().unwrap_or_default();
                events.text("response.custom_tool_call_input", &place, &fragments(input), "input", &json!({}));
            }
            _ => {
                let arguments = item["arguments"].as_str().unwrap_or_default();
                let kind = "response.function_call_arguments";
                events.text(kind, &place, &fragments(arguments), "arguments", &json!({}));
            }
        }
        events.say(Part::Frame, "response.output_item.done", json!({ "output_index": index, "item": item }));
    }
    let last = if reply.answer.finish == Finish::Length { "response.incomplete" } else { "response.completed" };
    events.say(Part::Closing, last, json!({ "response": reply.finished() }));
    events.0
}

/// An item before anything is in it.
fn begun(item: &Value) -> Value {
    let mut item = item.clone();
    for (field, empty) in
        [("content", json!([])), ("summary", json!([])), ("arguments", json!("")), ("input", json!(""))]
    {
        if item.get(field).is_some() {
            item[field] = empty;
        }
    }
    if item.get("status").is_some() {
        item["status"] = json!("in_progress");
    }
    item
}

fn reasoning(events: &mut Events, place: &Value, item: &Value) {
    for (index, part) in item["summary"].as_array().into_iter().flatten().enumerate() {
        let place = merged(&[place, &json!({ "summary_index": index })]);
        let empty = json!({ "type": "summary_text", "text": "" });
        events.say(Part::Frame, "response.reasoning_summary_part.added", merged(&[&place, &json!({ "part": empty })]));
        let pieces = fragments(part["text"].as_str().unwrap_or_default());
        events.text("response.reasoning_summary_text", &place, &pieces, "text", &json!({}));
        events.say(Part::Frame, "response.reasoning_summary_part.done", merged(&[&place, &json!({ "part": part })]));
    }
}

fn message(events: &mut Events, place: &Value, item: &Value, text: &[String]) {
    let place = merged(&[place, &json!({ "content_index": 0 })]);
    let empty = json!({ "type": "output_text", "text": "", "annotations": [], "logprobs": [] });
    events.say(Part::Frame, "response.content_part.added", merged(&[&place, &json!({ "part": empty })]));
    events.text("response.output_text", &place, text, "text", &json!({ "logprobs": [] }));
    let part = json!({ "part": item["content"][0] });
    events.say(Part::Frame, "response.content_part.done", merged(&[&place, &part]));
}
