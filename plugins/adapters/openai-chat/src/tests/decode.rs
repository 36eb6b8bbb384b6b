//! Streams and replies as OpenAI itself sends them.

use super::*;
use pointsman_sdk::codec::FaultKind;

#[test]
fn text_streams_and_usage_comes_before_the_end() {
    let usage = json!({
        "prompt_tokens": 30, "completion_tokens": 7, "total_tokens": 37,
        "prompt_tokens_details": {"cached_tokens": 20, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 3, "audio_tokens": 0},
    });
    let frames = [
        chunk(json!({"role": "assistant", "content": "", "refusal": null}), None),
        chunk(json!({"content": "Grüße, "}), None),
        chunk(json!({"content": "\"world\"\n"}), None),
        chunk(json!({}), Some("stop")),
        frame(json!({"id": "chatcmpl-1", "created": 1_700_000_000, "model": "gpt-x", "choices": [], "usage": usage})),
        done(),
    ];
    let expected = [
        started(),
        said(0, "Grüße, "),
        said(0, "\"world\"\n"),
        Event::PartFinished(0),
        Event::Usage(Usage { input: 30, output: 7, cache_read: 20, cache_write: 0, reasoning: 3 }),
        finished(Finish::Stop),
    ];
    assert_eq!(decode_stream(&frames), expected);
    assert_eq!(decode_slowly(&frames), expected);
}

#[test]
fn a_tool_call_streams_after_text() {
    let frames = [
        chunk(json!({"role": "assistant", "content": "Let me see."}), None),
        call_piece(0, "call_a", "weather", ""),
        arguments(0, "{\"city\":"),
        arguments(0, "\"Bern\"}"),
        chunk(json!({}), Some("tool_calls")),
        done(),
    ];
    let expected = [
        started(),
        said(0, "Let me see."),
        Event::PartFinished(0),
        called(1, "call_a", "weather"),
        argued(1, "{\"city\":"),
        argued(1, "\"Bern\"}"),
        Event::PartFinished(1),
        finished(Finish::ToolCalls),
    ];
    assert_eq!(decode_stream(&frames), expected);
    assert_eq!(decode_slowly(&frames), expected);
}

#[test]
fn calls_one_after_another_stream_as_they_come() {
    let frames = [call_piece(0, "a", "f", "{\"s\":\"}\\\"\"}"), call_piece(1, "b", "g", ""), arguments(1, "{}")];
    let decoded = Codec::decode("chat".into(), true, Vec::new(), frames.to_vec(), false);
    let expected = [
        started(),
        called(0, "a", "f"),
        argued(0, "{\"s\":\"}\\\"\"}"),
        Event::PartFinished(0),
        called(1, "b", "g"),
        argued(1, "{}"),
    ];
    assert_eq!(decoded.events, expected);
}

/// Faults: F72
#[test]
fn interleaved_calls_are_put_in_a_row() {
    let frames = [
        call_piece(0, "a", "f", "{\"x\""),
        call_piece(1, "b", "g", "{\"y\""),
        chunk(json!({"content": "aside"}), None),
        arguments(0, ":1}"),
        arguments(1, ":2}"),
        chunk(json!({}), Some("tool_calls")),
        done(),
    ];
    let expected = [
        started(),
        called(0, "a", "f"),
        argued(0, "{\"x\""),
        argued(0, ":1}"),
        Event::PartFinished(0),
        called(1, "b", "g"),
        argued(1, "{\"y\""),
        argued(1, ":2}"),
        Event::PartFinished(1),
        said(2, "aside"),
        Event::PartFinished(2),
        finished(Finish::ToolCalls),
    ];
    assert_eq!(decode_stream(&frames), expected);
    assert_eq!(decode_slowly(&frames), expected);
}

#[test]
fn a_whole_reply_gives_the_same_events_as_a_stream() {
    let events = decode_whole(json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": "gpt-x",
        "choices": [{"index": 0, "finish_reason": "tool_calls", "logprobs": null, "message": {
            "role": "assistant", "content": "One moment.", "refusal": null, "annotations": [],
            "tool_calls": [{"id": "call_a", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}}],
        }}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
        "service_tier": "default",
    }));
    let expected = [
        started(),
        said(0, "One moment."),
        Event::PartFinished(0),
        called(1, "call_a", "f"),
        argued(1, "{\"x\":1}"),
        Event::PartFinished(1),
        Event::Usage(Usage { input: 5, output: 2, cache_read: 0, cache_write: 0, reasoning: 0 }),
        finished(Finish::ToolCalls),
    ];
    assert_eq!(events, expected);
}

