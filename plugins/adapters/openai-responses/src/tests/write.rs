//! Replies for callers.

use super::*;

pub fn memory(more: Value) -> Vec<u8> {
    Codec::read("chat".into(), vec![], body_with(more).to_string().into_bytes()).unwrap().memory
}

fn reply() -> Vec<Event> {
    vec![
        started(),
        Event::Ping,
        Event::ReasoningDelta(delta(0, "h")),
        Event::ReasoningDelta(delta(0, "m")),
        signature(0, sealed("anthropic-messages", "sig=")),
        Event::PartFinished(0),
        Event::TextDelta(delta(1, "Hé")),
        Event::TextDelta(delta(1, "llo")),
        Event::PartFinished(1),
        call_started(2, "c1"),
        Event::ToolArgumentsDelta(delta(2, "{\"x\":")),
        Event::ToolArgumentsDelta(delta(2, "1}")),
        Event::PartFinished(2),
        call_started(3, "c2"),
        Event::PartFinished(3),
        Event::Usage(Usage { input: 10, output: 6, cache_read: 4, cache_write: 1, reasoning: 2 }),
        finished(Finish::ToolCalls),
    ]
}

/// The caller's events, which are the same however they come; numbered without a gap, and named twice alike.
pub fn stream(memory: &[u8], events: Vec<Event>) -> Vec<Value> {
    let fold = |memory: Vec<u8>, events, ended| Codec::write("chat".into(), true, memory, events, ended);
    let at_once = fold(memory.to_vec(), events.clone(), true).bytes;
    let (mut kept, mut one_by_one) = (memory.to_vec(), Vec::new());
    for event in events {
        let written = fold(kept, vec![event], false);
        kept = written.memory;
        one_by_one.extend(written.bytes);
    }
    one_by_one.extend(fold(kept, Vec::new(), true).bytes);
    assert_eq!(one_by_one, at_once);
    parse(&at_once)
}

pub fn parse(bytes: &[u8]) -> Vec<Value> {
    let frames = std::str::from_utf8(bytes).unwrap().split_terminator("\n\n").filter(|frame| *frame != ": ping");
    let events: Vec<Value> = frames
        .map(|frame| {
            let (name, data) = frame.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
            let data: Value = serde_json::from_str(data).unwrap();
            assert_eq!(data["type"], name);
            data
        })
        .collect();
    for pair in events.windows(2) {
        assert_eq!(pair[0]["sequence_number"].as_u64().unwrap() + 1, pair[1]["sequence_number"].as_u64().unwrap());
    }
    events
}

pub fn whole(memory: &[u8], events: Vec<Event>) -> Value {
    let written = Codec::write("chat".into(), false, memory.to_vec(), events, true);
    serde_json::from_slice(&written.bytes).unwrap()
}

pub fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap().strip_prefix("response.").unwrap()).collect()
}

#[test]
fn every_event_in_order() {
    let events = stream(&memory(json!({})), reply());
    assert_eq!(
        kinds(&events),
        [
            "created",
            "in_progress",
            "output_item.added",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "output_item.done",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "completed",
        ]
    );
    assert_eq!(events[0]["sequence_number"], 0);
    assert_eq!(events[0]["response"]["status"], "in_progress");
    for event in &events {
        if let Some(id) = event.get("item_id") {
            let index = event["output_index"].as_u64().unwrap();
            assert_eq!(*id, events.last().unwrap()["response"]["output"][index as usize]["id"]);
        }
    }
}

#[test]
fn items_begin_empty_and_end_full() {
    let events = stream(&memory(json!({})), reply());
    let items = |kind: &str| -> Vec<Value> {
        let of_kind = events.iter().filter(|event| event["type"] == format!("response.output_item.{kind}"));
        of_kind.map(|event| event["item"].clone()).collect()
    };
    let (added, done) = (items("added"), items("done"));
    assert_eq!(added[0]["summary"], json!([]));
    assert_eq!((&added[1]["status"], &added[1]["content"]), (&json!("in_progress"), &json!([])));
    assert_eq!((&added[2]["call_id"], &added[2]["arguments"]), (&json!("c1"), &json!("")));
    assert_eq!(done, *events.last().unwrap()["response"]["output"].as_array().unwrap());
    assert_eq!(events[10]["part"], json!({"type": "output_text", "text": "", "annotations": [], "logprobs": []}));
    assert_eq!((&events[13]["text"], &events[14]["part"]["text"]), (&json!("Héllo"), &json!("Héllo")));
}

