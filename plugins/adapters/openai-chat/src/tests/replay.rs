//! From a caller of this protocol to a provider of it: each normal form of README.md, one by one.

use super::*;

fn replay(body: Value) -> Value {
    let (body, dropped) = encode(json!({}), read(body).unwrap()).unwrap();
    assert!(dropped.is_empty(), "{dropped:?}");
    body
}

/// One message, there and back.
fn replay_message(message: Value) -> Value {
    let mut body = replay(json!({"model": "m", "messages": [message]}));
    body["messages"][0].take()
}

#[test]
fn extras_stand_where_they_stood() {
    let mark = json!({"type": "ephemeral"});
    let call = json!({
        "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}", "x": 1},
        "extra_content": {"google": {"thought_signature": "s"}},
    });
    let body = json!({
        "model": "m", "top_k": 5, "metadata": {"a": "b"}, "user": "u", "safety_identifier": "s",
        "messages": [
            {"role": "system", "name": "n", "content": [{"type": "text", "text": "Be brief.", "cache_control": mark}]},
            {"role": "user", "content": [
                {"type": "image_url", "cache_control": mark, "image_url": {
                    "url": "data:image/png;base64,AQID", "detail": "low", "x": [1],
                }},
                {"type": "input_audio", "input_audio": {"data": "AQID", "format": "flac", "x": 1}, "y": 2},
                {"type": "file", "file": {"file_id": "file-1"}},
                {"type": "file", "file": {"filename": "a.csv", "file_data": "data:text/csv;base64,AQID", "x": 1}},
            ]},
            {"role": "assistant", "content": null, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "b", "name": "g", "content": "late", "x": 1},
            {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "1", "cache_control": mark}]},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No.", "x": 1}], "annotations": []},
            {"role": "assistant", "content": "Two in a row."},
        ],
        "tools": [{"type": "function", "cache_control": mark, "function": {
            "name": "f", "parameters": {"type": "object"}, "x": 1,
        }}],
        "stream": true, "stream_options": {"include_usage": true, "include_obfuscation": false},
    });
    assert_eq!(replay(body.clone()), body);
}

#[test]
fn what_says_the_same_is_said_in_one_way() {
    let same = |given: Value, said: Value| {
        let hello = json!({"model": "m", "messages": [{"role": "user", "content": "Hello"}]});
        let with = |fields: Value| {
            let mut body = hello.clone();
            body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            body
        };
        assert_eq!(replay(with(given.clone())), with(said), "{given}");
    };
    same(json!({"stop": "x"}), json!({"stop": ["x"]}));
    same(json!({"stop": []}), json!({}));
    same(json!({"max_tokens": 5}), json!({"max_completion_tokens": 5}));
    same(json!({"safety_identifier": "u"}), json!({"user": "u"}));
    same(json!({"stream": false, "n": 1, "logprobs": false, "modalities": ["text"], "x": null}), json!({}));
    same(json!({"stream": true}), json!({"stream": true, "stream_options": {"include_usage": true}}));
    same(json!({"response_format": {"type": "text"}}), json!({}));
    same(json!({"tool_choice": "auto", "tools": []}), json!({}));
    same(
        json!({"tools": [{"type": "function", "function": {"name": "f"}}]}),
        json!({"tools": [{"type": "function", "function": {
            "name": "f", "parameters": {"properties": {}, "type": "object"},
        }}]}),
    );
    let schema = json!({"name": "n", "schema": {"type": "object", "properties": {}, "additionalProperties": false}});
    let format = json!({"response_format": {"type": "json_schema", "json_schema": schema}});
    same(format.clone(), format);
    // The caller knows the model's own words.
    same(json!({"reasoning_effort": "max"}), json!({"reasoning_effort": "max"}));
}

#[test]
fn messages_are_said_in_one_way_too() {
    let same = |given: Value, said: Value| assert_eq!(replay_message(given.clone()), said, "{given}");
    same(json!({"role": "developer", "content": "a"}), json!({"role": "system", "content": "a"}));
    same(json!({"role": "user", "content": [{"type": "text", "text": "a"}]}), json!({"role": "user", "content": "a"}));
    same(
        json!({"role": "assistant", "content": "a", "refusal": "b"}),
        json!({"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "b"}]}),
    );
    same(json!({"role": "assistant", "content": null}), json!({"role": "assistant", "content": ""}));
    same(
        json!({"role": "assistant", "content": "a", "reasoning_content": "Hm"}),
        json!({"role": "assistant", "content": "a"}),
    );
    same(
        json!({"role": "user", "content": [{"type": "image_url", "image_url": "https://x/y.png"}]}),
        json!({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}),
    );
    same(
        json!({"role": "user", "content": [{"type": "file", "file": {"filename": "a.txt", "file_data": "AQI"}}]}),
        json!({"role": "user", "content": [{"type": "file", "file": {"filename": "a.txt", "file_data": "AQI="}}]}),
    );
    let call = |id: &str, arguments: &str| {
        let call = json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}});
        json!({"role": "assistant", "content": null, "tool_calls": [call]})
    };
    same(call("a", ""), call("a", "{}"));
    same(call("a.b", "{}"), call(&crate::ids::call("a.b"), "{}"));
}

/// They would be another provider's fields.
#[test]
fn extras_of_another_protocol_go_nowhere() {
    let extras = || vec![Extra { name: "cache_control".into(), value: "{}".into() }];
    let mut request = request(vec![
        Message {
            extras: extras(),
            ..message(Role::User, vec![Part::Text(Text { text: "Hi".into(), extras: extras() })])
        },
        message(
            Role::Assistant,
            vec![Part::ToolCall(ToolCall {
                id: "a".into(),
                name: "f".into(),
                arguments: "{}".into(),
                extras: extras(),
            })],
        ),
        message(Role::User, vec![Part::ToolResult(ToolResult { extras: extras(), ..tool_result("a", "1") })]),
    ]);
    request.tools = vec![Tool { extras: extras(), ..tool("f") }];
    request.extras = extras();
    let (body, dropped) = encode(json!({}), request).unwrap();
    assert!(!body.to_string().contains("cache_control"), "{body}");
    assert_eq!(dropped, ["cache_control"]);
}
