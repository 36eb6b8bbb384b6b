//! Each module is tested through the codec's own functions, as the host calls them.

mod any_reply;
mod azure;
mod classify;
mod custom;
mod decode;
mod decode_accents;
mod embeddings;
mod encode;
mod encode_messages;
mod encode_model;
mod read;
mod read_messages;
mod replay;
mod replay_any;
mod roundtrip;
mod settings;
mod write;

use crate::Codec;
use pointsman_sdk::codec::chat::*;
use pointsman_sdk::codec::provider::{Frame, ModelFacts};
use pointsman_sdk::codec::{ClientProtocol, Fault, Provider, recall};
use serde_json::{Value, json};

fn frame(data: impl ToString) -> Frame {
    Frame { event: None, data: data.to_string().into_bytes() }
}

/// Frames of a stream, all in one call, and its end.
fn decode_stream(frames: &[Frame]) -> Vec<Event> {
    Codec::decode("chat".into(), true, Vec::new(), frames.to_vec(), true).events
}

/// The same, a call for each frame; and in two calls, cut at each boundary, which must change nothing.
fn decode_slowly(frames: &[Frame]) -> Vec<Event> {
    let in_calls = |calls: Vec<&[Frame]>| {
        let (mut memory, mut events) = (Vec::new(), Vec::new());
        for frames in calls {
            let decoded = Codec::decode("chat".into(), true, memory, frames.to_vec(), false);
            events.extend(decoded.events);
            memory = decoded.memory;
        }
        events.extend(Codec::decode("chat".into(), true, memory, Vec::new(), true).events);
        events
    };
    let events = in_calls(frames.chunks(1).collect());
    for cut in 0..=frames.len() {
        let (first, second) = frames.split_at(cut);
        assert_eq!(in_calls(vec![first, second]), events, "cut at {cut}");
    }
    events
}

fn decode_whole(body: Value) -> Vec<Event> {
    Codec::decode("chat".into(), false, Vec::new(), vec![frame(body)], true).events
}

/// A chunk with one choice.
fn chunk(delta: Value, finish_reason: Option<&str>) -> Frame {
    frame(json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "gpt-x",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    }))
}

fn call_piece(index: u32, id: &str, name: &str, arguments: &str) -> Frame {
    let call =
        json!({"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    chunk(json!({"tool_calls": [call]}), None)
}

fn arguments(index: u32, text: &str) -> Frame {
    chunk(json!({"tool_calls": [{"index": index, "function": {"arguments": text}}]}), None)
}

fn done() -> Frame {
    frame("[DONE]")
}

fn started() -> Event {
    Event::Started(Started { id: "chatcmpl-1".into(), model: "gpt-x".into(), created_unix_s: 1_700_000_000 })
}

fn said(index: u32, text: &str) -> Event {
    Event::TextDelta(Delta { index, text: text.into() })
}

fn thought(index: u32, text: &str) -> Event {
    Event::ReasoningDelta(Delta { index, text: text.into() })
}

fn called(index: u32, id: &str, name: &str) -> Event {
    Event::ToolCallStarted(ToolCallStarted { index, id: id.into(), name: name.into() })
}

fn argued(index: u32, text: &str) -> Event {
    Event::ToolArgumentsDelta(Delta { index, text: text.into() })
}

fn finished(reason: Finish) -> Event {
    Event::Finished(Finished { reason, stop_sequence: None })
}

fn failure(events: &[Event]) -> &Fault {
    match events.last() {
        Some(Event::Failed(fault)) => fault,
        other => panic!("not failed, but {other:?}"),
    }
}

fn text(text: &str) -> Part {
    Part::Text(Text { text: text.into(), extras: Vec::new() })
}

fn tool_call(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: arguments.into(), extras: Vec::new() })
}

fn tool_result(call_id: &str, content: &str) -> ToolResult {
    let content = vec![ResultPart::Text(Text { text: content.into(), extras: Vec::new() })];
    ToolResult { call_id: call_id.into(), name: None, failed: false, content, extras: Vec::new() }
}

