//! Replies of Bedrock as events.

use super::*;

pub fn delta_of(index: u32, delta: Value) -> Frame {
    frame("contentBlockDelta", json!({ "contentBlockIndex": index, "delta": delta, "p": "abcd" }))
}

pub fn text_of(index: u32, text: &str) -> Frame {
    delta_of(index, json!({ "text": text }))
}

pub fn call_of(index: u32, id: &str, name: &str) -> Frame {
    let start = json!({ "toolUse": { "toolUseId": id, "name": name } });
    frame("contentBlockStart", json!({ "contentBlockIndex": index, "start": start }))
}

fn stop_of(index: u32) -> Frame {
    frame("contentBlockStop", json!({ "contentBlockIndex": index }))
}

pub fn begin() -> Frame {
    frame("messageStart", json!({ "role": "assistant", "p": "ab" }))
}

pub fn end(reason: &str) -> Vec<Frame> {
    let usage = json!({ "inputTokens": 10, "outputTokens": 7, "totalTokens": 122, "cacheReadInputTokens": 100,
        "cacheWriteInputTokens": 5 });
    vec![
        frame("messageStop", json!({ "stopReason": reason })),
        frame("metadata", json!({ "usage": usage, "metrics": { "latencyMs": 9 } })),
    ]
}

/// Thoughts, hidden thoughts, text, a call that Bedrock made itself, a call in pieces and one without arguments.
pub fn full_stream() -> Vec<Frame> {
    let own = json!({ "toolUse": { "toolUseId": "s1", "name": "search", "type": "server_tool_use" } });
    let mut frames = vec![
        begin(),
        delta_of(0, json!({ "reasoningContent": { "text": "hm" } })),
        delta_of(0, json!({ "reasoningContent": { "text": "!" } })),
        delta_of(0, json!({ "reasoningContent": { "signature": "si" } })),
        delta_of(0, json!({ "reasoningContent": { "signature": "g=" } })),
        stop_of(0),
        delta_of(1, json!({ "reasoningContent": { "redactedContent": "AQID" } })),
        stop_of(1),
        text_of(2, ""),
        text_of(2, "Hé"),
        text_of(2, "llo"),
        stop_of(2),
        frame("contentBlockStart", json!({ "contentBlockIndex": 3, "start": own })),
        delta_of(3, json!({ "toolUse": { "input": "{\"q\":1}" } })),
        stop_of(3),
        call_of(4, "tooluse_1", "look"),
        delta_of(4, json!({ "toolUse": { "input": "" } })),
        delta_of(4, json!({ "toolUse": { "input": "{\"x\":" } })),
        delta_of(4, json!({ "toolUse": { "input": "1}" } })),
        stop_of(4),
        call_of(5, "tooluse_2", "wait"),
        delta_of(5, json!({ "toolUse": { "input": "" } })),
        stop_of(5),
    ];
    frames.extend(end("tool_use"));
    frames
}

fn whole() -> Value {
    json!({
        "output": { "message": { "role": "assistant", "content": [
            { "reasoningContent": { "reasoningText": { "text": "hm!", "signature": "sig=" } } },
            { "reasoningContent": { "redactedContent": "AQID" } },
            { "text": "Héllo" },
            { "toolUse": { "toolUseId": "s1", "name": "search", "type": "server_tool_use", "input": { "q": 1 } } },
            { "toolUse": { "toolUseId": "tooluse_1", "name": "look", "input": {"x":1} } },
            { "toolUse": { "toolUseId": "tooluse_2", "name": "wait", "input": {} } },
        ] } },
        "stopReason": "tool_use",
        "usage": { "inputTokens": 10, "outputTokens": 7, "totalTokens": 122, "cacheReadInputTokens": 100,
            "cacheWriteInputTokens": 5 },
        "metrics": { "latencyMs": 9 },
    })
}

fn delta(index: u32, text: &str) -> Delta {
    Delta { index, text: text.into() }
}

fn finished(reason: Finish) -> Event {
    Event::Finished(Finished { reason, stop_sequence: None })
}

