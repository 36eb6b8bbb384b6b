//! Servers that speak the protocol in their own way.

use super::decode::*;
use super::{decode, *};

/// The events between `started` and usage.
fn parts(stream: &[Value]) -> Vec<Event> {
    let mut events = decode(stream);
    assert_eq!(events.remove(0), started());
    assert!(matches!(events.pop(), Some(Event::Finished(_))));
    assert_eq!(events.pop(), Some(usage()));
    events
}

fn one_call() -> Vec<Event> {
    vec![call_started(0, "c1"), Event::ToolArgumentsDelta(delta(0, "{\"x\":1}")), Event::PartFinished(0)]
}

#[test]
fn arguments_only_when_done() {
    let whole = "{\"x\":1}";
    let begun = || added(0, function("c1", ""));
    for middle in [
        vec![begun(), arguments(0, "done", whole), done(0, function("c1", whole))],
        vec![begun(), arguments(0, "done", whole), done(0, function("c1", ""))],
        vec![begun(), done(0, function("c1", whole))],
        vec![added(0, function("c1", whole)), done(0, function("c1", ""))],
        vec![added(0, function("c1", whole)), arguments(0, "delta", whole), done(0, function("c1", whole))],
        vec![done(0, function("c1", whole))],
        vec![begun(), arguments(0, "done", whole)],
        Vec::new(),
    ] {
        let mut stream = vec![created()];
        stream.extend(middle);
        stream.push(completed(json!([function("c1", whole)])));
        assert_eq!(parts(&stream), one_call());
    }
}

#[test]
fn arguments_as_an_object() {
    let call = json!({"type": "function_call", "call_id": "c1", "name": "look", "arguments": {"x": 1}});
    assert_eq!(parts(&[created(), done(0, call), completed(json!([]))]), one_call());
}

#[test]
fn a_call_whose_name_comes_late() {
    let unnamed = json!({"type": "function_call", "call_id": "c1", "arguments": ""});
    let stream = [
        created(),
        added(0, unnamed.clone()),
        arguments(0, "delta", "{\"x\":"),
        arguments(0, "delta", "1}"),
        done(0, function("c1", "{\"x\":1}")),
        completed(json!([])),
    ];
    assert_eq!(parts(&stream), one_call());
    let events = decode(&[created(), added(0, unnamed.clone()), done(0, unnamed)]);
    assert_eq!(failure(&events).kind, FaultKind::MalformedReply);
}

/// Faults: F72
#[test]
fn items_that_interleave_are_held_back() {
    let stream = [
        created(),
        added(0, function("c1", "")),
        added(1, function("c2", "")),
        added(2, spoken("")),
        arguments(1, "delta", "{\"y\""),
        text_delta(2, "a"),
        arguments(0, "delta", "{}"),
        arguments(1, "delta", ":2}"),
        done(1, function("c2", "{\"y\":2}")),
        done(0, function("c1", "{}")),
        text_delta(2, "b"),
        done(2, spoken("ab")),
        completed(json!([])),
    ];
    let expected = vec![
        call_started(0, "c1"),
        Event::ToolArgumentsDelta(delta(0, "{}")),
        Event::PartFinished(0),
        call_started(1, "c2"),
        Event::ToolArgumentsDelta(delta(1, "{\"y\"")),
        Event::ToolArgumentsDelta(delta(1, ":2}")),
        Event::PartFinished(1),
        Event::TextDelta(delta(2, "a")),
        Event::TextDelta(delta(2, "b")),
        Event::PartFinished(2),
    ];
    assert_eq!(parts(&stream), expected);
}

#[test]
fn items_that_are_never_done() {
    let stream = [
        created(),
        added(0, spoken("")),
        text_delta(0, "a"),
        added(1, function("c1", "")),
        arguments(1, "delta", "{}"),
        completed(json!([])),
    ];
    let expected = vec![
        Event::TextDelta(delta(0, "a")),
        Event::PartFinished(0),
        call_started(1, "c1"),
        Event::ToolArgumentsDelta(delta(1, "{}")),
        Event::PartFinished(1),
    ];
    assert_eq!(parts(&stream), expected);
}

