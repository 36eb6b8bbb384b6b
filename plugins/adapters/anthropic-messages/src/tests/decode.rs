//! Replies of the provider as events.

use super::*;

pub fn message_start() -> Value {
    json!({ "type": "message_start", "message": { "id": "msg_1", "type": "message", "role": "assistant",
        "model": "claude-x", "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": { "input_tokens": 10, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 100,
            "output_tokens": 1, "service_tier": "standard" } } })
}

pub fn block(index: u32, start: Value, deltas: &[Value]) -> Vec<Value> {
    let mut data = vec![json!({ "type": "content_block_start", "index": index, "content_block": start })];
    data.extend(deltas.iter().map(|delta| json!({ "type": "content_block_delta", "index": index, "delta": delta })));
    data.push(json!({ "type": "content_block_stop", "index": index }));
    data
}

pub fn end(reason: &str) -> Vec<Value> {
    let delta = json!({ "stop_reason": reason, "stop_sequence": null });
    vec![
        json!({ "type": "message_delta", "delta": delta, "usage": { "output_tokens": 42 } }),
        json!({ "type": "message_stop" }),
    ]
}

pub fn text_block(index: u32, pieces: &[&str]) -> Vec<Value> {
    let deltas: Vec<_> = pieces.iter().map(|piece| json!({ "type": "text_delta", "text": piece })).collect();
    block(index, json!({ "type": "text", "text": "" }), &deltas)
}

/// Thought, text, a block of a server tool, a call, and a call without arguments.
pub fn full_stream() -> Vec<Value> {
    let mut data = vec![message_start(), json!({ "type": "ping" })];
    data.extend(block(
        0,
        json!({ "type": "thinking", "thinking": "", "signature": "" }),
        &[
            json!({ "type": "thinking_delta", "thinking": "hm\n" }),
            json!({ "type": "signature_delta", "signature": "sig=" }),
        ],
    ));
    data.extend(text_block(1, &["Hé", "llo \"you\""]));
    data.extend(block(
        2,
        json!({ "type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {} }),
        &[json!({ "type": "input_json_delta", "partial_json": "{\"q\":1}" })],
    ));
    data.extend(block(
        3,
        json!({ "type": "tool_use", "id": "toolu_1", "name": "look", "input": {} }),
        &[
            json!({ "type": "input_json_delta", "partial_json": "" }),
            json!({ "type": "input_json_delta", "partial_json": "{\"x\":" }),
            json!({ "type": "input_json_delta", "partial_json": "1}" }),
        ],
    ));
    data.extend(block(4, json!({ "type": "tool_use", "id": "toolu_2", "name": "wait", "input": {} }), &[]));
    data.extend(end("tool_use"));
    data
}

pub fn usage(input: u64, output: u64) -> Usage {
    Usage { input, output, cache_read: 100, cache_write: 5, reasoning: 0 }
}

#[test]
fn a_full_stream() {
    let tool = |index, id: &str, name: &str| {
        Event::ToolCallStarted(ToolCallStarted { index, id: id.into(), name: name.into() })
    };
    let expected = vec![
        Event::Started(Started { id: "msg_1".into(), model: "claude-x".into(), created_unix_s: 0 }),
        Event::Usage(usage(115, 1)),
        Event::Ping,
        Event::ReasoningDelta(delta(0, "hm\n")),
        Event::ReasoningSignature(sealed_delta(0, "anthropic-messages", "sig=")),
        Event::PartFinished(0),
        Event::TextDelta(delta(1, "Hé")),
        Event::TextDelta(delta(1, "llo \"you\"")),
        Event::PartFinished(1),
        // A server tool: where it begins, and its piece.
        other_content(),
        other_content(),
        tool(2, "toolu_1", "look"),
        Event::ToolArgumentsDelta(delta(2, "{\"x\":")),
        Event::ToolArgumentsDelta(delta(2, "1}")),
        Event::PartFinished(2),
        tool(3, "toolu_2", "wait"),
        Event::PartFinished(3),
        Event::Usage(usage(115, 42)),
        finished(Finish::ToolCalls),
    ];
    assert_eq!(decode_stream(&full_stream()), expected);
}

#[test]
fn the_cut_between_calls_does_not_matter() {
    assert_eq!(decode_stepwise(&full_stream()), decode_stream(&full_stream()));
}

#[test]
fn every_early_end_is_told() {
    let data = full_stream();
    // Of the last event nothing is missed.
    for length in 0..data.len() - 1 {
        let events = decode_stepwise(&data[..length]);
        assert_eq!(failure(&events).kind, FaultKind::Truncated, "after {length} frames");
    }
}

#[test]
fn an_error_in_the_stream_ends_it() {
    let error = json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } });
    let events = decode_stepwise(&[error.clone(), message_start()]);
    assert_eq!(events.len(), 1, "nothing follows a failure: {events:?}");
    assert_eq!(failure(&events).kind, FaultKind::Overloaded);

    let mut data = vec![message_start()];
    data.extend(text_block(0, &["a"]));
    data.push(error);
    let events = decode_stream(&data);
    assert!(events.contains(&Event::TextDelta(delta(0, "a"))), "what came before is kept");
    assert_eq!(failure(&events).provider_code.as_deref(), Some("overloaded_error"));
    let odd = decode_stream(&[json!({ "type": "error", "error": "boom" })]);
    assert_eq!(failure(&odd).kind, FaultKind::ServerError);
}

