use super::*;
use pointsman_sdk::codec::{FaultKind, fault, fault_at};

fn write(stream: bool, memory: Vec<u8>, events: Vec<Event>) -> Vec<u8> {
    <Codec as ClientProtocol>::write("chat".into(), stream, memory, events, true).bytes
}

/// What reading a request leaves behind that asked for usage.
fn with_usage() -> Vec<u8> {
    let body = json!({
        "model": "m", "messages": [{"role": "user", "content": "Hello"}],
        "stream": true, "stream_options": {"include_usage": true},
    });
    let reading = <Codec as ClientProtocol>::read("chat".into(), vec![], body.to_string().into_bytes());
    reading.expect("a good request").memory
}

fn chunk_of(delta: Value, finish_reason: Value) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "gpt-x",
        "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason}],
    })
}

fn usage() -> Event {
    Event::Usage(Usage { input: 30, output: 7, cache_read: 20, cache_write: 5, reasoning: 3 })
}

fn usage_json() -> Value {
    json!({
        "prompt_tokens": 30, "completion_tokens": 7, "total_tokens": 37,
        "prompt_tokens_details": {"cached_tokens": 20}, "completion_tokens_details": {"reasoning_tokens": 3},
    })
}

#[test]
fn a_stream_of_everything() {
    let events = vec![
        started(),
        Event::Ping,
        thought(0, "Hm"),
        Event::ReasoningSignature(SealedDelta {
            index: 0,
            sealed: Sealed { maker: "anthropic-messages".into(), data: "sig".into() },
        }),
        Event::PartFinished(0),
        said(1, "Hi \"you\""),
        Event::PartFinished(1),
        called(2, "a", "f"),
        argued(2, "{\"x\""),
        argued(2, ":1}"),
        Event::PartFinished(2),
        called(3, "b", "g"),
        argued(3, ""),
        Event::PartFinished(3),
        usage(),
        finished(Finish::ToolCalls),
    ];
    let begin = |index: u32, id: &str, name: &str| {
        let function = json!({"name": name, "arguments": ""});
        json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": function}]})
    };
    let piece = |index: u32, text: &str| json!({"tool_calls": [{"index": index, "function": {"arguments": text}}]});
    let null = Value::Null;
    let expected = vec![
        chunk_of(json!({"role": "assistant", "content": ""}), null.clone()),
        json!(": ping"),
        chunk_of(json!({"reasoning_content": "Hm"}), null.clone()),
        chunk_of(json!({"content": "Hi \"you\""}), null.clone()),
        chunk_of(begin(0, "a", "f"), null.clone()),
        chunk_of(piece(0, "{\"x\""), null.clone()),
        chunk_of(piece(0, ":1}"), null.clone()),
        chunk_of(begin(1, "b", "g"), null.clone()),
        chunk_of(piece(1, "{}"), null.clone()),
        chunk_of(json!({}), json!("tool_calls")),
        json!("[DONE]"),
    ];
    assert_eq!(written(&write(true, Vec::new(), events)), expected);
}

#[test]
fn usage_is_told_only_where_it_was_asked_for() {
    let events = || vec![started(), said(0, "a"), Event::PartFinished(0), usage(), finished(Finish::Stop)];
    let chunks = written(&write(true, with_usage(), events()));
    assert_eq!(chunks.len(), 5);
    assert!(chunks[..3].iter().all(|chunk| chunk.get("usage") == Some(&Value::Null)), "{chunks:?}");
    assert_eq!((&chunks[3]["choices"], &chunks[3]["usage"]), (&json!([]), &usage_json()));
    assert_eq!(chunks[3]["id"], "chatcmpl-1");
    let silent = written(&write(true, Vec::new(), events()));
    assert!(silent.iter().all(|chunk| chunk.get("usage").is_none()), "{silent:?}");
}

#[test]
fn a_stream_written_event_by_event_is_the_same() {
    let events = [started(), called(0, "a", "f"), Event::PartFinished(0), usage(), finished(Finish::ToolCalls)];
    let at_once = write(true, with_usage(), events.to_vec());
    let (mut memory, mut bytes) = (with_usage(), Vec::new());
    for event in events {
        let written = <Codec as ClientProtocol>::write("chat".into(), true, memory, vec![event], false);
        (memory, bytes) = (written.memory, [bytes, written.bytes].concat());
    }
    bytes.extend(write(true, memory, Vec::new()));
    assert_eq!(String::from_utf8(bytes).unwrap(), String::from_utf8(at_once).unwrap());
}

