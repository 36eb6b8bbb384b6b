//! Counting tokens: the same request, another question.

use super::*;

const COUNT: &str = "count-tokens";

fn decode_count(body: Value) -> Vec<Event> {
    let frame = Frame { event: None, data: body.to_string().into_bytes() };
    Codec::decode(COUNT.into(), false, Vec::new(), vec![frame], true).events
}

#[test]
fn both_endpoints_are_described() {
    let endpoints = <Codec as ClientProtocol>::describe().endpoints;
    let paths: Vec<_> = endpoints.iter().map(|endpoint| (&*endpoint.path, &*endpoint.operation)).collect();
    assert_eq!(paths, [("/v1/messages", "chat"), ("/v1/messages/count_tokens", COUNT)]);
    use pointsman_sdk::codec::client_protocol::Streaming;
    assert!(matches!(&endpoints[0].stream, Streaming::Field(name) if name == "stream"));
    assert!(matches!(endpoints[1].stream, Streaming::Never));
}

#[test]
fn a_count_needs_no_limit_and_sends_none() {
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }], "system": "brief",
        "tools": [{ "name": "look", "input_schema": { "type": "object" } }], "tool_choice": { "type": "any" },
        "thinking": { "type": "enabled", "budget_tokens": 2048 }, "context_management": { "edits": [] } });
    let request = Codec::read(COUNT.into(), vec![], body.to_string().into_bytes()).unwrap().request;
    assert_eq!(request.max_output_tokens, None);
    let request = Request {
        temperature: Some(0.5),
        stop: vec!["x".into()],
        user: Some("u".into()),
        tool_choice: None,
        ..request
    };
    let encoded = Codec::encode("{}".into(), COUNT.into(), request, no_facts()).unwrap();
    assert_eq!(encoded.call.path, "/v1/messages/count_tokens");
    let (sent, _) = parsed(encoded);
    let names: Vec<_> = sent.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["model", "system", "messages", "tools", "thinking", "context_management"]);
    assert_eq!(sent["thinking"]["budget_tokens"], 2048);
    let fault = Codec::read("chat".into(), vec![], body.to_string().into_bytes()).unwrap_err();
    assert_eq!(fault.field.as_deref(), Some("max_tokens"));
}

#[test]
fn the_reply_is_a_number() {
    let usage = Usage { input: 42, output: 0, cache_read: 0, cache_write: 0, reasoning: 0 };
    let expected = [Event::Usage(usage), finished(Finish::Stop)];
    assert_eq!(decode_count(json!({ "input_tokens": 42 })), expected);
    assert_eq!(decode_count(json!({ "inputTokens": 42 })), expected, "as Bedrock says it");
    assert_eq!(failure(&decode_count(json!({}))).kind, FaultKind::MalformedReply);
    assert_eq!(failure(&decode_count(json!([]))).kind, FaultKind::MalformedReply);
    let error = json!({ "type": "error", "error": { "type": "overloaded_error", "message": "busy" } });
    assert_eq!(failure(&decode_count(error)).kind, FaultKind::Overloaded);
    let nothing = Codec::decode(COUNT.into(), false, Vec::new(), Vec::new(), true).events;
    assert_eq!(failure(&nothing).kind, FaultKind::Truncated);
}

#[test]
fn the_caller_gets_the_number() {
    let usage = Usage { input: 42, output: 0, cache_read: 40, cache_write: 0, reasoning: 0 };
    let first = Codec::write(COUNT.into(), false, Vec::new(), vec![Event::Usage(usage)], false);
    assert!(first.bytes.is_empty());
    let last = Codec::write(COUNT.into(), false, first.memory, vec![finished(Finish::Stop)], true);
    assert_eq!(String::from_utf8(last.bytes).unwrap(), r#"{"input_tokens":42}"#);
    let failed = vec![Event::Failed(pointsman_sdk::codec::fault(FaultKind::Overloaded, "busy"))];
    assert!(Codec::write(COUNT.into(), false, Vec::new(), failed, true).bytes.is_empty());
}