fn started() -> Event {
    Event::Started(Started { id: String::new(), model: String::new(), created_unix_s: 0 })
}

fn expected(texts: [&[&str]; 3]) -> Vec<Event> {
    let sealed = |index, data: &str| SealedDelta {
        index,
        sealed: Sealed { maker: "anthropic-messages".into(), data: data.into() },
    };
    let begun = |index, id: &str, name: &str| {
        Event::ToolCallStarted(ToolCallStarted { index, id: id.into(), name: name.into() })
    };
    let pieces = |event: fn(Delta) -> Event, index, texts: &[&str]| -> Vec<Event> {
        texts.iter().map(|text| event(delta(index, text))).collect()
    };
    let mut events = vec![started()];
    events.extend(pieces(Event::ReasoningDelta, 0, texts[0]));
    events.extend([Event::ReasoningSignature(sealed(0, "sig=")), Event::PartFinished(0)]);
    events.extend([Event::RedactedReasoning(sealed(1, "AQID")), Event::PartFinished(1)]);
    events.extend(pieces(Event::TextDelta, 2, texts[1]));
    events.extend([Event::PartFinished(2), begun(3, "tooluse_1", "look")]);
    events.extend(pieces(Event::ToolArgumentsDelta, 3, texts[2]));
    events.extend([Event::PartFinished(3), begun(4, "tooluse_2", "wait")]);
    events.extend([Event::ToolArgumentsDelta(delta(4, "{}")), Event::PartFinished(4)]);
    events.push(Event::Usage(Usage { input: 115, output: 7, cache_read: 100, cache_write: 5, reasoning: 0 }));
    events.push(finished(Finish::ToolCalls));
    events
}