#[test]
fn what_nobody_knows_is_passed_over() {
    let mut data = vec![message_start(), json!({ "type": "novelty", "delta": 5, "index": "x", "message": [] })];
    data.extend(block(0, json!({ "type": "novel_block", "text": { "a": 1 } }), &[json!({ "type": "x", "text": 7 })]));
    data.extend(block(
        1,
        json!({ "type": "text", "text": "", "citations": [] }),
        &[
            json!({ "type": "citations_delta", "citation": { "text": "c" }, "text": [1] }),
            json!({ "type": "text_delta", "text": "ok" }),
        ],
    ));
    data.extend(end("novel_reason"));
    let events = decode_stream(&data);
    let words = [other_content(), other_content(), Event::TextDelta(delta(0, "ok")), Event::PartFinished(0)];
    assert_eq!(events[2..6], words);
    assert_eq!(events.last(), Some(&finished(Finish::Stop)));
}

#[test]
fn nonsense_is_malformed() {
    let frame = |data: &[u8]| vec![Frame { event: Some("message_start".into()), data: data.to_vec() }];
    for data in [&b"{\"type\":"[..], b"[DONE]", b"\xff", b"{\"type\":\"content_block_stop\",\"index\":0}"] {
        let events = Codec::decode("chat".into(), true, Vec::new(), frame(data), false).events;
        assert_eq!(failure(&events).kind, FaultKind::MalformedReply);
    }
    let bad_delta = json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": 7 } });
    let mut data = vec![message_start()];
    data.extend(text_block(0, &["a"]));
    data.insert(2, bad_delta);
    assert_eq!(failure(&decode_stream(&data)).kind, FaultKind::MalformedReply);
}

#[test]
fn the_event_line_counts_where_the_data_does_not_say() {
    let frame = Frame { event: Some("ping".into()), data: b"{}".to_vec() };
    assert_eq!(Codec::decode("chat".into(), true, Vec::new(), vec![frame], false).events, [Event::Ping]);
}

