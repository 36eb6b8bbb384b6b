//! What the codec promises, one file for each direction. Helpers that several of them need stand here.

mod any_reply;
mod bedrock;
mod classify;
mod count;
mod decode;
mod decode_blocks;
mod encode;
mod encode_messages;
mod facts;
mod generated;
mod hosted;
mod platform;
mod read;
mod read_messages;
mod round_trip;
mod same_protocol;
mod sealed;
mod write;

#[path = "../../../../sdk/testing/requests.rs"]
#[allow(dead_code, reason = "other adapters use more of it")]
mod requests;

use crate::Codec;
use pointsman_sdk::codec::chat::*;
use pointsman_sdk::codec::provider::{Decoded, Encoded, Frame, ModelFacts};
use pointsman_sdk::codec::{ClientProtocol, Fault, FaultKind, Provider, other_content};
use requests::*;
use serde_json::{Value, json};

/// A request with one question of the user, of a caller of another protocol.
fn ask(question: &str) -> Request {
    request_of("claude", "openai-chat", vec![user(vec![text(question)])])
}

fn call(id: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.into(), name: "look".into(), arguments: arguments.into(), extras: Vec::new() })
}

fn result(id: &str, words: &str) -> Part {
    let content = vec![ResultPart::Text(Text { text: words.into(), extras: Vec::new() })];
    Part::ToolResult(ToolResult { call_id: id.into(), name: None, failed: false, content, extras: Vec::new() })
}

fn media(kind: MediaKind, mime: &str, source: Source) -> Part {
    Part::Media(Media { kind, mime: mime.into(), source, title: None, extras: Vec::new() })
}

/// The body, and what was dropped.
fn encode(request: Request) -> (Value, Vec<String>) {
    encode_with("{}", request)
}

fn encode_with(settings: &str, request: Request) -> (Value, Vec<String>) {
    parsed(Codec::encode(settings.into(), "chat".into(), request, no_facts()).unwrap())
}

/// The same, for a model that something is known of.
fn encode_for(facts: ModelFacts, request: Request) -> (Value, Vec<String>) {
    parsed(Codec::encode("{}".into(), "chat".into(), request, facts).unwrap())
}

fn parsed(encoded: Encoded) -> (Value, Vec<String>) {
    (serde_json::from_slice(&encoded.body).unwrap(), encoded.dropped)
}

/// The field that cannot be said.
fn encode_unsupported(request: Request) -> String {
    let fault = Codec::encode("{}".into(), "chat".into(), request, no_facts()).unwrap_err();
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
    let mut body = json!({ "model": "m", "max_tokens": 64, "messages": [{ "role": "user", "content": "hi" }] });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// A stream's frames; each is named by its type.
fn frames(data: &[Value]) -> Vec<Frame> {
    let frame = |data: &Value| Frame { event: None, data: data.to_string().into_bytes() };
    data.iter().map(frame).collect()
}

fn decode_stream(data: &[Value]) -> Vec<Event> {
    Codec::decode("chat".into(), true, Vec::new(), frames(data), true).events
}

/// The same, with one call for each frame.
fn decode_stepwise(data: &[Value]) -> Vec<Event> {
    let mut memory = Vec::new();
    let mut events = Vec::new();
    for frame in frames(data) {
        let decoded: Decoded = Codec::decode("chat".into(), true, memory, vec![frame], false);
        memory = decoded.memory;
        events.extend(decoded.events);
    }
    events.extend(Codec::decode("chat".into(), true, memory, Vec::new(), true).events);
    events
}

fn decode_whole(body: Value) -> Vec<Event> {
    let frame = Frame { event: None, data: body.to_string().into_bytes() };
    Codec::decode("chat".into(), false, Vec::new(), vec![frame], true).events
}

/// What the caller is sent, as pairs of event name and data.
fn write_stream(memory: Vec<u8>, events: Vec<Event>) -> Vec<(String, Value)> {
    parse_stream(&Codec::write("chat".into(), true, memory, events, true).bytes)
}

fn parse_stream(bytes: &[u8]) -> Vec<(String, Value)> {
    let text = std::str::from_utf8(bytes).unwrap();
    let frames = text.split_terminator("\n\n").map(|frame| {
        let (name, data) = frame.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
        (name.to_owned(), serde_json::from_str(data).unwrap())
    });
    frames.collect()
}

fn started() -> Event {
    Event::Started(Started { id: "chatcmpl-1".into(), model: "gpt".into(), created_unix_s: 0 })
}

fn sealed(maker: &str, data: &str) -> Sealed {
    Sealed { maker: maker.into(), data: data.into() }
}

fn sealed_delta(index: u32, maker: &str, data: &str) -> SealedDelta {
    SealedDelta { index, sealed: sealed(maker, data) }
}

fn delta(index: u32, text: &str) -> Delta {
    Delta { index, text: text.into() }
}

fn finished(reason: Finish) -> Event {
    Event::Finished(Finished { reason, stop_sequence: None })
}