#[test]
fn every_item_numbered_zero() {
    let stream = [
        created(),
        added(0, spoken("")),
        text_delta(0, "a"),
        done(0, spoken("a")),
        added(0, function("c1", "")),
        arguments(0, "delta", "{}"),
        done(0, function("c1", "{}")),
        completed(json!([])),
    ];
    let expected = vec![
        Event::TextDelta(delta(0, "a")),
        Event::PartFinished(0),
        call_started(1, "c1"),
        Event::ToolArgumentsDelta(delta(1, "{}")),
        Event::PartFinished(1),
    ];
    assert_eq!(parts(&stream), expected);
}

#[test]
fn several_contents_are_several_parts() {
    let content = json!([{"type": "output_text", "text": "a"}, {"type": "output_text", "text": "b"}]);
    let item = json!({"type": "message", "content": content});
    let expected = vec![
        Event::TextDelta(delta(0, "a")),
        Event::PartFinished(0),
        Event::TextDelta(delta(1, "b")),
        Event::PartFinished(1),
    ];
    assert_eq!(parts(&[created(), done(0, item), completed(json!([]))]), expected);
}

#[test]
fn thoughts_that_are_not_summed_up() {
    let say = |text: &str| {
        event("response.reasoning_text.delta", json!({"output_index": 0, "content_index": 0, "delta": text}))
    };
    let open = json!({"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]});
    let expected =
        vec![Event::ReasoningDelta(delta(0, "h")), Event::ReasoningDelta(delta(0, "m")), Event::PartFinished(0)];
    let stream =
        [created(), added(0, json!({"type": "reasoning"})), say("h"), say("m"), done(0, open), completed(json!([]))];
    assert_eq!(parts(&stream), expected);
}

/// Found by fuzzing.
#[test]
fn a_part_is_of_one_kind() {
    let item = json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA=",
        "summary": [{"type": "text", "text": "a"}, {"type": "summary_text", "text": "hm"}, {"type": "text", "text": "b"}]});
    let expected = [
        Event::TextDelta(delta(0, "a")),
        Event::PartFinished(0),
        Event::ReasoningDelta(delta(1, "hm")),
        Event::PartFinished(1),
        Event::TextDelta(delta(2, "b")),
        Event::PartFinished(2),
        signature(3, own_secret()),
        Event::PartFinished(3),
    ];
    assert_eq!(parts(&[created(), done(0, item), completed(json!([]))]), expected);
    let stream = [created(), added(0, function("c1", "")), text_delta(0, "a"), done(0, function("c1", "{\"x\":1}"))];
    assert_eq!(parts(&[&stream[..], &[completed(json!([]))]].concat()), one_call());
}

#[test]
fn thoughts_that_are_only_encrypted_or_empty() {
    let stream = [created(), done(0, reasoning(&[])), completed(json!([]))];
    assert_eq!(parts(&stream), [signature(0, own_secret()), Event::PartFinished(0)]);
    let empty = json!({"type": "reasoning", "id": "rs_1", "summary": []});
    assert!(parts(&[created(), added(0, empty.clone()), done(0, empty), completed(json!([]))]).is_empty());
}

#[test]
fn no_beginning_and_foreign_lines() {
    let names_only =
        Frame { event: Some("response.completed".into()), data: br#"{"response":{"output":[]}}"#.to_vec() };
    let done = Frame { event: None, data: b"[DONE]".to_vec() };
    let empty = Frame { event: None, data: b" \n".to_vec() };
    let frames = vec![empty, done, frame(&text_delta(0, "a")), names_only];
    let events = Codec::decode("chat".into(), true, Vec::new(), frames, true).events;
    let unknown = Event::Started(Started { id: String::new(), model: String::new(), created_unix_s: 0 });
    assert_eq!(events, [unknown, Event::TextDelta(delta(0, "a")), Event::PartFinished(0), finished(Finish::Stop)]);
}
