use bytes::Bytes;
use serde_json::{Value, json};

use super::*;

fn ask(key: &str, body: &Value) -> Result<Script, Refused> {
    let seen = Seen {
        method: "POST".into(),
        path: "/v1/chat/completions".into(),
        headers: vec![("authorization".into(), key.into())],
        body: Bytes::new(),
        model: String::new(),
    };
    script(&seen, body, 1)
}

/// A good request with some fields changed.
fn with(fields: Value) -> Value {
    let mut body = json!({ "model": "gpt-4o", "messages": [{ "role": "user", "content": "hi" }] });
    if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
        body.extend(fields);
    }
    body
}

fn accepted(fields: Value) {
    let refused = ask("Bearer key", &with(fields.clone())).err();
    assert_eq!(refused, None, "{fields}");
}

/// Status 400, and which field is at fault.
fn refused_for(fields: Value, param: &str, message: &str) {
    let refused = ask("Bearer key", &with(fields.clone())).err().unwrap_or_else(|| panic!("accepted: {fields}"));
    let error = &refused.body["error"];
    let given = error["message"].as_str().expect("a message");
    assert!(refused.status == 400 && error["param"] == param && given.contains(message), "{fields}: {error}");
}

fn whole(fields: Value) -> Value {
    match ask("Bearer key", &with(fields)) {
        Ok(Script::Whole { body, .. }) => body,
        Ok(Script::Stream(_)) => panic!("a stream"),
        Err(refused) => panic!("{}", refused.body),
    }
}

fn turns(turns: Value) -> Value {
    json!({ "messages": turns })
}

#[test]
fn keys_and_models_are_checked() {
    let status = |key: &str| ask(key, &with(json!({}))).map_or_else(|refused| refused.status, |_| 200);
    assert_eq!(
        [status("Bearer key"), status("Bearer bad-key"), status("Bearer "), status("key")],
        [200, 401, 401, 401]
    );
    let refused = ask("Bearer key", &with(json!({ "model": "no-such-model" }))).err().expect("a refusal");
    let expected = json!({ "error": {
        "message": "The model `no-such-model` does not exist or you do not have access to it.",
        "type": "invalid_request_error", "param": null, "code": "model_not_found",
    } });
    assert_eq!((refused.status, refused.body), (404, expected));
}

#[test]
fn fields_are_checked() {
    let long = "x".repeat(65);
    for (fields, param, message) in [
        (json!({ "top_k": 1 }), "top_k", "Unrecognized request argument supplied: top_k"),
        (json!({ "model": "" }), "model", "you must provide a model parameter"),
        (json!({ "temperature": 2.1 }), "temperature", "decimal above maximum value"),
        (json!({ "temperature": -1 }), "temperature", "decimal below minimum value"),
        (json!({ "stop": ["1", "2", "3", "4", "5"] }), "stop", "array too long"),
        (json!({ "user": long }), "user", "string too long"),
        (json!({ "safety_identifier": long }), "safety_identifier", "string too long"),
        (json!({ "stream_options": {} }), "stream_options", "only allowed when 'stream' is enabled"),
        (json!({ "metadata": {} }), "metadata", "only allowed when 'store' is enabled"),
        (json!({ "max_tokens": 0 }), "max_tokens", "below minimum"),
        (json!({ "max_tokens": 1, "max_completion_tokens": 1 }), "max_tokens", "at the same time"),
        (json!({ "model": "o3", "max_tokens": 9 }), "max_tokens", "Use 'max_completion_tokens' instead"),
        (json!({ "model": "o3", "temperature": 0.5 }), "temperature", "Unsupported parameter"),
        (json!({ "messages": [] }), "messages", "empty array"),
    ] {
        refused_for(fields, param, message);
    }
    accepted(
        json!({ "temperature": null, "stop": null, "user": "x".repeat(64), "prompt_cache_key": "a", "moderation": {} }),
    );
    accepted(json!({ "model": "o3", "max_completion_tokens": 9, "temperature": 1 }));
}

