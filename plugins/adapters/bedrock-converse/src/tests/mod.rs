//! What the adapter promises, one file for each direction. Helpers that several of them need stand here.

mod classify;
mod decode;
mod decode_failures;
mod describe;
mod embeddings;
mod encode;
mod encode_media;
mod encode_messages;
mod thinking;

#[path = "../../../../sdk/testing/requests.rs"]
#[allow(dead_code, reason = "other adapters use more of it")]
mod requests;

use crate::Adapter;
use pointsman_adapter_sdk::chat::*;
use pointsman_adapter_sdk::provider::{Frame, Header, ModelFacts, ReplyHead};
use pointsman_adapter_sdk::{Fault, FaultKind, Provider};
use requests::*;
use serde_json::{Value, json};

/// A request with one question of the user.
fn ask(question: &str) -> Request {
    request_of("anthropic.claude-sonnet-4-5-v1:0", "anthropic-messages", vec![user(vec![text(question)])])
}

fn thought(words: &str, maker: Option<&str>) -> Part {
    let signature = maker.map(|maker| Sealed { maker: maker.into(), data: "x".into() });
    Part::Reasoning(Reasoning { text: words.into(), signature, redacted: None, extras: Vec::new() })
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: arguments.into(), extras: Vec::new() })
}

fn result(id: &str, content: Vec<ResultPart>) -> Part {
    Part::ToolResult(ToolResult { call_id: id.into(), name: None, failed: false, content, extras: Vec::new() })
}

fn result_text(words: &str) -> ResultPart {
    ResultPart::Text(Text { text: words.into(), extras: Vec::new() })
}

const SETTINGS: &str = r#"{"region":"us-east-1"}"#;

/// The body, and what was dropped.
fn encode(request: Request) -> (Value, Vec<String>) {
    encode_with(request, no_facts())
}

fn encode_with(request: Request, facts: ModelFacts) -> (Value, Vec<String>) {
    let encoded = Adapter::encode(SETTINGS.into(), "chat".into(), request, facts).unwrap();
    (serde_json::from_slice(&encoded.body).unwrap(), encoded.dropped)
}

fn said(messages: Vec<Message>) -> Value {
    encode(Request { messages, ..ask("") }).0["messages"].clone()
}

/// The field that cannot be said.
fn refused(request: Request, facts: ModelFacts) -> String {
    let fault = Adapter::encode(SETTINGS.into(), "chat".into(), request, facts).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unsupported, "{}", fault.message);
    fault.field.unwrap()
}

fn frame(event: &str, data: Value) -> Frame {
    Frame { event: Some(event.into()), data: data.to_string().into_bytes() }
}

fn decode_stream(frames: &[Frame]) -> Vec<Event> {
    Adapter::decode("chat".into(), true, Vec::new(), frames.to_vec(), true).events
}

/// The same in several calls, cut before the frame at `cut` and before the end.
fn decode_cut(frames: &[Frame], cut: usize) -> Vec<Event> {
    let (first, rest) = frames.split_at(cut);
    let first = Adapter::decode("chat".into(), true, Vec::new(), first.to_vec(), false);
    let rest = Adapter::decode("chat".into(), true, first.memory, rest.to_vec(), false);
    let end = Adapter::decode("chat".into(), true, rest.memory, Vec::new(), true);
    [first.events, rest.events, end.events].concat()
}

fn decode_whole(operation: &str, body: &str) -> Vec<Event> {
    let frame = Frame { event: None, data: body.as_bytes().to_vec() };
    Adapter::decode(operation.into(), false, Vec::new(), vec![frame], true).events
}

fn classified(status: u16, name: Option<&str>, body: &str) -> Fault {
    let header = |value: &str| Header { name: "x-amzn-ErrorType".into(), value: value.into() };
    let headers = name.map(header).into_iter().collect();
    Adapter::classify("chat".into(), ReplyHead { status, headers }, body.as_bytes().to_vec())
}