#[test]
fn arguments_that_come_whole_at_the_start() {
    let start = json!({ "type": "tool_use", "id": "t", "name": "look", "input": { "x": 1 } });
    let arguments = |deltas: &[Value]| -> String {
        let mut data = vec![message_start()];
        data.extend(block(0, start.clone(), deltas));
        data.extend(end("tool_use"));
        let events = decode_stepwise(&data);
        let pieces = events.into_iter().filter_map(|event| match event {
            Event::ToolArgumentsDelta(delta) => Some(delta.text),
            _ => None,
        });
        pieces.collect()
    };
    assert_eq!(arguments(&[]), r#"{"x":1}"#);
    assert_eq!(arguments(&[json!({ "type": "input_json_delta", "partial_json": "{\"x\":2}" })]), r#"{"x":2}"#);
}

#[test]
fn reasons_to_stop() {
    let reasons = [
        ("end_turn", Finish::Stop),
        ("max_tokens", Finish::Length),
        ("model_context_window_exceeded", Finish::Length),
        ("stop_sequence", Finish::StopSequence),
        ("tool_use", Finish::ToolCalls),
        ("pause_turn", Finish::Pause),
        ("refusal", Finish::Refusal),
    ];
    for (reason, expected) in reasons {
        let mut data = vec![message_start()];
        data.extend(end(reason));
        assert_eq!(decode_stream(&data).last(), Some(&finished(expected)));
        let whole = json!({ "type": "message", "content": [], "stop_reason": reason });
        assert_eq!(decode_whole(whole).last(), Some(&finished(expected)));
    }
    let sequence = json!({ "type": "message", "content": [], "stop_reason": "stop_sequence", "stop_sequence": "END" });
    let reason = Finished { reason: Finish::StopSequence, stop_sequence: Some("END".into()) };
    assert_eq!(decode_whole(sequence).last(), Some(&Event::Finished(reason)));
}

/// Some servers leave the last event out.
#[test]
fn a_reply_that_told_why_it_stopped_is_complete() {
    let message_delta = json!({ "type": "message_delta", "delta": { "stop_reason": "max_tokens" } });
    assert_eq!(decode_stream(&[message_start(), message_delta]).last(), Some(&finished(Finish::Length)));
    let silent = json!({ "type": "message_delta", "delta": {} });
    assert_eq!(failure(&decode_stream(&[message_start(), silent])).kind, FaultKind::Truncated);
}

#[test]
fn late_zeros_do_not_wipe_out_counts() {
    let late = json!({ "input_tokens": 0, "cache_read_input_tokens": null, "output_tokens": 3,
        "output_tokens_details": { "thinking_tokens": 2 } });
    let message_delta = json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": late });
    let events = decode_stepwise(&[message_start(), message_delta, json!({ "type": "message_stop" })]);
    assert!(events.contains(&Event::Usage(Usage { reasoning: 2, ..usage(115, 3) })), "{events:?}");
}

#[test]
fn a_whole_reply() {
    let events = decode_whole(json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x",
        "content": [
            { "type": "redacted_thinking", "data": "xyz" },
            { "type": "web_search_tool_result", "tool_use_id": "s", "content": [], "text": 5 },
            { "type": "text", "text": "hi" },
            { "type": "tool_use", "id": "t", "name": "look", "input": { "x": [1.50, "é"] } },
            { "type": "tool_use", "id": "u", "name": "wait", "input": {} },
        ],
        "stop_reason": "tool_use", "usage": { "input_tokens": 10, "output_tokens": 42, "odd": "x" } }));
    let tool = |index, id: &str, name: &str| {
        Event::ToolCallStarted(ToolCallStarted { index, id: id.into(), name: name.into() })
    };
    let expected = vec![
        Event::Started(Started { id: "msg_1".into(), model: "claude-x".into(), created_unix_s: 0 }),
        Event::RedactedReasoning(sealed_delta(0, "anthropic-messages", "xyz")),
        Event::PartFinished(0),
        other_content(),
        Event::TextDelta(delta(1, "hi")),
        Event::PartFinished(1),
        tool(2, "t", "look"),
        Event::ToolArgumentsDelta(delta(2, r#"{"x":[1.5,"é"]}"#)),
        Event::PartFinished(2),
        tool(3, "u", "wait"),
        Event::PartFinished(3),
        Event::Usage(Usage { input: 10, output: 42, cache_read: 0, cache_write: 0, reasoning: 0 }),
        finished(Finish::ToolCalls),
    ];
    assert_eq!(events, expected);
}

#[test]
fn a_whole_reply_that_fails() {
    let error = json!({ "type": "error", "error": { "type": "api_error", "message": "oh" } });
    assert_eq!(failure(&decode_whole(error)).kind, FaultKind::ServerError);
    for odd in [json!({ "ok": true }), json!([]), json!("hi"), json!({ "content": "text" })] {
        assert_eq!(failure(&decode_whole(odd)).kind, FaultKind::MalformedReply);
    }
    let nothing = Codec::decode("chat".into(), false, Vec::new(), Vec::new(), true).events;
    assert_eq!(failure(&nothing).kind, FaultKind::Truncated);
}