#[test]
fn formats_are_checked() {
    let format = |format: Value| json!({ "response_format": { "type": "json_schema", "json_schema": format } });
    let open = json!({ "type": "object", "properties": { "a": {} } });
    let closed = json!({ "type": "object", "properties": { "a": {} }, "additionalProperties": false });
    let name = "response_format.json_schema.name";
    refused_for(format(json!({ "schema": {} })), name, "Missing required parameter");
    refused_for(format(json!({ "name": "a b", "schema": {} })), name, "does not match pattern");
    let strict = |schema: &Value| format(json!({ "name": "a", "strict": true, "schema": schema }));
    refused_for(strict(&open), "response_format", "'additionalProperties' is required");
    refused_for(strict(&closed), "response_format", "'required' is required");
    refused_for(json!({ "response_format": { "type": "json_object" } }), "messages", "must contain the word 'json'");
    let answer = whole(format(json!({ "name": "a", "schema": { "type": "array", "items": { "type": "integer" } } })));
    assert_eq!(answer["choices"][0]["message"]["content"], "[1]");
}

#[test]
fn tools_are_checked() {
    let tool = |name: &str| json!({ "type": "function", "function": { "name": name } });
    let schema = json!({ "type": "function", "function": { "name": "get", "parameters": { "type": "string" } } });
    let named = json!({ "type": "function", "function": { "name": "put" } });
    for (fields, param, message) in [
        (json!({ "tools": [] }), "tools", "empty array"),
        (json!({ "tools": [{ "function": { "name": "get" } }] }), "tools[0].type", "Missing required parameter"),
        (json!({ "tools": [tool("a b")] }), "tools[0].function.name", "does not match pattern"),
        (json!({ "tools": [tool(&"x".repeat(65))] }), "tools[0].function.name", "too long"),
        (json!({ "tools": [tool("get"), tool("get")] }), "tools[1].function.name", "must be unique"),
        (json!({ "tools": [schema] }), "tools[0].function.parameters", "must be a JSON Schema of 'type: \"object\"'"),
        (json!({ "tool_choice": "auto" }), "tool_choice", "only allowed when 'tools' are specified"),
        (json!({ "parallel_tool_calls": true }), "parallel_tool_calls", "only allowed when 'tools' are specified"),
        (json!({ "tools": [tool("get")], "tool_choice": named }), "tool_choice", "'put' not found"),
    ] {
        refused_for(fields, param, message);
    }
}

#[test]
fn messages_are_checked() {
    let url = |url: &str| json!({ "type": "image_url", "image_url": { "url": url } });
    for (messages, param, message) in [
        (json!([{ "content": "a" }]), "messages[0].role", "Missing required parameter"),
        (json!([{ "role": "model", "content": "a" }]), "messages[0].role", "Invalid value: 'model'"),
        (json!([{ "role": "user", "content": null }]), "messages[0].content", "got null"),
        (json!([{ "role": "assistant", "content": null }]), "messages[0].content", "got null"),
        (json!([{ "role": "user", "content": [] }]), "messages[0].content", "empty array"),
        (
            json!([{ "role": "assistant", "content": "a", "thinking_blocks": [] }]),
            "messages[0].thinking_blocks",
            "Unknown parameter",
        ),
        (
            json!([{ "role": "user", "content": [{ "type": "image" }] }]),
            "messages[0].content[0].type",
            "Invalid value: 'image'",
        ),
        (
            json!([{ "role": "user", "content": [{ "type": "text", "text": "a", "cache_control": {} }] }]),
            "messages[0].content[0].cache_control",
            "Unknown parameter",
        ),
        (
            json!([{ "role": "user", "content": [url("data:image/png;base64,%%%")] }]),
            "messages[0].content[0].image_url.url",
            "Invalid base64 image_url",
        ),
    ] {
        refused_for(turns(messages), param, message);
    }
    accepted(turns(json!([{ "role": "developer", "content": "a" }, { "role": "user", "content": "" }])));
}

