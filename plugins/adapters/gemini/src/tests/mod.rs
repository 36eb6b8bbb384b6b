//! What the codec promises, one file for each direction. Helpers that several of them need stand here.

mod any_reply;
mod classify;
mod decode;
mod embeddings;
mod encode;
mod encode_messages;
mod encode_schema;
mod generated;
mod read;
mod read_messages;
mod round_trip;
mod settings;
mod write;

#[path = "../../../../sdk/testing/requests.rs"]
#[allow(dead_code, reason = "other adapters use more of it")]
mod requests;

use crate::Codec;
use pointsman_sdk::codec::chat::*;
use pointsman_sdk::codec::provider::{Decoded, Frame, ModelFacts, ReasoningForm};
use pointsman_sdk::codec::{ClientProtocol, Fault, FaultKind, Provider};
use requests::*;
use serde_json::{Value, json};

/// A request with one question of the user.
fn ask(question: &str) -> Request {
    request_of("gemini-x", "openai-chat", vec![user(vec![text(question)])])
}

fn gemini_3() -> ModelFacts {
    ModelFacts { reasoning: Some(ReasoningForm::Level), ..no_facts() }
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: arguments.into(), extras: Vec::new() })
}

fn result_of(id: &str, content: Vec<ResultPart>) -> ToolResult {
    ToolResult { call_id: id.into(), name: None, failed: false, content, extras: Vec::new() }
}

fn result(id: &str, words: &str) -> Part {
    Part::ToolResult(result_of(id, vec![ResultPart::Text(Text { text: words.into(), extras: Vec::new() })]))
}

fn thought(words: &str, signature: Option<(&str, &str)>) -> Part {
    let signature = signature.map(|(maker, data)| Sealed { maker: maker.into(), data: data.into() });
    Part::Reasoning(Reasoning { text: words.into(), signature, redacted: None, extras: Vec::new() })
}

/// The body, and what was dropped.
fn encode(request: Request) -> (Value, Vec<String>) {
    encode_with("{}", request, no_facts())
}

fn encode_with(settings: &str, request: Request, facts: ModelFacts) -> (Value, Vec<String>) {
    let encoded = Codec::encode(settings.into(), "chat".into(), request, facts).unwrap();
    (serde_json::from_slice(&encoded.body).unwrap(), encoded.dropped)
}

/// The contents of a conversation of these messages.
fn contents(messages: Vec<Message>, facts: ModelFacts) -> Value {
    encode_with("{}", Request { messages, ..ask("") }, facts).0["contents"].clone()
}

fn encode_fault(request: Request) -> Fault {
    Codec::encode("{}".into(), "chat".into(), request, no_facts()).unwrap_err()
}

fn read(body: Value) -> Request {
    Codec::read("chat".into(), vec![], body.to_string().into_bytes()).unwrap().request
}

fn read_fault(body: Value) -> Fault {
    Codec::read("chat".into(), vec![], body.to_string().into_bytes()).unwrap_err()
}

/// The smallest body that is valid, with other fields on top.
fn body_with(more: Value) -> Value {
    let mut body = json!({ "contents": [{ "role": "user", "parts": [{ "text": "hi" }] }] });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn frame(data: &Value) -> Frame {
    Frame { event: None, data: data.to_string().into_bytes() }
}

/// The events of a stream. They are the same wherever the frames are cut apart.
fn decode_stream(data: &[Value]) -> Vec<Event> {
    let at_once = |ended| Codec::decode("chat".into(), true, Vec::new(), data.iter().map(frame).collect(), ended);
    let events = at_once(true).events;
    for cut in 0..=data.len() {
        let (first, second) = data.split_at(cut);
        let mut before = Codec::decode("chat".into(), true, Vec::new(), first.iter().map(frame).collect(), false);
        let after = Codec::decode("chat".into(), true, before.memory, second.iter().map(frame).collect(), true);
        before.events.extend(after.events);
        assert_eq!(before.events, events, "cut before frame {cut}");
    }
    assert_eq!(decode_stepwise(data), events);
    events
}

/// One call for each frame, and one with none that ends.
fn decode_stepwise(data: &[Value]) -> Vec<Event> {
    let mut memory = Vec::new();
    let mut events = Vec::new();
    for each in data {
        let decoded: Decoded = Codec::decode("chat".into(), true, memory, vec![frame(each)], false);
        memory = decoded.memory;
        events.extend(decoded.events);
    }
    events.extend(Codec::decode("chat".into(), true, memory, Vec::new(), true).events);
    events
}

fn decode_whole(body: &Value) -> Vec<Event> {
    Codec::decode("chat".into(), false, Vec::new(), vec![frame(body)], true).events
}

/// A chunk with these parts.
fn chunk(parts: Value) -> Value {
    json!({ "candidates": [{ "content": { "parts": parts, "role": "model" }, "index": 0 }],
        "modelVersion": "gemini-x", "responseId": "r1" })
}

/// A last chunk, whose text is empty as the API's often is.
fn last(reason: &str) -> Value {
    let mut last = chunk(json!([{ "text": "" }]));
    last["candidates"][0]["finishReason"] = reason.into();
    last
}

fn started() -> Event {
    Event::Started(Started { id: "r1".into(), model: "gemini-x".into(), created_unix_s: 0 })
}

fn delta(index: u32, text: &str) -> Delta {
    Delta { index, text: text.into() }
}

fn sealed(index: u32, maker: &str, data: &str) -> SealedDelta {
    SealedDelta { index, sealed: Sealed { maker: maker.into(), data: data.into() } }
}

fn called(index: u32, id: &str, name: &str) -> Event {
    Event::ToolCallStarted(ToolCallStarted { index, id: id.into(), name: name.into() })
}

fn finished(reason: Finish) -> Event {
    Event::Finished(Finished { reason, stop_sequence: None })
}

/// What a caller is sent, as the chunks of its stream; wherever the events are cut apart.
fn write_stream(thoughts_wanted: bool, events: Vec<Event>) -> Vec<Value> {
    let mut memory = crate::write::beginning(thoughts_wanted);
    let mut bytes = Vec::new();
    for event in events.clone() {
        let written = Codec::write("chat".into(), true, memory, vec![event], false);
        memory = written.memory;
        bytes.extend(written.bytes);
    }
    let at_once = Codec::write("chat".into(), true, crate::write::beginning(thoughts_wanted), events, true);
    assert_eq!(at_once.bytes, bytes);
    let text = String::from_utf8(bytes).unwrap();
    let data = text.split_terminator("\r\n\r\n").map(|frame| frame.strip_prefix("data: ").unwrap());
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn write_whole(thoughts_wanted: bool, events: Vec<Event>) -> Value {
    let bytes = Codec::write("chat".into(), false, crate::write::beginning(thoughts_wanted), events, true).bytes;
    serde_json::from_slice(&bytes).unwrap()
}

/// The parts of all chunks.
fn parts(chunks: &[Value]) -> Vec<Value> {
    let lists = chunks.iter().map(|chunk| chunk["candidates"][0]["content"]["parts"].as_array().unwrap().clone());
    lists.flatten().collect()
}
