//! Events as a reply to the caller.

use super::*;
use pointsman_sdk::codec::{fault, fault_at};

fn usage() -> Event {
    Event::Usage(Usage { input: 100, output: 7, cache_read: 60, cache_write: 10, reasoning: 0 })
}

fn wire_usage() -> Value {
    json!({ "input_tokens": 30, "cache_creation_input_tokens": 10, "cache_read_input_tokens": 60, "output_tokens": 7 })
}

fn tool_started(index: u32, id: &str) -> Event {
    Event::ToolCallStarted(ToolCallStarted { index, id: id.into(), name: "look".into() })
}

fn write_whole(events: Vec<Event>) -> Value {
    serde_json::from_slice(&Codec::write("chat".into(), false, Vec::new(), events, true).bytes).unwrap()
}

/// The memory after `read` of a request, with `thinking` as given.
fn memory(thinking: Value) -> Vec<u8> {
    let body = body_with(json!({ "thinking": thinking })).to_string().into_bytes();
    Codec::read("chat".into(), vec![], body).unwrap().memory
}

/// A thought without signature, text, a call, a call without arguments.
fn conversation() -> Vec<Event> {
    vec![
        started(),
        usage(),
        Event::ReasoningDelta(delta(0, "hm")),
        Event::PartFinished(0),
        Event::TextDelta(delta(1, "")),
        Event::TextDelta(delta(1, "hel")),
        Event::TextDelta(delta(1, "lo")),
        Event::PartFinished(1),
        tool_started(2, "call.1"),
        Event::ToolArgumentsDelta(delta(2, "{\"x\":")),
        Event::ToolArgumentsDelta(delta(2, "1}")),
        Event::PartFinished(2),
        tool_started(3, "call_2"),
        Event::PartFinished(3),
        finished(Finish::Stop),
    ]
}