fn media(kind: MediaKind, mime: &str, source: Source) -> Media {
    Media { kind, mime: mime.into(), source, title: None, extras: Vec::new() }
}

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, extras: Vec::new() }
}

fn request(messages: Vec<Message>) -> Request {
    Request {
        model: "gpt-x".into(),
        protocol: "anthropic-messages".into(),
        messages,
        tools: Vec::new(),
        tool_choice: None,
        parallel_tool_calls: None,
        output: OutputFormat::Text,
        max_output_tokens: None,
        temperature: None,
        top_p: None,
        stop: Vec::new(),
        seed: None,
        reasoning_effort: None,
        reasoning_budget_tokens: None,
        stream: false,
        user: None,
        extras: Vec::new(),
    }
}

fn hello() -> Request {
    request(vec![message(Role::User, vec![text("Hello")])])
}

fn tool(name: &str) -> Tool {
    let parameters = r#"{"type":"object","properties":{}}"#.into();
    Tool { name: name.into(), description: None, parameters, strict: None, extras: Vec::new() }
}

/// A model of which nothing is known.
fn unknown() -> ModelFacts {
    ModelFacts {
        context_tokens: None,
        output_tokens: None,
        reasoning: None,
        sampling: None,
        prefill: None,
        mid_system: None,
        attributes: Vec::new(),
    }
}

/// The encoded body, and what was dropped.
fn encode(settings: Value, request: Request) -> Result<(Value, Vec<String>), Fault> {
    encode_for(unknown(), settings, request)
}

fn encode_for(model: ModelFacts, settings: Value, request: Request) -> Result<(Value, Vec<String>), Fault> {
    let encoded = <Codec as Provider>::encode(settings.to_string(), "chat".into(), request, model)?;
    Ok((serde_json::from_slice(&encoded.body).expect("the body is JSON"), encoded.dropped))
}

fn encode_messages(messages: Vec<Message>) -> Result<Value, Fault> {
    encode(json!({}), request(messages)).map(|(mut body, _)| body["messages"].take())
}

fn read(body: Value) -> Result<Request, Fault> {
    let reading = <Codec as ClientProtocol>::read("chat".into(), vec![], body.to_string().into_bytes())?;
    Ok(reading.request)
}

/// Reads a request that has nothing but this and what every request must have.
fn read_with(fields: Value) -> Result<Request, Fault> {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Hello"}]});
    for (name, value) in fields.as_object().expect("an object") {
        body[name] = value.clone();
    }
    read(body)
}

fn field(fault: &Fault) -> &str {
    fault.field.as_deref().unwrap_or("")
}

/// The chunks of a written stream; a line that is no JSON is kept as text.
fn written(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    assert!(text.is_empty() || text.ends_with("\n\n"), "an event is not ended");
    let events = text.split("\n\n").filter(|event| !event.is_empty());
    events
        .map(|event| match event.strip_prefix("data: ") {
            Some(data) => serde_json::from_str(data).unwrap_or_else(|_| data.into()),
            None => event.into(),
        })
        .collect()
}

#[test]
fn ids_are_stable_distinct_and_short_enough() {
    let long = "toolu_".repeat(20);
    assert_eq!(crate::ids::call("toolu_01A"), "toolu_01A");
    assert_eq!(crate::ids::call(&long), crate::ids::call(&long));
    assert_eq!(crate::ids::call(&long).len(), 40);
    assert_ne!(crate::ids::call("a.b"), crate::ids::call("a:b"));
    assert_ne!(crate::ids::made("r", 0), crate::ids::made("r", 1));
    assert_eq!(crate::ids::user(&"u".repeat(64)), "u".repeat(64));
    assert_eq!(crate::ids::user(&"u".repeat(65)).len(), 64);
}

#[test]
fn foreign_memory_is_as_good_as_none() {
    let nothing: Vec<u8> = recall(&[]);
    assert!(nothing.is_empty());
    let decoded = Codec::decode("chat".into(), true, vec![0xff; 40], vec![chunk(json!({"content": "a"}), None)], false);
    assert_eq!(decoded.events, [started(), said(0, "a")]);
}