#[test]
fn finish_reasons_are_told_apart() {
    let cases = [
        ("stop", Finish::Stop),
        ("length", Finish::Length),
        ("content_filter", Finish::ContentFilter),
        ("something_new", Finish::Stop),
    ];
    for (reason, expected) in cases {
        let events = decode_stream(&[chunk(json!({"content": "a"}), None), chunk(json!({}), Some(reason)), done()]);
        assert_eq!(events.last(), Some(&finished(expected)), "{reason}");
    }
}

#[test]
fn a_refusal_is_text_with_a_reason_of_its_own() {
    let frames =
        [chunk(json!({"refusal": "I can't "}), None), chunk(json!({"refusal": "help."}), Some("stop")), done()];
    let expected =
        [started(), said(0, "I can't "), said(0, "help."), Event::PartFinished(0), finished(Finish::Refusal)];
    assert_eq!(decode_stream(&frames), expected);
}

#[test]
fn a_stream_without_a_finish_reason_is_truncated() {
    let cut = decode_stream(&[chunk(json!({"content": "Once upon"}), None)]);
    assert_eq!(cut[..2], [started(), said(0, "Once upon")]);
    assert_eq!(failure(&cut).kind, FaultKind::Truncated);
    assert_eq!(failure(&decode_stream(&[])).kind, FaultKind::Truncated);
    let hollow = decode_stream(&[chunk(json!({"role": "assistant"}), None), done()]);
    assert_eq!(failure(&hollow).kind, FaultKind::Truncated);
    let in_a_call = decode_stream(&[call_piece(0, "a", "f", "{\"x\""), done()]);
    assert_eq!(failure(&in_a_call).kind, FaultKind::Truncated);
}

#[test]
fn a_stream_with_a_finish_reason_is_complete_without_done() {
    let events = decode_stream(&[chunk(json!({"content": "a"}), Some("stop"))]);
    assert_eq!(events.last(), Some(&finished(Finish::Stop)));
}

#[test]
fn an_error_in_the_stream_ends_it() {
    let error = json!({"error": {"message": "Slow down", "type": "server_error", "code": "overloaded"}});
    let events =
        decode_stream(&[chunk(json!({"content": "a"}), None), frame(error), chunk(json!({"content": "b"}), None)]);
    assert_eq!(events.len(), 3, "nothing comes after the failure: {events:?}");
    assert_eq!(failure(&events).kind, FaultKind::Overloaded);
    assert_eq!(failure(&events).message, "Slow down");
    // As the very first frame nothing has started, so that the host can fail over.
    let at_once = decode_stream(&[frame(json!({"error": {"message": "no", "code": 429}}))]);
    assert_eq!(at_once.len(), 1);
    assert_eq!(failure(&at_once).kind, FaultKind::RateLimited);
}

#[test]
fn nonsense_is_a_malformed_reply() {
    for data in ["<html>", "{\"choices\":", "\u{0}", "[]"] {
        assert_eq!(failure(&decode_stream(&[frame(data)])).kind, FaultKind::MalformedReply, "{data}");
    }
    assert_eq!(failure(&decode_whole(json!({"id": "x", "choices": []}))).kind, FaultKind::MalformedReply);
    let nameless = [arguments(0, "{}"), chunk(json!({}), Some("tool_calls")), done()];
    assert_eq!(failure(&decode_stream(&nameless)).kind, FaultKind::MalformedReply);
}

#[test]
fn nothing_comes_after_the_end() {
    let over = Codec::decode("chat".into(), true, Vec::new(), vec![chunk(json!({}), Some("stop")), done()], false);
    let late =
        Codec::decode("chat".into(), true, over.memory, vec![chunk(json!({"content": "x"}), None), done()], true);
    assert!(late.events.is_empty(), "{:?}", late.events);
}