#[test]
fn a_whole_reply_is_one_object() {
    let events = vec![
        Event::Started(Started { id: "msg_1".into(), model: "claude".into(), created_unix_s: 0 }),
        thought(0, "Hm"),
        Event::PartFinished(0),
        said(1, "Hello "),
        said(1, "you"),
        Event::PartFinished(1),
        called(2, "a", "f"),
        Event::PartFinished(2),
        usage(),
        finished(Finish::ToolCalls),
    ];
    let body: Value = serde_json::from_slice(&write(false, Vec::new(), events)).unwrap();
    let calls = json!([{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    let message = json!({
        "role": "assistant", "content": "Hello you", "refusal": null, "reasoning_content": "Hm", "tool_calls": calls,
    });
    let expected = json!({
        "id": "chatcmpl-msg_1", "object": "chat.completion", "created": 0, "model": "claude",
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": "tool_calls"}],
        "usage": usage_json(),
    });
    assert_eq!(body, expected);
}

#[test]
fn content_is_null_only_beside_calls() {
    let content = |events: Vec<Event>| {
        let body: Value = serde_json::from_slice(&write(false, Vec::new(), events)).unwrap();
        body["choices"][0]["message"]["content"].clone()
    };
    assert_eq!(
        content(vec![started(), called(0, "a", "f"), Event::PartFinished(0), finished(Finish::ToolCalls)]),
        Value::Null
    );
    assert_eq!(content(vec![started(), finished(Finish::Stop)]), "");
}

#[test]
fn finish_reasons_are_openais() {
    let cases = [
        (Finish::Stop, "stop"),
        (Finish::StopSequence, "stop"),
        (Finish::Length, "length"),
        (Finish::ToolCalls, "tool_calls"),
        (Finish::ContentFilter, "content_filter"),
        (Finish::Refusal, "content_filter"),
        (Finish::Pause, "length"),
    ];
    for (reason, word) in cases {
        let chunks = written(&write(true, Vec::new(), vec![started(), finished(reason)]));
        assert_eq!(chunks[1]["choices"][0]["finish_reason"], word);
    }
}

#[test]
fn a_failure_ends_the_stream_without_done() {
    let failed = || Event::Failed(fault(FaultKind::Overloaded, "Too busy"));
    let error = json!({"error": {"message": "Too busy", "type": "server_error", "param": null, "code": "overloaded"}});
    // With no memory: the bytes before it may have been the provider's own.
    assert_eq!(written(&write(true, Vec::new(), vec![failed()])), std::slice::from_ref(&error));
    let late = vec![started(), said(0, "a"), failed(), said(0, "b"), finished(Finish::Stop)];
    assert_eq!(written(&write(true, Vec::new(), late)).last(), Some(&error));
    let cut = written(&write(true, Vec::new(), vec![started(), said(0, "a")]));
    assert_eq!(cut.last().unwrap()["error"]["code"], "truncated");
}

#[test]
fn refusals_speak_openais_language() {
    let cases = [
        (FaultKind::Overloaded, 503, "server_error", "overloaded"),
        (FaultKind::Unavailable, 503, "server_error", "unavailable"),
        (FaultKind::Connection, 503, "server_error", "connection"),
        (FaultKind::MalformedReply, 502, "server_error", "malformed-reply"),
        (FaultKind::AdapterFailed, 502, "server_error", "adapter-failed"),
        (FaultKind::TimedOut, 504, "server_error", "timed-out"),
        (FaultKind::RateLimited, 429, "requests", "rate_limit_exceeded"),
        (FaultKind::QuotaExhausted, 429, "insufficient_quota", "insufficient_quota"),
        (FaultKind::Authentication, 401, "invalid_request_error", "invalid_api_key"),
        (FaultKind::Permission, 403, "invalid_request_error", "permission_denied"),
        (FaultKind::ModelNotFound, 404, "invalid_request_error", "model_not_found"),
        (FaultKind::TooLarge, 413, "invalid_request_error", "request_too_large"),
        (FaultKind::ContextTooLong, 400, "invalid_request_error", "context_length_exceeded"),
        (FaultKind::Unsupported, 400, "invalid_request_error", "unsupported_parameter"),
    ];
    for (kind, status, error_type, code) in cases {
        let reply = <Codec as ClientProtocol>::refuse("chat".into(), fault_at(kind, "messages[0].role", "words"));
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        let error = json!({"message": "words", "type": error_type, "param": "messages[0].role", "code": code});
        assert_eq!((reply.status, body), (status, json!({"error": error})), "{kind:?}");
    }
    let reply = <Codec as ClientProtocol>::refuse("chat".into(), fault(FaultKind::InvalidRequest, "words"));
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((reply.status, &body["error"]["code"], &body["error"]["param"]), (400, &Value::Null, &Value::Null));
}