#[test]
fn the_exact_order_of_a_stream() {
    let sent = write_stream(Vec::new(), conversation());
    let block = |index: u32, start: Value, deltas: &[Value]| super::decode::block(index, start, deltas);
    let id = crate::ids::legal("call.1");
    let mut expected = vec![json!({ "type": "message_start", "message": {
        "id": "msg_chatcmpl-1", "type": "message", "role": "assistant", "model": "gpt", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": wire_usage() } })];
    expected.extend(block(
        0,
        json!({ "type": "thinking", "thinking": "", "signature": "" }),
        &[
            json!({ "type": "thinking_delta", "thinking": "hm" }),
            json!({ "type": "signature_delta", "signature": crate::write::UNSIGNED }),
        ],
    ));
    expected.extend(super::decode::text_block(1, &["hel", "lo"]));
    expected.extend(block(
        2,
        json!({ "type": "tool_use", "id": id, "name": "look", "input": {} }),
        &[
            json!({ "type": "input_json_delta", "partial_json": "{\"x\":" }),
            json!({ "type": "input_json_delta", "partial_json": "1}" }),
        ],
    ));
    expected.extend(block(
        3,
        json!({ "type": "tool_use", "id": "call_2", "name": "look", "input": {} }),
        &[json!({ "type": "input_json_delta", "partial_json": "{}" })],
    ));
    let delta = json!({ "stop_reason": "tool_use", "stop_sequence": null });
    expected.push(json!({ "type": "message_delta", "delta": delta, "usage": wire_usage() }));
    expected.push(json!({ "type": "message_stop" }));
    let data: Vec<_> = sent.iter().map(|(_, data)| data.clone()).collect();
    assert_eq!(data, expected);
    for (name, data) in sent {
        assert_eq!(data["type"], name);
    }
}

#[test]
fn the_cut_between_calls_does_not_matter() {
    for stream in [true, false] {
        let mut bytes = Vec::new();
        let mut memory = Vec::new();
        for event in conversation() {
            let written = Codec::write("chat".into(), stream, memory, vec![event], false);
            bytes.extend(written.bytes);
            memory = written.memory;
        }
        bytes.extend(Codec::write("chat".into(), stream, memory, Vec::new(), true).bytes);
        if stream {
            let content = |sent: Vec<(String, Value)>| sent.into_iter().skip(1).collect::<Vec<_>>();
            // The start differs: usage was not yet known when it was sent.
            assert_eq!(content(parse_stream(&bytes)), content(write_stream(Vec::new(), conversation())));
        } else {
            assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), write_whole(conversation()));
        }
    }
}

#[test]
fn a_whole_reply() {
    let content = json!([
        { "type": "thinking", "thinking": "hm", "signature": crate::write::UNSIGNED },
        { "type": "text", "text": "hello" },
        { "type": "tool_use", "id": crate::ids::legal("call.1"), "name": "look", "input": { "x": 1 } },
        { "type": "tool_use", "id": "call_2", "name": "look", "input": {} },
    ]);
    let expected = json!({ "id": "msg_chatcmpl-1", "type": "message", "role": "assistant", "model": "gpt",
        "content": content, "stop_reason": "tool_use", "stop_sequence": null, "usage": wire_usage() });
    assert_eq!(write_whole(conversation()), expected);
}

#[test]
fn callers_who_did_not_ask_see_no_thinking() {
    let hidden = memory(json!({ "type": "disabled" }));
    let events = vec![started(), Event::ReasoningDelta(delta(0, "a")), Event::ReasoningDelta(delta(0, "b"))];
    let first = Codec::write("chat".into(), true, hidden, events, false);
    let names: Vec<_> = parse_stream(&first.bytes).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["message_start", "ping"], "one ping for the whole thought");
    let events = vec![Event::PartFinished(0), Event::TextDelta(delta(1, "hi")), finished(Finish::Stop)];
    let sent = write_stream(first.memory, events);
    assert_eq!(sent[0].1["index"], 0, "blocks are counted without gaps");

    let whole = Codec::write("chat".into(), false, memory(Value::Null), conversation(), true).bytes;
    assert_eq!(serde_json::from_slice::<Value>(&whole).unwrap()["content"][0]["type"], "text");
    let shown = write_stream(memory(json!({ "type": "adaptive" })), conversation());
    assert_eq!(shown[1].1["content_block"]["type"], "thinking");
    let omitted = write_stream(memory(json!({ "type": "adaptive", "display": "omitted" })), conversation());
    assert!(omitted.iter().all(|(_, data)| data["content_block"]["type"] != "thinking"));
}

#[test]
fn a_failure_is_the_last_word() {
    let failed = || Event::Failed(fault(FaultKind::Overloaded, "busy"));
    let error = json!({ "type": "error", "error": { "type": "overloaded_error", "message": "busy" } });
    let alone = write_stream(Vec::new(), vec![failed()]);
    assert_eq!(alone, [("error".to_owned(), error.clone())], "also with empty memory");

    let events = vec![started(), Event::TextDelta(delta(0, "a")), failed(), finished(Finish::Stop)];
    let written = Codec::write("chat".into(), true, Vec::new(), events, false);
    let sent = parse_stream(&written.bytes);
    assert_eq!(sent.last().unwrap().1, error);
    let after = Codec::write("chat".into(), true, written.memory, vec![finished(Finish::Stop)], true);
    assert!(after.bytes.is_empty());
}

#[test]
fn a_stream_never_just_stops() {
    let sent = write_stream(Vec::new(), vec![started(), Event::TextDelta(delta(0, "a"))]);
    assert_eq!(sent.last().unwrap().0, "error");
}

#[test]
fn a_failed_whole_reply_has_no_bytes() {
    let events = vec![started(), Event::Failed(fault_at(FaultKind::InvalidRequest, "x", "y"))];
    assert!(Codec::write("chat".into(), false, Vec::new(), events, true).bytes.is_empty());
}

#[test]
fn parts_that_nobody_closed_do_not_overlap() {
    let events = vec![
        started(),
        Event::TextDelta(delta(0, "a")),
        tool_started(5, "c"),
        Event::ToolArgumentsDelta(delta(0, "lost")),
        Event::Ping,
        finished(Finish::ToolCalls),
    ];
    let names: Vec<_> = write_stream(Vec::new(), events)
        .into_iter()
        .map(|(name, data)| data["index"].as_u64().map_or(name.clone(), |index| format!("{name} {index}")))
        .collect();
    let expected = [
        "message_start",
        "content_block_start 0",
        "content_block_delta 0",
        "content_block_stop 0",
        "content_block_start 1",
        "ping",
        "content_block_delta 1",
        "content_block_stop 1",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(names, expected);
}

#[test]
fn reasons_to_stop() {
    let reasons = [
        (Finish::Stop, "end_turn"),
        (Finish::ToolCalls, "end_turn"),
        (Finish::Length, "max_tokens"),
        (Finish::StopSequence, "stop_sequence"),
        (Finish::ContentFilter, "refusal"),
        (Finish::Refusal, "refusal"),
        (Finish::Pause, "pause_turn"),
    ];
    for (reason, expected) in reasons {
        let reply = write_whole(vec![started(), Event::TextDelta(delta(0, "a")), finished(reason)]);
        assert_eq!(reply["stop_reason"], expected);
    }
}
