//! What the adapter promises, one file for each direction. Helpers that several of them need stand here.

mod classify;
mod decode;
mod describe;
mod embeddings;
mod encode;
mod encode_messages;

#[path = "../../../../sdk/testing/requests.rs"]
#[allow(dead_code, reason = "other adapters use more of it")]
mod requests;

use crate::Adapter;
use pointsman_adapter_sdk::chat::*;
use pointsman_adapter_sdk::provider::{Frame, ModelFacts, ReplyHead};
use pointsman_adapter_sdk::{Fault, FaultKind, Provider};
use requests::*;
use serde_json::{Value, json};

/// A request with one question of the user.
fn ask(question: &str) -> Request {
    request_of("qwen3", "openai-chat", vec![user(vec![text(question)])])
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

/// The body, and what was dropped.
fn encode(request: Request) -> (Value, Vec<String>) {
    encode_with("{}", request, no_facts())
}

fn encode_with(settings: &str, request: Request, facts: ModelFacts) -> (Value, Vec<String>) {
    let encoded = Adapter::encode(settings.into(), "chat".into(), request, facts).unwrap();
    (serde_json::from_slice(&encoded.body).unwrap(), encoded.dropped)
}

/// The field that cannot be said.
fn refused(request: Request, facts: ModelFacts) -> String {
    let fault = Adapter::encode("{}".into(), "chat".into(), request, facts).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unsupported, "{}", fault.message);
    fault.field.unwrap()
}

fn frame(data: &str) -> Frame {
    Frame { event: None, data: data.as_bytes().to_vec() }
}

fn decode_stream(lines: &[String]) -> Vec<Event> {
    let frames = lines.iter().map(|line| frame(line)).collect();
    Adapter::decode("chat".into(), true, Vec::new(), frames, true).events
}

/// The same in two calls, cut before the line at `cut`.
fn decode_cut(lines: &[String], cut: usize) -> Vec<Event> {
    let frames: Vec<Frame> = lines.iter().map(|line| frame(line)).collect();
    let (first, rest) = frames.split_at(cut);
    let first = Adapter::decode("chat".into(), true, Vec::new(), first.to_vec(), false);
    let rest = Adapter::decode("chat".into(), true, first.memory, rest.to_vec(), false);
    let end = Adapter::decode("chat".into(), true, rest.memory, Vec::new(), true);
    [first.events, rest.events, end.events].concat()
}

fn decode_whole(body: Value) -> Vec<Event> {
    Adapter::decode("chat".into(), false, Vec::new(), vec![frame(&body.to_string())], true).events
}

fn classified(status: u16, body: &str) -> Fault {
    Adapter::classify("chat".into(), ReplyHead { status, headers: Vec::new() }, body.as_bytes().to_vec())
}
