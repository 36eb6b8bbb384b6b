//! Replies of Ollama as events.

use super::*;

/// A line that is not the last.
fn line(message: Value) -> String {
    json!({ "model": "qwen3", "created_at": "2026-11-24T10:00:00Z", "message": message, "done": false }).to_string()
}

fn last(reason: &str) -> String {
    json!({ "model": "qwen3", "created_at": "2026-11-24T10:00:09Z", "message": { "role": "assistant", "content": "" },
        "done": true, "done_reason": reason, "total_duration": 5, "prompt_eval_count": 11, "eval_count": 7 })
    .to_string()
}

/// Thoughts, text, two calls in one line, one of them without an id, and a call in a line of its own.
fn full_stream() -> Vec<String> {
    let look = |arguments: Value| json!({ "function": { "index": 0, "name": "look", "arguments": arguments } });
    let wait = json!({ "id": "call_ab", "function": { "name": "wait", "arguments": null } });
    vec![
        line(json!({ "role": "assistant", "content": "", "thinking": "hm" })),
        line(json!({ "role": "assistant", "content": "", "thinking": "!" })),
        line(json!({ "role": "assistant", "content": "Hé" })),
        line(json!({ "role": "assistant", "content": "llo" })),
        line(json!({ "role": "assistant", "content": "", "tool_calls": [look(json!({ "x": 1.50 })), wait] })),
        line(json!({ "role": "assistant", "content": "", "tool_calls": [look(json!({}))] })),
        last("stop"),
        String::new(),
    ]
}

fn delta(index: u32, text: &str) -> Delta {
    Delta { index, text: text.into() }
}

/// Text of one part, whole.
fn joined(events: &[Event]) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for event in events {
        match event {
            Event::TextDelta(delta) | Event::ReasoningDelta(delta) | Event::ToolArgumentsDelta(delta) => {
                parts.resize(parts.len().max(delta.index as usize + 1), String::new());
                parts[delta.index as usize].push_str(&delta.text);
            }
            _ => {}
        }
    }
    parts
}

