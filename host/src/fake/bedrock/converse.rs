//! What Converse answers.

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::Protocol;
use super::super::answer::{Answer, Finish, fragments};
use super::super::reply::{Part, Piece};
use super::super::seal::seal;
use super::frames::event;

const LATENCY_MS: u64 = 9;

fn call_id(number: usize, position: usize) -> String {
    format!("tooluse_{number:06}_{position}")
}

fn stop(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::Sequence(_) => "stop_sequence",
        Finish::Tools => "tool_use",
    }
}

fn usage(answer: &Answer) -> Value {
    json!({
        "inputTokens": answer.input_tokens, "outputTokens": answer.output_tokens,
        "totalTokens": answer.input_tokens + answer.output_tokens, "cacheReadInputTokens": 0, "cacheWriteInputTokens": 0,
    })
}

pub fn whole(answer: &Answer, number: usize) -> Value {
    let mut content = Vec::new();
    if let Some(text) = answer.thinking {
        let thought = json!({ "text": text, "signature": seal(Protocol::Bedrock, text) });
        content.push(json!({ "reasoningContent": { "reasoningText": thought } }));
    }
    if !answer.text.is_empty() {
        content.push(json!({ "text": answer.text.concat() }));
    }
    for (position, call) in answer.calls.iter().enumerate() {
        let input: Value = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
        content.push(json!({
            "toolUse": { "toolUseId": call_id(number, position), "name": call.name, "input": input },
        }));
    }
    json!({
        "output": { "message": { "role": "assistant", "content": content } }, "stopReason": stop(&answer.finish),
        "usage": usage(answer), "metrics": { "latencyMs": LATENCY_MS },
    })
}

/// The events of one reply.
struct Events {
    pieces: Vec<Piece>,
    /// Of the block that is being written.
    index: usize,
}

impl Events {
    fn say(&mut self, part: Part, kind: &str, payload: Value) {
        let bytes: Bytes = event(kind, payload, 3 + self.pieces.len() * 7);
        self.pieces.push(Piece::new(part, bytes));
    }

    fn start(&mut self, start: Value) {
        let index = self.index;
        self.say(Part::Frame, "contentBlockStart", json!({ "contentBlockIndex": index, "start": start }));
    }

    fn deltas(&mut self, deltas: impl IntoIterator<Item = Value>) {
        for delta in deltas {
            let index = self.index;
            self.say(Part::Content, "contentBlockDelta", json!({ "contentBlockIndex": index, "delta": delta }));
        }
    }

    fn stop(&mut self) {
        let index = self.index;
        self.say(Part::Frame, "contentBlockStop", json!({ "contentBlockIndex": index }));
        self.index += 1;
    }
}

/// Only calls have a start. What the reply cost comes after its end.
pub fn stream(answer: &Answer, number: usize) -> Vec<Piece> {
    let mut events = Events { pieces: Vec::new(), index: 0 };
    events.say(Part::Opening, "messageStart", json!({ "role": "assistant" }));
    if let Some(text) = answer.thinking {
        let thought = fragments(text).into_iter().map(|text| json!({ "reasoningContent": { "text": text } }));
        let signature = json!({ "reasoningContent": { "signature": seal(Protocol::Bedrock, text) } });
        events.deltas(thought.chain([signature]));
        events.stop();
    }
    if !answer.text.is_empty() {
        events.deltas(answer.text.iter().map(|text| json!({ "text": text })));
        events.stop();
    }
    for (position, call) in answer.calls.iter().enumerate() {
        events.start(json!({ "toolUse": { "toolUseId": call_id(number, position), "name": call.name } }));
        // `{}` is not spelt out.
        let input = if call.arguments == "{}" { vec![String::new()] } else { fragments(&call.arguments) };
        events.deltas(input.into_iter().map(|input| json!({ "toolUse": { "input": input } })));
        events.stop();
    }
    events.say(Part::Closing, "messageStop", json!({ "stopReason": stop(&answer.finish) }));
    events.say(Part::Closing, "metadata", json!({ "usage": usage(answer), "metrics": { "latencyMs": LATENCY_MS } }));
    events.pieces
}
