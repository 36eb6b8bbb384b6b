//! What the codec promises, one file for each direction. Helpers that several of them need stand here.

mod any_reply;
mod classify;
mod compact;
mod decode;
mod decode_accents;
mod decode_failures;
mod describe;
mod encode;
mod encode_items;
mod forms;
mod generated;
mod read;
mod read_items;
mod round_trip;
mod write;
mod write_failures;

#[path = "../../../../sdk/testing/requests.rs"]
#[allow(dead_code, reason = "other adapters use more of it")]
mod requests;

use crate::Codec;
use pointsman_sdk::codec::chat::*;
use pointsman_sdk::codec::provider::{Frame, ModelFacts, ReasoningForm};
use pointsman_sdk::codec::{ClientProtocol, Fault, FaultKind, Provider, other_content};
use requests::*;
use serde_json::{Value, json};

/// A request of another protocol.
fn request(messages: Vec<Message>) -> Request {
    request_of("gpt", "anthropic-messages", messages)
}

fn ask() -> Request {
    request(vec![user(vec![text("hi")])])
}

fn thought(words: &str, signature: Option<Sealed>) -> Part {
    Part::Reasoning(Reasoning { text: words.into(), signature, redacted: None, extras: Vec::new() })
}

fn sealed(maker: &str, data: &str) -> Sealed {
    Sealed { maker: maker.into(), data: data.into() }
}

/// What OpenAI sealed: the item's id and its encrypted text.
fn own_secret() -> Sealed {
    sealed("openai-responses", r#"{"id":"rs_1","encrypted_content":"gAAA="}"#)
}

fn call(id: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.into(), name: "look".into(), arguments: arguments.into(), extras: Vec::new() })
}

fn result(id: &str, words: &str) -> Part {
    let content = vec![ResultPart::Text(Text { text: words.into(), extras: Vec::new() })];
    Part::ToolResult(ToolResult { call_id: id.into(), name: None, failed: false, content, extras: Vec::new() })
}

/// The body, and what was dropped.
fn encode(request: Request, model: ModelFacts) -> (Value, Vec<String>) {
    let encoded = Codec::encode("{}".into(), "chat".into(), request, model).unwrap();
    (serde_json::from_slice(&encoded.body).unwrap(), encoded.dropped)
}

/// The input items of these messages.
fn items(messages: Vec<Message>) -> Value {
    encode(request(messages), no_facts()).0["input"].take()
}

/// The field that cannot be said.
fn unsaid(request: Request, model: ModelFacts) -> String {
    let fault = Codec::encode("{}".into(), "chat".into(), request, model).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unsupported);
    fault.field.unwrap()
}

fn read(body: Value) -> Request {
    Codec::read("chat".into(), vec![], body.to_string().into_bytes()).unwrap().request
}

fn read_fault(body: Value) -> Fault {
    Codec::read("chat".into(), vec![], body.to_string().into_bytes()).unwrap_err()
}

/// The smallest body that is valid, with other fields on top.
fn body_with(more: Value) -> Value {
    let mut body = json!({"model": "m", "input": "hi"});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn frame(data: &Value) -> Frame {
    Frame { event: data["type"].as_str().map(str::to_owned), data: data.to_string().into_bytes() }
}

/// The stream's events; and they are the same however its frames are batched.
fn decode(stream: &[Value]) -> Vec<Event> {
    let frames: Vec<Frame> = stream.iter().map(frame).collect();
    let fold = |memory, frames: &[Frame], ended| Codec::decode("chat".into(), true, memory, frames.to_vec(), ended);
    let at_once = fold(Vec::new(), &frames, true).events;
    for cut in 0..=frames.len() {
        let first = fold(Vec::new(), &frames[..cut], false);
        let mut events = first.events;
        events.extend(fold(first.memory, &frames[cut..], true).events);
        assert_eq!(events, at_once, "cut at {cut}");
    }
    let (mut memory, mut one_by_one) = (Vec::new(), Vec::new());
    for frame in &frames {
        let decoded = fold(memory, std::slice::from_ref(frame), false);
        memory = decoded.memory;
        one_by_one.extend(decoded.events);
    }
    one_by_one.extend(fold(memory, &[], true).events);
    assert_eq!(one_by_one, at_once);
    at_once
}

fn decode_whole(body: &Value) -> Vec<Event> {
    Codec::decode("chat".into(), false, Vec::new(), vec![frame(body)], true).events
}

fn started() -> Event {
    Event::Started(Started { id: "resp_1".into(), model: "gpt".into(), created_unix_s: 7 })
}

fn delta(index: u32, text: &str) -> Delta {
    Delta { index, text: text.into() }
}

fn call_started(index: u32, id: &str) -> Event {
    Event::ToolCallStarted(ToolCallStarted { index, id: id.into(), name: "look".into() })
}

fn signature(index: u32, sealed: Sealed) -> Event {
    Event::ReasoningSignature(SealedDelta { index, sealed })
}

fn finished(reason: Finish) -> Event {
    Event::Finished(Finished { reason, stop_sequence: None })
}
