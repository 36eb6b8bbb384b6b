//! Replies of the provider as events.

use super::*;

pub fn response(status: &str, output: Value) -> Value {
    json!({"id": "resp_1", "object": "response", "created_at": 7, "status": status, "model": "gpt", "error": null,
        "incomplete_details": null, "output": output, "usage": {
            "input_tokens": 10, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
            "output_tokens": 6, "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 16}})
}

pub fn usage() -> Event {
    Event::Usage(Usage { input: 10, output: 6, cache_read: 4, cache_write: 1, reasoning: 2 })
}

pub fn event(kind: &str, fields: Value) -> Value {
    let mut event = json!({"type": kind, "sequence_number": 1});
    event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    event
}

pub fn created() -> Value {
    let mut response = response("in_progress", json!([]));
    response["usage"] = Value::Null;
    event("response.created", json!({"response": response}))
}

pub fn completed(output: Value) -> Value {
    event("response.completed", json!({"response": response("completed", output)}))
}

pub fn added(output_index: u32, item: Value) -> Value {
    event("response.output_item.added", json!({"output_index": output_index, "item": item}))
}

pub fn done(output_index: u32, item: Value) -> Value {
    event("response.output_item.done", json!({"output_index": output_index, "item": item}))
}

pub fn text_delta(output_index: u32, delta: &str) -> Value {
    let fields = json!({"output_index": output_index, "content_index": 0, "item_id": "msg_1", "delta": delta});
    event("response.output_text.delta", fields)
}

pub fn spoken(words: &str) -> Value {
    let content = if words.is_empty() { json!([]) } else { json!([{"type": "output_text", "text": words}]) };
    json!({"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": content})
}

pub fn function(id: &str, arguments: &str) -> Value {
    json!({"id": format!("fc_{id}"), "type": "function_call", "call_id": id, "name": "look", "arguments": arguments})
}

pub fn arguments(output_index: u32, how: &str, text: &str) -> Value {
    let name = if how == "delta" { "delta" } else { "arguments" };
    let fields = json!({"output_index": output_index, "item_id": "fc_1", name: text});
    event(&format!("response.function_call_arguments.{how}"), fields)
}

pub fn reasoning(summary: &[&str]) -> Value {
    let parts: Vec<Value> = summary.iter().map(|text| json!({"type": "summary_text", "text": text})).collect();
    json!({"id": "rs_1", "type": "reasoning", "summary": parts, "encrypted_content": "gAAA="})
}

fn output() -> Value {
    let search = json!({"id": "ws_1", "type": "web_search_call", "status": "completed"});
    json!([reasoning(&["hm", "so"]), search, spoken("Héllo"), function("c1", "{\"x\":1}"), function("c2", "{}")])
}

/// Thoughts in two parts, a search, a text, and two calls.
pub fn full_stream() -> Vec<Value> {
    let summary = |kind: &str, index: u32, name: &str, text: &str| {
        let fields = json!({"output_index": 0, "item_id": "rs_1", "summary_index": index, name: text});
        event(&format!("response.reasoning_summary_text.{kind}"), fields)
    };
    let part = json!({"output_index": 2, "content_index": 0, "part": {"type": "output_text", "text": ""}});
    let items = output();
    vec![
        created(),
        event("response.in_progress", json!({"response": response("in_progress", json!([]))})),
        added(0, json!({"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "early"})),
        event("response.reasoning_summary_part.added", json!({"output_index": 0, "summary_index": 0})),
        summary("delta", 0, "delta", "h"),
        summary("delta", 0, "delta", "m"),
        summary("done", 0, "text", "hm"),
        event("response.reasoning_summary_part.done", json!({"output_index": 0, "summary_index": 0})),
        summary("delta", 1, "delta", "so"),
        summary("done", 1, "text", "so"),
        done(0, items[0].clone()),
        added(1, items[1].clone()),
        event("response.web_search_call.searching", json!({"output_index": 1, "item_id": "ws_1"})),
        done(1, items[1].clone()),
        added(2, spoken("")),
        event("response.content_part.added", part.clone()),
        text_delta(2, "Hé"),
        text_delta(2, "llo"),
        event("response.output_text.annotation.added", json!({"output_index": 2, "annotation": {}})),
        event("response.output_text.done", json!({"output_index": 2, "content_index": 0, "text": "Héllo"})),
        event("response.content_part.done", part),
        done(2, items[2].clone()),
        added(3, function("c1", "")),
        arguments(3, "delta", "{\"x\":"),
        arguments(3, "delta", "1}"),
        arguments(3, "done", "{\"x\":1}"),
        done(3, items[3].clone()),
        added(4, function("c2", "")),
        arguments(4, "delta", "{}"),
        done(4, items[4].clone()),
        completed(output()),
    ]
}

#[test]
fn a_full_stream() {
    let expected = vec![
        started(),
        Event::ReasoningDelta(delta(0, "h")),
        Event::ReasoningDelta(delta(0, "m")),
        Event::ReasoningDelta(delta(0, "\n\nso")),
        signature(0, own_secret()),
        Event::PartFinished(0),
        // A web search: where it begins, what it does, and its end.
        other_content(),
        other_content(),
        other_content(),
        Event::TextDelta(delta(1, "Hé")),
        Event::TextDelta(delta(1, "llo")),
        Event::PartFinished(1),
        call_started(2, "c1"),
        Event::ToolArgumentsDelta(delta(2, "{\"x\":")),
        Event::ToolArgumentsDelta(delta(2, "1}")),
        Event::PartFinished(2),
        call_started(3, "c2"),
        Event::ToolArgumentsDelta(delta(3, "{}")),
        Event::PartFinished(3),
        usage(),
        finished(Finish::ToolCalls),
    ];
    assert_eq!(decode(&full_stream()), expected);
}

#[test]
fn the_same_reply_whole() {
    let expected = vec![
        started(),
        Event::ReasoningDelta(delta(0, "hm")),
        Event::ReasoningDelta(delta(0, "\n\nso")),
        signature(0, own_secret()),
        Event::PartFinished(0),
        other_content(),
        Event::TextDelta(delta(1, "Héllo")),
        Event::PartFinished(1),
        call_started(2, "c1"),
        Event::ToolArgumentsDelta(delta(2, "{\"x\":1}")),
        Event::PartFinished(2),
        call_started(3, "c2"),
        Event::ToolArgumentsDelta(delta(3, "{}")),
        Event::PartFinished(3),
        usage(),
        finished(Finish::ToolCalls),
    ];
    assert_eq!(decode_whole(&response("completed", output())), expected);
}

#[test]
fn why_it_ended() {
    let incomplete = |reason: &str| {
        let mut response = response("incomplete", json!([spoken("a")]));
        response["incomplete_details"] = json!({"reason": reason});
        response
    };
    let refusal = json!([{"type": "message", "content": [{"type": "refusal", "refusal": "no"}]}]);
    for (response, reason) in [
        (response("completed", json!([spoken("a")])), Finish::Stop),
        (response("completed", json!([])), Finish::Stop),
        (response("completed", json!([function("c1", "{}")])), Finish::ToolCalls),
        (response("completed", refusal), Finish::Refusal),
        (incomplete("max_output_tokens"), Finish::Length),
        (incomplete("content_filter"), Finish::ContentFilter),
        (incomplete("steered"), Finish::Length),
    ] {
        assert_eq!(decode_whole(&response).last(), Some(&finished(reason)));
        let kind = format!("response.{}", response["status"].as_str().unwrap());
        let stream = [created(), event(&kind, json!({"response": response}))];
        assert_eq!(decode(&stream).last(), Some(&finished(reason)));
    }
}

#[test]
fn refusals_are_text() {
    let say = |kind: &str, name: &str, text: &str| {
        event(&format!("response.refusal.{kind}"), json!({"output_index": 0, "content_index": 0, name: text}))
    };
    let stream = [
        created(),
        added(0, spoken("")),
        say("delta", "delta", "n"),
        say("delta", "delta", "o"),
        say("done", "refusal", "no"),
        done(0, spoken("")),
        completed(json!([])),
    ];
    let events = decode(&stream);
    assert_eq!(events[1..3], [Event::TextDelta(delta(0, "n")), Event::TextDelta(delta(0, "o"))]);
    assert_eq!(events.last(), Some(&finished(Finish::Refusal)));
}

#[test]
fn counts() {
    let count = |body: Value| Codec::decode("count-tokens".into(), false, Vec::new(), vec![frame(&body)], true).events;
    let usage = Usage { input: 11, output: 0, cache_read: 0, cache_write: 0, reasoning: 0 };
    let body = json!({"object": "response.input_tokens", "input_tokens": 11});
    assert_eq!(count(body), [Event::Usage(usage), finished(Finish::Stop)]);
    assert_eq!(failure(&count(json!({}))).kind, FaultKind::MalformedReply);
    assert_eq!(failure(&count(json!({"error": {"message": "x"}}))).message, "x");
}
