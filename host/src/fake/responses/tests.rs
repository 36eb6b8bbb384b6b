use bytes::Bytes;
use serde_json::{Value, json};

use super::super::reply::{Piece, Sent};
use super::*;

fn ask_at(path: &str, key: &str, body: &Value) -> Result<Script, Refused> {
    let seen = Seen {
        method: "POST".into(),
        path: path.into(),
        headers: vec![("authorization".into(), key.into())],
        body: Bytes::new(),
        model: String::new(),
        ..Seen::default()
    };
    script(&seen, body, 1)
}

fn ask(body: &Value) -> Result<Script, Refused> {
    ask_at("/v1/responses", "Bearer key", body)
}

/// A good request with some fields changed.
fn with(fields: Value) -> Value {
    let mut body = json!({ "model": "gpt-4.1", "input": "hi" });
    if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
        body.extend(fields);
    }
    body
}

fn refusal(fields: &Value) -> (u16, Value) {
    let refused = ask(&with(fields.clone())).err().unwrap_or_else(|| panic!("accepted: {fields}"));
    (refused.status, refused.body["error"].clone())
}

fn refused_for(fields: Value, param: &str, message: &str) {
    let (status, error) = refusal(&fields);
    let given = error["message"].as_str().expect("a message");
    assert!(status == 400 && error["param"] == param && given.contains(message), "{fields}: {error}");
}

fn whole(fields: Value) -> Value {
    match ask(&with(fields)) {
        Ok(Script::Whole { body, .. }) => body,
        Ok(Script::Stream(_)) => panic!("a stream"),
        Err(refused) => panic!("{}", refused.body),
    }
}

fn events(mut fields: Value) -> Vec<Value> {
    fields["stream"] = json!(true);
    let Ok(Script::Stream(pieces)) = ask(&with(fields)) else { panic!("a stream") };
    let data = |piece: &Piece| -> Value {
        let (name, data) = piece.text().strip_suffix("\n\n").and_then(|text| text.split_once('\n')).expect("two lines");
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("JSON");
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
        data
    };
    let events: Vec<Value> = pieces.iter().map(data).collect();
    assert!(events.iter().enumerate().all(|(index, event)| event["sequence_number"] == index));
    events
}

fn kinds(events: &[Value]) -> Vec<&str> {
    let mut kinds: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    kinds.dedup();
    kinds.into_iter().map(|kind| kind.trim_start_matches("response.")).collect()
}

fn items(items: Value) -> Value {
    json!({ "input": items })
}

fn call(id: &str) -> Value {
    json!({ "type": "function_call", "call_id": id, "name": "get", "arguments": "{" })
}

fn output(id: &str) -> Value {
    json!({ "type": "function_call_output", "call_id": id, "output": "r" })
}

#[test]
fn fields_are_checked() {
    for (fields, param, message) in [
        (json!({ "stop": ["a"] }), "stop", "Unknown parameter: 'stop'."),
        (json!({ "messages": [] }), "messages", "this parameter has moved to 'input'"),
        (json!({ "max_tokens": 99 }), "max_tokens", "this parameter has moved to 'max_output_tokens'"),
        (json!({ "max_output_tokens": 15 }), "max_output_tokens", "Expected a value >= 16, but got 15 instead."),
        (json!({ "temperature": 2.1 }), "temperature", "above maximum"),
        (json!({ "model": "gpt-5", "temperature": 1 }), "temperature", "not supported with this model"),
        (json!({ "reasoning": { "effort": "low" } }), "reasoning.effort", "not supported with this model"),
        (json!({ "include": ["reasoning.encrypted_content"] }), "include", "Encrypted content is not supported"),
        (json!({ "previous_response_id": "chatcmpl-1" }), "previous_response_id", "begins with 'resp'"),
        (json!({ "previous_response_id": "resp_missing" }), "previous_response_id", "not found"),
        (json!({ "user": "x".repeat(65) }), "user", "string too long"),
        (
            json!({ "tools": [{ "type": "function", "function": { "name": "get" } }] }),
            "tools[0].name",
            "Missing required",
        ),
        (json!({ "tool_choice": "required" }), "tool_choice", "must be specified with 'tools'"),
        (
            json!({ "text": { "format": { "type": "json_schema", "schema": {} } } }),
            "text.format.name",
            "Missing required",
        ),
        (json!({ "text": { "format": { "type": "json_object" } } }), "input", "must contain the word 'json'"),
    ] {
        refused_for(fields, param, message);
    }
    whole(
        json!({ "model": "gpt-5.1", "temperature": 0.5, "reasoning": { "effort": "none" }, "metadata": { "a": "b" } }),
    );
    whole(json!({ "previous_response_id": "resp_fake000001", "input": [output("x")] }));
    let status =
        |path: &str, key: &str| ask_at(path, key, &with(json!({}))).map_or_else(|refused| refused.status, |_| 200);
    assert_eq!([status("/v1/responses", "Bearer bad-key"), status("/v1/chat", "Bearer key")], [401, 404]);
}