#[test]
fn a_stream_with_everything() {
    assert_eq!(decode_stream(&full_stream()), expected([&["hm", "!"], &["Hé", "llo"], &[r#"{"x":"#, "1}"]]));
}

#[test]
fn a_whole_reply_says_the_same() {
    let events = decode_whole("chat", &whole().to_string());
    assert_eq!(events, expected([&["hm!"], &["Héllo"], &[r#"{"x":1}"#]]));
}

#[test]
fn it_does_not_matter_where_the_stream_is_cut() {
    let frames = full_stream();
    let expected = decode_stream(&frames);
    for cut in 0..=frames.len() {
        assert_eq!(decode_cut(&frames, cut), expected, "cut before frame {cut}");
    }
}

#[test]
fn the_end_waits_for_the_counts() {
    let frames = [vec![begin(), text_of(0, "a")], end("end_turn")].concat();
    let without = Adapter::decode("chat".into(), true, Vec::new(), frames[..3].to_vec(), false);
    assert_eq!(without.events.last(), Some(&Event::PartFinished(0)), "the block that nobody stopped");
    let ended = Adapter::decode("chat".into(), true, without.memory.clone(), Vec::new(), true);
    assert_eq!(ended.events, [finished(Finish::Stop)]);
    let counted = Adapter::decode("chat".into(), true, without.memory, frames[3..].to_vec(), false);
    assert!(matches!(counted.events[..], [Event::Usage(_), Event::Finished(_)]));
    let broken = [&frames[..3], &[frame("metadata", json!({ "usage": 7 }))]].concat();
    assert_eq!(decode_stream(&broken).last(), Some(&finished(Finish::Stop)));
}

#[test]
fn reasons() {
    let table = [
        ("end_turn", Finish::Stop),
        ("tool_use", Finish::ToolCalls),
        ("max_tokens", Finish::Length),
        ("model_context_window_exceeded", Finish::Length),
        ("stop_sequence", Finish::StopSequence),
        ("guardrail_intervened", Finish::ContentFilter),
        ("content_filtered", Finish::ContentFilter),
        ("refusal", Finish::Refusal),
        ("something_new", Finish::Stop),
    ];
    for (reason, expected) in table {
        let events = decode_stream(&[vec![begin(), text_of(0, "a")], end(reason)].concat());
        assert_eq!(events.last(), Some(&finished(expected)), "{reason}");
    }
    let called = [vec![begin(), call_of(0, "c", "look")], end("end_turn")].concat();
    assert_eq!(decode_stream(&called).last(), Some(&finished(Finish::ToolCalls)));
    for reason in ["malformed_model_output", "malformed_tool_use"] {
        let events = decode_stream(&[vec![begin()], end(reason)].concat());
        assert_eq!(failure(&events).kind, FaultKind::MalformedReply);
    }
}

#[test]
fn the_stop_sequence_that_was_met() {
    let expected = Event::Finished(Finished { reason: Finish::StopSequence, stop_sequence: Some("END".into()) });
    let fields = json!({ "stop_sequence": "END" });
    let stop = json!({ "stopReason": "stop_sequence", "additionalModelResponseFields": fields });
    assert_eq!(decode_stream(&[begin(), frame("messageStop", stop)]).last(), Some(&expected));
    let mut body = whole();
    body["stopReason"] = "stop_sequence".into();
    body["additionalModelResponseFields"] = fields;
    assert_eq!(decode_whole("chat", &body.to_string()).last(), Some(&expected));
    let odd = json!({ "stopReason": "end_turn", "additionalModelResponseFields": [1] });
    assert_eq!(decode_stream(&[begin(), frame("messageStop", odd)]).last(), Some(&finished(Finish::Stop)));
}

/// Faults: F72
#[test]
fn parts_do_not_overlap_even_if_blocks_do() {
    let frames = vec![
        begin(),
        delta_of(0, json!({ "reasoningContent": { "text": "a" } })),
        text_of(0, "b"),
        text_of(1, "c"),
        stop_of(0),
        text_of(1, "d"),
    ];
    let events = decode_stream(&[frames, end("end_turn")].concat());
    let expected = [
        started(),
        Event::ReasoningDelta(delta(0, "a")),
        Event::PartFinished(0),
        Event::TextDelta(delta(1, "b")),
        Event::PartFinished(1),
        Event::TextDelta(delta(2, "c")),
        Event::TextDelta(delta(2, "d")),
        Event::PartFinished(2),
    ];
    assert_eq!(events[..expected.len()], expected);
}

#[test]
fn what_nobody_knows_yet_is_passed_over() {
    let news = vec![
        begin(),
        frame("contentBlockSomething", json!({})),
        delta_of(0, json!({ "citation": { "title": "x" } })),
        text_of(0, "a"),
        Frame { event: None, data: Vec::new() },
    ];
    let events = decode_stream(&[news, end("end_turn")].concat());
    assert_eq!(events[..3], [started(), Event::TextDelta(delta(0, "a")), Event::PartFinished(0)]);
    assert_eq!(events.last(), Some(&finished(Finish::Stop)));
}

/// Found by fuzzing.
#[test]
fn words_behind_the_stop_are_a_whole_part() {
    let [stop, counts] = <[Frame; 2]>::try_from(end("end_turn")).unwrap();
    let events = decode_stream(&[begin(), stop, text_of(0, "a"), counts]);
    assert_eq!(events[1], Event::TextDelta(delta(0, "a")));
    assert_eq!(events[3..], [Event::PartFinished(0), finished(Finish::Stop)]);
}

#[test]
fn nothing_follows_the_end() {
    let mut frames = full_stream();
    let expected = decode_stream(&frames);
    frames.extend(full_stream());
    assert_eq!(decode_stream(&frames), expected);
    assert_eq!(decode_cut(&frames, full_stream().len()), expected);
}

#[test]
fn counts_of_tokens() {
    let events = decode_whole("count-tokens", r#"{"inputTokens":42}"#);
    let usage = Usage { input: 42, output: 0, cache_read: 0, cache_write: 0, reasoning: 0 };
    assert_eq!(events, [Event::Usage(usage), finished(Finish::Stop)]);
    assert_eq!(failure(&decode_whole("count-tokens", "{}")).kind, FaultKind::MalformedReply);
}