#[test]
fn calls_and_results_come_in_pairs() {
    let call = |id: &str| json!({ "id": id, "type": "function", "function": { "name": "get", "arguments": "{" } });
    let calls = |calls: Value| json!({ "role": "assistant", "content": null, "tool_calls": calls });
    let result = |id: &str| json!({ "role": "tool", "tool_call_id": id, "content": "r" });
    let user = json!({ "role": "user", "content": "more" });
    let (long, image) = ("x".repeat(41), json!([{ "type": "image_url", "image_url": { "url": "https://a/b" } }]));
    for (messages, param, message) in [
        (json!([calls(json!([]))]), "messages[0].tool_calls", "empty array"),
        (json!([calls(json!([call(&long)]))]), "messages[0].tool_calls[0].id", "maximum length 40"),
        (json!([calls(json!([call("x"), call("x")]))]), "messages[0].tool_calls[1].id", "Duplicate value"),
        (json!([calls(json!([call("x")])), user]), "messages[1]", "must be followed by tool messages"),
        (json!([calls(json!([call("x"), call("y")])), result("x")]), "messages", "did not have response messages: y"),
        (json!([result("x")]), "messages[0]", "must be a response to a preceding message"),
        (
            json!([calls(json!([call("x")])), { "role": "tool", "tool_call_id": "x", "content": image }]),
            "messages[1].content[0].type",
            "Invalid value: 'image_url'",
        ),
        (
            json!([calls(json!([{ "id": "x", "type": "function", "function": { "name": "get", "arguments": {} } }]))]),
            "messages[0].tool_calls[0].function.arguments",
            "expected a string",
        ),
    ] {
        refused_for(turns(messages), param, message);
    }
    let good = json!([calls(json!([call("x"), call("y")])), result("y"), result("x"), user]);
    assert_eq!(whole(turns(good))["choices"][0]["message"]["content"], "The tools said: r; r");
}

#[test]
fn streams_have_the_order_of_the_api() {
    let pieces = |fields: Value| match ask("Bearer key", &with(fields)) {
        Ok(Script::Stream(pieces)) => pieces,
        _ => panic!("a stream"),
    };
    let usual = pieces(json!({ "stream": true }));
    assert_eq!(usual.last().map(|piece| piece.bytes.as_str()), Some("data: [DONE]\n\n"));
    assert!(usual.iter().all(|piece| !piece.bytes.contains("usage")));
    let asked =
        pieces(json!({ "stream": true, "stream_options": { "include_usage": true }, "reasoning_effort": "low" }));
    let data = |piece: &Piece| serde_json::from_str::<Value>(piece.bytes.trim_start_matches("data: ")).expect("JSON");
    let events: Vec<Value> = asked[..asked.len() - 1].iter().map(data).collect();
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    let (usage, before) = events.split_last().expect("chunks");
    assert!(before.iter().all(|event| event["usage"].is_null() && event.get("usage").is_some()));
    assert_eq!(before.last().map(|event| &event["choices"][0]["finish_reason"]), Some(&json!("stop")));
    assert_eq!(
        (&usage["choices"], &usage["usage"]["completion_tokens_details"]["reasoning_tokens"]),
        (&json!([]), &json!(7))
    );
}

#[test]
fn calls_stream_their_arguments_in_pieces() {
    let fields = json!({
        "stream": true, "tools": [{ "type": "function", "function": { "name": "get" } }],
        "messages": [{ "role": "user", "content": "use tool get with {\"city\": \"Paris\"}\nuse tool get with {}" }],
    });
    let Ok(Script::Stream(pieces)) = ask("Bearer key", &with(fields)) else { panic!("a stream") };
    let data =
        pieces.iter().filter_map(|piece| piece.bytes.strip_prefix("data: ")).filter(|data| !data.contains("[DONE]"));
    let events: Vec<Value> = data.map(|data| serde_json::from_str(data).expect("JSON")).collect();
    let calls: Vec<&Value> =
        events.iter().filter_map(|event| event["choices"][0]["delta"]["tool_calls"].get(0)).collect();
    let arguments = |index: u64| -> String {
        let own = calls.iter().filter(|call| call["index"] == index);
        own.filter_map(|call| call["function"]["arguments"].as_str()).collect()
    };
    assert_eq!((arguments(0).as_str(), arguments(1).as_str()), ("{\"city\": \"Paris\"}", "{}"));
    let ids: Vec<&str> = calls.iter().filter_map(|call| call["id"].as_str()).collect();
    assert_eq!(ids, ["call_000001_0", "call_000001_1"]);
    assert!(calls.len() > 4);
}
