//! `cargo test` runs these on this machine, without WebAssembly.

use pointsman_adapter_sdk::chat::{Event, Finish, Finished, Text};

use super::*;

fn ask(parts: Vec<Part>) -> Request {
    Request {
        model: "small".into(),
        protocol: "openai-chat".into(),
        messages: vec![Message { role: Role::User, parts, extras: Vec::new() }],
        tools: Vec::new(),
        tool_choice: None,
        parallel_tool_calls: None,
        output: OutputFormat::Text,
        max_output_tokens: Some(9),
        temperature: None,
        top_p: None,
        stop: Vec::new(),
        seed: Some(1),
        reasoning_effort: None,
        reasoning_budget_tokens: None,
        stream: true,
        user: None,
        extras: Vec::new(),
    }
}

fn encode(request: Request) -> Result<Encoded, Fault> {
    let nothing_known = ModelFacts {
        context_tokens: None,
        output_tokens: None,
        reasoning: None,
        sampling: None,
        prefill: None,
        mid_system: None,
        attributes: Vec::new(),
    };
    Adapter::encode("{}".into(), "chat".into(), request, nothing_known)
}

/// What the pieces say, when each comes alone.
fn decode(pieces: &[&str]) -> Vec<Event> {
    let (mut memory, mut events) = (Vec::new(), Vec::new());
    for (number, piece) in pieces.iter().enumerate() {
        let frame = Frame { event: None, data: piece.as_bytes().to_vec() };
        let decoded = Adapter::decode("chat".into(), true, memory, vec![frame], number + 1 == pieces.len());
        events.extend(decoded.events);
        memory = decoded.memory;
    }
    events
}

fn failure(events: &[Event]) -> Option<FaultKind> {
    match events.last() {
        Some(Event::Failed(fault)) => Some(fault.kind),
        _ => None,
    }
}

#[test]
fn a_request_is_said_in_this_protocol() {
    let text = Part::Text(Text { text: "Hello".into(), extras: Vec::new() });
    let encoded = encode(ask(vec![text])).expect("it can be said");
    let body: Value = serde_json::from_slice(&encoded.body).expect("JSON");
    let turns = json!([{ "who": "user", "text": "Hello" }]);
    assert_eq!(body, json!({ "model": "small", "turns": turns, "stream": true, "limit": 9 }));
    assert_eq!((encoded.call.path.as_str(), encoded.dropped), ("/v1/say", vec!["seed".to_owned()]));
}

#[test]
fn what_cannot_be_said_is_refused_by_its_field() {
    let request = Request { stop: vec!["END".into()], ..ask(Vec::new()) };
    assert_eq!(encode(request).expect_err("refused").field.as_deref(), Some("stop"));
}

#[test]
fn pieces_become_events() {
    let events = decode(&[r#"{"text":"Hel"}"#, r#"{"text":"lo"}"#, r#"{"end":"length","tokens":{"in":3,"out":2}}"#]);
    assert!(matches!(&events[..3], [Event::Started(_), Event::TextDelta(_), Event::TextDelta(_)]), "{events:?}");
    let finished = Event::Finished(Finished { reason: Finish::Length, stop_sequence: None });
    assert_eq!((events.len(), events.last()), (6, Some(&finished)));
}

#[test]
fn a_reply_that_breaks_off_or_fails_is_no_good_reply() {
    assert_eq!(failure(&decode(&[r#"{"text":"Hel"}"#])), Some(FaultKind::Truncated));
    assert_eq!(failure(&decode(&["nonsense"])), Some(FaultKind::MalformedReply));
    assert_eq!(failure(&decode(&[r#"{"error":{"code":"busy","message":"later"}}"#])), Some(FaultKind::Overloaded));
}

#[test]
fn errors_have_kinds() {
    let kind = |status, body: &str| {
        Adapter::classify("chat".into(), ReplyHead { status, headers: Vec::new() }, body.as_bytes().to_vec()).kind
    };
    assert_eq!(kind(429, ""), FaultKind::RateLimited);
    assert_eq!(kind(500, r#"{"error":{"code":"busy","message":"later"}}"#), FaultKind::Overloaded);
    assert_eq!(kind(400, "<html>"), FaultKind::InvalidRequest);
}

#[test]
fn settings_are_refused_in_words() {
    assert!(Adapter::describe("5".into()).is_err_and(|text| text.contains("table")));
    assert!(Adapter::describe(r#"{"a": 1}"#.into()).is_err_and(|text| text.contains("`a`")));
}