#[test]
fn items_are_checked() {
    let user = |content: Value| items(json!([{ "role": "user", "content": content }]));
    let long = "x".repeat(65);
    for (fields, param, message) in [
        (user(json!([{ "type": "text", "text": "a" }])), "input[0].content[0].type", "Invalid value: 'text'"),
        (
            user(json!([{ "type": "input_image", "image_url": { "url": "https://a/b" } }])),
            "input[0].content[0].image_url",
            "expected an image URL, but got an object instead.",
        ),
        (
            user(json!([{ "type": "input_text", "text": "a", "cache_control": {} }])),
            "input[0].content[0].cache_control",
            "Unknown",
        ),
        (
            items(json!([{ "role": "assistant", "content": [{ "type": "input_text", "text": "a" }] }])),
            "input[0].content[0].type",
            "'output_text'",
        ),
        (items(json!([{ "role": "tool", "content": "a" }])), "input[0].role", "Invalid value: 'tool'"),
        (items(json!([{ "role": "user", "content": "a", "name": "b" }])), "input[0].name", "Unknown parameter"),
        (items(json!([call(&long)])), "input[0].call_id", "maximum length 64"),
        (items(json!([call("x")])), "input", "No tool output found for function call x."),
        (items(json!([output("x")])), "input", "No tool call found for function call output with call_id x."),
        (
            items(
                json!([{ "type": "function_call", "id": "call_1", "call_id": "x", "name": "get", "arguments": "{}" }]),
            ),
            "input[0].id",
            "Expected an ID that begins with 'fc'.",
        ),
        (
            items(json!([{ "type": "function_call", "call_id": "x", "name": "get", "arguments": {} }])),
            "input[0].arguments",
            "expected a string",
        ),
        (items(json!([{ "type": "thinking" }])), "input[0].type", "Invalid value: 'thinking'"),
    ] {
        refused_for(fields, param, message);
    }
    let good = json!([{ "role": "user", "content": "a" }, call("x"), call("y"), output("y"), output("x")]);
    assert_eq!(whole(items(good))["output"][0]["content"][0]["text"], "The tools said: r; r");
}

#[test]
fn reasoning_comes_back_sealed() {
    let asked = json!({
        "model": "gpt-5", "reasoning": { "effort": "low", "summary": "auto" }, "include": ["reasoning.encrypted_content"],
    });
    let reply = whole(asked.clone());
    let item = reply["output"][0].clone();
    assert_eq!((&item["type"], &item["summary"][0]["text"]), (&json!("reasoning"), &json!("Let me think.")));
    assert_eq!(item["encrypted_content"], seal(Protocol::OpenAiResponses, "rs_fake000001"));
    let again = |item: &Value| items(json!([{ "role": "user", "content": "a" }, item, call("x"), output("x")]));
    whole(again(&item));
    let changed = |field: &str, value: Value| {
        let mut item = item.clone();
        item[field] = value;
        refusal(&again(&item))
    };
    assert_eq!(changed("encrypted_content", json!("gAAAA")).1["code"], "invalid_encrypted_content");
    assert_eq!(changed("id", json!("rs_other")).1["code"], "invalid_encrypted_content");
    assert_eq!(changed("encrypted_content", Value::Null).0, 404);
    let alone = items(json!([{ "role": "user", "content": "a" }, item]));
    assert!(
        refusal(&alone).1["message"].as_str().is_some_and(|text| text.contains("without its required following item"))
    );
    let without = whole(json!({ "model": "gpt-5", "reasoning": { "effort": "none" }, "include": asked["include"] }));
    assert_eq!(without["output"][0]["type"], "message");
}

#[test]
fn streams_have_the_order_of_the_api() {
    let text = events(json!({ "model": "gpt-5", "reasoning": { "effort": "low", "summary": "auto" } }));
    let expected = [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(kinds(&text), expected);
    let said: String = text
        .iter()
        .filter(|event| event["type"] == "response.output_text.delta")
        .filter_map(|event| event["delta"].as_str())
        .collect();
    let last = &text.last().expect("events")["response"];
    assert_eq!(
        (last["output"][1]["content"][0]["text"].as_str(), last["status"].as_str()),
        (Some(said.as_str()), Some("completed"))
    );
    let tools = json!([{ "type": "function", "name": "get", "parameters": { "type": "object" } }]);
    let calls = events(json!({ "input": "use tool get with {\"a\": 1}\nuse tool get with {}", "tools": tools }));
    let call =
        ["output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done"];
    assert_eq!(kinds(&calls), [&["created", "in_progress"][..], &call, &call, &["completed"]].concat());
    let short = events(json!({ "input": "write 50 words", "max_output_tokens": 16 }));
    let last = short.last().expect("events");
    assert_eq!(
        (&last["type"], &last["response"]["incomplete_details"]["reason"]),
        (&json!("response.incomplete"), &json!("max_output_tokens"))
    );
}

#[test]
fn errors_in_streams_come_in_two_forms() {
    let early = error_event("m", Sent { pieces: 2, chunks: 0 }, 1);
    assert!(early.starts_with("event: error\n") && early.contains("\"sequence_number\":2"), "{early}");
    let late = error_event("m", Sent { pieces: 9, chunks: 3 }, 1);
    assert!(late.starts_with("event: response.failed\n") && late.contains("\"status\":\"failed\""), "{late}");
}

#[test]
fn tokens_are_counted() {
    let counted = ask_at("/v1/responses/input_tokens", "Bearer key", &with(json!({})));
    assert!(matches!(counted, Ok(Script::Whole { body, .. }) if body["object"] == "response.input_tokens"));
}