#[test]
fn the_whole_reply_is_the_streams_last_word() {
    let memory = memory(json!({}));
    let streamed = stream(&memory, reply()).pop().unwrap()["response"].take();
    assert_eq!(whole(&memory, reply()), streamed);
    let output = &streamed["output"];
    assert_eq!(output[0]["summary"], json!([{"type": "summary_text", "text": "hm"}]));
    assert_eq!(output[0]["encrypted_content"], "pointsman:anthropic-messages:sig=");
    assert_eq!(output[1]["content"][0]["text"], "Héllo");
    assert_eq!((&output[2]["name"], &output[2]["arguments"]), (&json!("look"), &json!("{\"x\":1}")));
    assert_eq!(output[3]["arguments"], "{}");
    for (item, prefix) in output.as_array().unwrap().iter().zip(["rs_", "msg_", "fc_", "fc_"]) {
        let id = item["id"].as_str().unwrap();
        assert!(id.starts_with(prefix) && id.len() <= 64);
    }
    let usage = json!({"input_tokens": 10, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
        "output_tokens": 6, "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 16});
    assert_eq!(streamed["usage"], usage);
    assert_eq!((&streamed["id"], &streamed["object"]), (&json!("resp_1"), &json!("response")));
    assert_eq!((&streamed["created_at"], &streamed["model"]), (&json!(7), &json!("gpt")));
}

#[test]
fn the_request_is_echoed() {
    let asked = json!({
        "instructions": "brief", "tools": [{"type": "function", "name": "look", "parameters": null}], "store": true,
        "tool_choice": "required", "metadata": {"a": "b"}, "temperature": 0.5, "reasoning": {"effort": "low"},
    });
    let response = whole(&memory(asked.clone()), vec![started(), finished(Finish::Stop)]);
    for name in ["instructions", "tools", "tool_choice", "metadata", "temperature", "reasoning"] {
        assert_eq!(response[name], asked[name]);
    }
    assert_eq!(response["store"], false);
    let response = whole(&memory(json!({"tools": null})), vec![started(), finished(Finish::Stop)]);
    assert_eq!((&response["tools"], &response["tool_choice"]), (&json!([]), &json!("auto")));
    assert_eq!((&response["parallel_tool_calls"], &response["metadata"]), (&json!(true), &json!({})));
}

#[test]
fn how_it_ended() {
    for (reason, status, details) in [
        (Finish::Stop, "completed", Value::Null),
        (Finish::StopSequence, "completed", Value::Null),
        (Finish::Length, "incomplete", json!({"reason": "max_output_tokens"})),
        (Finish::Pause, "incomplete", json!({"reason": "max_output_tokens"})),
        (Finish::ContentFilter, "incomplete", json!({"reason": "content_filter"})),
        (Finish::Refusal, "incomplete", json!({"reason": "content_filter"})),
    ] {
        let last = stream(&memory(json!({})), vec![started(), finished(reason)]).pop().unwrap();
        assert_eq!(last["type"], format!("response.{status}"));
        assert_eq!((&last["response"]["status"], &last["response"]["incomplete_details"]), (&json!(status), &details));
    }
}

#[test]
fn own_thoughts_keep_the_id_they_are_bound_to() {
    let memory = memory(json!({}));
    let silent = vec![started(), signature(0, own_secret()), Event::PartFinished(0), finished(Finish::Stop)];
    let item =
        |response: &Value| (response["output"][0]["id"].clone(), response["output"][0]["encrypted_content"].clone());
    let bare = (json!("rs_1"), json!("gAAA="));
    assert_eq!(item(&stream(&memory, silent.clone()).pop().unwrap()["response"]), bare);
    assert_eq!(item(&whole(&memory, silent.clone())), bare);
    let mut told = silent;
    told.insert(1, Event::ReasoningDelta(delta(0, "hm")));
    assert_eq!(item(&whole(&memory, told.clone())), bare);
    // The id was told before the signature came, so it stands in the mark.
    let (id, content) = item(&stream(&memory, told).pop().unwrap()["response"]);
    assert_ne!(id, "rs_1");
    assert_eq!(content, format!("pointsman:openai-responses:{}", own_secret().data));
}

#[test]
fn redacted_thoughts() {
    let redacted = Event::RedactedReasoning(SealedDelta { index: 0, sealed: sealed("anthropic-messages", "x") });
    let events = stream(&memory(json!({})), vec![started(), redacted, Event::PartFinished(0), finished(Finish::Stop)]);
    assert_eq!(kinds(&events), ["created", "in_progress", "output_item.added", "output_item.done", "completed"]);
    // Marked as a whole thought: as a signature, its maker would refuse it.
    assert_eq!(events[3]["item"]["encrypted_content"], "pointsman:anthropic-messages#redacted:x");
    let input = json!([{"role": "user", "content": "go"}, events[3]["item"], {"role": "assistant", "content": "a"}]);
    let messages = read(json!({"model": "m", "input": input})).messages;
    let redacted = Some(sealed("anthropic-messages", "x"));
    let thought = Part::Reasoning(Reasoning { text: String::new(), signature: None, redacted, extras: Vec::new() });
    assert_eq!(messages[1], assistant(vec![thought, text("a")]));
}

#[test]
fn counts() {
    let usage = Event::Usage(Usage { input: 11, output: 0, cache_read: 0, cache_write: 0, reasoning: 0 });
    let memory = memory(json!({}));
    let events = vec![usage, finished(Finish::Stop)];
    let written = Codec::write("count-tokens".into(), false, memory, events, true);
    let body: Value = serde_json::from_slice(&written.bytes).unwrap();
    assert_eq!(body, json!({"object": "response.input_tokens", "input_tokens": 11}));
}