#[test]
fn a_stream_with_everything() {
    let events = decode_stream(&full_stream());
    let Some(Event::Started(started)) = events.first() else { panic!("started") };
    assert_eq!((started.model.as_str(), started.id.len(), started.created_unix_s), ("qwen3", 0, 0));
    let sealed = Sealed { maker: "ollama".into(), data: "unsigned".into() };
    let made = |n: u32| format!("call_93ac07637bae61a0_{n}");
    let begun =
        |index, id: String, name: &str| Event::ToolCallStarted(ToolCallStarted { index, id, name: name.into() });
    let expected = [
        Event::ReasoningDelta(delta(0, "hm")),
        Event::ReasoningDelta(delta(0, "!")),
        Event::ReasoningSignature(SealedDelta { index: 0, sealed }),
        Event::PartFinished(0),
        Event::TextDelta(delta(1, "Hé")),
        Event::TextDelta(delta(1, "llo")),
        Event::PartFinished(1),
        begun(2, made(0), "look"),
        Event::ToolArgumentsDelta(delta(2, r#"{"x":1.5}"#)),
        Event::PartFinished(2),
        begun(3, "call_ab".into(), "wait"),
        Event::ToolArgumentsDelta(delta(3, "{}")),
        Event::PartFinished(3),
        begun(4, made(2), "look"),
        Event::ToolArgumentsDelta(delta(4, "{}")),
        Event::PartFinished(4),
        Event::Usage(Usage { input: 11, output: 7, cache_read: 0, cache_write: 0, reasoning: 0 }),
        Event::Finished(Finished { reason: Finish::ToolCalls, stop_sequence: None }),
    ];
    assert_eq!(events[1..], expected);
}

#[test]
fn it_does_not_matter_where_the_stream_is_cut() {
    let lines = full_stream();
    let expected = decode_stream(&lines);
    for cut in 0..=lines.len() {
        assert_eq!(decode_cut(&lines, cut), expected, "cut before line {cut}");
    }
}

#[test]
fn a_whole_reply_says_the_same() {
    let calls = json!([
        { "function": { "name": "look", "arguments": { "x": 1.5 } } },
        { "id": "call_ab", "function": { "name": "wait" } },
        { "function": { "name": "look", "arguments": {} } },
    ]);
    let message = json!({ "role": "assistant", "content": "Héllo", "thinking": "hm!", "tool_calls": calls });
    let whole = decode_whole(json!({ "model": "qwen3", "created_at": "2026-11-24T10:00:00Z", "message": message,
        "done": true, "done_reason": "stop", "prompt_eval_count": 11, "eval_count": 7 }));
    let stream = decode_stream(&full_stream());
    assert_eq!(joined(&whole), joined(&stream));
    let no_text = |events: &[Event]| -> Vec<Event> {
        let is_text = |event: &&Event| !matches!(event, Event::TextDelta(_) | Event::ReasoningDelta(_));
        events.iter().filter(is_text).cloned().collect()
    };
    assert_eq!(no_text(&whole), no_text(&stream));
}

#[test]
fn reasons() {
    let finish = |reason: &str| decode_stream(&[line(json!({ "content": "a" })), last(reason)]).pop().unwrap();
    for (reason, expected) in [("stop", Finish::Stop), ("length", Finish::Length), ("new", Finish::Stop)] {
        assert_eq!(finish(reason), Event::Finished(Finished { reason: expected, stop_sequence: None }));
    }
    let call =
        line(json!({ "content": "", "tool_calls": [{ "function": { "name": "f", "arguments": "{\"a\":1}" } }] }));
    let cut_off = decode_stream(&[call.clone(), last("length")]);
    assert!(matches!(cut_off.last(), Some(Event::Finished(Finished { reason: Finish::Length, .. }))));
    assert_eq!(joined(&cut_off), [r#"{"a":1}"#], "arguments that came as text");
    assert_eq!(failure(&decode_stream(&[last("load")])).kind, FaultKind::MalformedReply);
}

#[test]
fn made_ids_are_stable_and_unique() {
    let same = json!({ "id": "call_1", "function": { "name": "f", "arguments": {} } });
    let ids = |created: &str| -> Vec<String> {
        let message = json!({ "content": "", "tool_calls": [same, same, { "id": "", "function": { "name": "f" } }] });
        let events = decode_whole(json!({ "created_at": created, "message": message, "done": true }));
        let id = |event: Event| if let Event::ToolCallStarted(call) = event { Some(call.id) } else { None };
        events.into_iter().filter_map(id).collect()
    };
    let first = ids("a");
    assert_eq!(first[0], "call_1");
    assert!(first[1] != first[0] && first[2] != first[1] && first[2] != first[0]);
    assert_eq!(ids("a"), first);
    assert_ne!(ids("b")[1..], first[1..], "another reply of the conversation");
}

#[test]
fn counts_may_be_missing() {
    let usage = |counts: Value| {
        let mut body = json!({ "message": { "content": "a" }, "done": true });
        body.as_object_mut().unwrap().extend(counts.as_object().unwrap().clone());
        let events = decode_whole(body);
        events.into_iter().find_map(|event| if let Event::Usage(usage) = event { Some(usage) } else { None })
    };
    assert_eq!(usage(json!({ "eval_count": 3 })).map(|usage| (usage.input, usage.output)), Some((0, 3)));
    assert_eq!(usage(json!({})), None);
}

#[test]
fn an_error_line_ends_the_reply() {
    let error = json!({ "error": "an error was encountered while running the model" }).to_string();
    let events = decode_stream(&[line(json!({ "content": "a" })), error, last("stop")]);
    let fault = failure(&events);
    assert_eq!((fault.kind, fault.status), (FaultKind::ServerError, 0));
    assert_eq!(fault.message, "an error was encountered while running the model");
    let with_status = json!({ "error": "later", "status": 429 }).to_string();
    assert_eq!(failure(&decode_stream(&[with_status])).kind, FaultKind::RateLimited);
    assert_eq!(failure(&decode_whole(json!({ "error": { "message": "x" } }))).message, "x");
}

#[test]
fn a_reply_without_its_end_is_truncated() {
    assert_eq!(failure(&decode_stream(&[])).kind, FaultKind::Truncated);
    assert_eq!(failure(&decode_stream(&[line(json!({ "content": "a" }))])).kind, FaultKind::Truncated);
    let whole = decode_whole(json!({ "model": "m", "message": { "content": "a" } }));
    assert_eq!(failure(&whole).kind, FaultKind::Truncated);
}

#[test]
fn nonsense_is_malformed() {
    for body in ["<html>", "[1]", "{\"message\":\"hi\"}", "{\"message\":{\"tool_calls\":[{\"function\":{}}]}}"] {
        let events = decode_stream(&[body.to_owned(), last("stop")]);
        assert_eq!(failure(&events).kind, FaultKind::MalformedReply, "{body}");
    }
}

#[test]
fn nothing_follows_the_end() {
    let mut lines = full_stream();
    let expected = decode_stream(&lines);
    lines.push(line(json!({ "content": "more" })));
    lines.push(last("stop"));
    assert_eq!(decode_stream(&lines), expected);
    assert_eq!(decode_cut(&lines, full_stream().len()), expected);
}
