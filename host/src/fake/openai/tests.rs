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
        ..Seen::default()
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
fn models_are_listed() {
    let get = |key: &str| Seen {
        method: "GET".into(),
        path: "/v1/models".into(),
        headers: vec![("authorization".into(), key.into())],
        body: Bytes::new(),
        model: String::new(),
        ..Seen::default()
    };
    let Ok(Script::Whole { body, .. }) = script(&get("Bearer key"), &Value::Null, 1) else { panic!("a list") };
    assert_eq!((&body["object"], &body["data"][0]["id"]), (&json!("list"), &json!("gpt-5")));
    assert_eq!(script(&get("Bearer bad-key"), &Value::Null, 1).err().map(|refused| refused.status), Some(401));
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
    assert_eq!(usual.last().map(|piece| piece.text()), Some("data: [DONE]\n\n"));
    assert!(usual.iter().all(|piece| !piece.text().contains("usage")));
    let asked =
        pieces(json!({ "stream": true, "stream_options": { "include_usage": true }, "reasoning_effort": "low" }));
    let data = |piece: &Piece| serde_json::from_str::<Value>(piece.text().trim_start_matches("data: ")).expect("JSON");
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
        pieces.iter().filter_map(|piece| piece.text().strip_prefix("data: ")).filter(|data| !data.contains("[DONE]"));
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

fn ask_azure(path: &str, headers: &[(&str, &str)], body: &Value) -> Result<Script, Refused> {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let body_bytes = Bytes::from(body.to_string());
    let seen = Seen {
        method: "POST".into(),
        path: path.into(),
        headers,
        body: body_bytes,
        model: String::new(),
        ..Seen::default()
    };
    script(&seen, body, 1)
}

#[test]
fn azure_wants_its_own_key_and_version() {
    let body = json!({ "messages": [{ "role": "user", "content": "hi" }] });
    let key = [("api-key", "key")];
    let chat = "/openai/deployments/mine/chat/completions?api-version=2024-10-21";
    let refused = |path: &str, headers: &[(&str, &str)], body: &Value| {
        let refused = ask_azure(path, headers, body).err()?;
        Some((refused.status, refused.body["error"]["code"].as_str().unwrap_or_default().to_owned()))
    };
    assert_eq!(refused(chat, &key, &body), None);
    assert_eq!(refused(chat, &[("authorization", "Bearer token")], &body), None);
    assert_eq!(refused(chat, &[], &body), Some((401, "401".into())));
    let bare = "/openai/deployments/mine/chat/completions";
    assert_eq!(refused(bare, &key, &body), Some((404, "404".into())));
    assert_eq!(refused(&chat.replace("mine", "missing"), &key, &body), Some((404, "DeploymentNotFound".into())));
    let options = json!({ "messages": [{ "role": "user", "content": "hi" }], "stream": true, "stream_options": {} });
    assert_eq!(refused(chat, &key, &options), None);
    let old = chat.replace("2024-10-21", "2024-02-01");
    assert_eq!(refused(&old, &key, &options), Some((400, "unknown_parameter".into())));
    let limited = azure::failure(429, Some(7));
    assert_eq!(limited.headers, [("retry-after", "7".to_owned()), ("retry-after-ms", "7000".to_owned())]);
    assert!(
        limited.body["error"]["message"].as_str().is_some_and(|text| text.contains("Please retry after 7 seconds"))
    );
}

#[test]
fn azure_says_what_its_filters_found() {
    let path = "/openai/deployments/mine/chat/completions?api-version=2024-10-21";
    let ask = |stream: bool| {
        let body = json!({ "messages": [{ "role": "user", "content": "hi" }], "stream": stream });
        ask_azure(path, &[("api-key", "key")], &body)
    };
    let Ok(Script::Whole { body, .. }) = ask(false) else { panic!("a whole reply") };
    assert_eq!((&body["model"], body["prompt_filter_results"].is_array()), (&json!("mine"), true));
    assert_eq!(body["choices"][0]["content_filter_results"]["hate"]["severity"], "safe");
    let Ok(Script::Stream(pieces)) = ask(true) else { panic!("a stream") };
    let first: Value = serde_json::from_str(pieces[0].text().trim_start_matches("data: ")).expect("JSON");
    assert_eq!(
        (&first["choices"], &first["id"], first["prompt_filter_results"].is_array()),
        (&json!([]), &json!(""), true)
    );
    assert_eq!(pieces.last().map(Piece::text), Some("data: [DONE]\n\n"));
}

#[test]
fn embeddings_follow_from_the_text() {
    let embed = |fields: Value| {
        let mut body = json!({ "model": "e", "input": ["a", "b"] });
        body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        match ask_azure("/v1/embeddings", &[("authorization", "Bearer key")], &body) {
            Ok(Script::Whole { body, .. }) => body,
            Ok(Script::Stream(_)) => panic!("a stream"),
            Err(refused) => refused.body,
        }
    };
    let floats = embed(json!({}));
    let numbers: Vec<f32> = serde_json::from_value(floats["data"][0]["embedding"].clone()).expect("numbers");
    assert_eq!((numbers.len(), floats["data"][1]["index"].as_u64()), (8, Some(1)));
    assert_ne!(floats["data"][0]["embedding"], floats["data"][1]["embedding"]);
    let encoded = embed(json!({ "encoding_format": "base64" }))["data"][0]["embedding"].clone();
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, encoded.as_str().expect("text"));
    let bytes = bytes.expect("base64");
    let decoded: Vec<f32> = bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().expect("four"))).collect();
    assert_eq!(decoded, numbers);
    let length = |fields: Value| embed(fields)["data"][0]["embedding"].as_array().map(Vec::len);
    assert_eq!(length(json!({ "dimensions": 3, "input": [1, 2, 3] })), Some(3));
    for (fields, param) in [
        (json!({ "input": "" }), "input"),
        (json!({ "input": [] }), "input"),
        (json!({ "dimensions": 0 }), "dimensions"),
        (json!({ "encoding_format": "int8" }), "encoding_format"),
        (json!({ "stream": true }), "stream"),
    ] {
        assert_eq!(embed(fields)["error"]["param"], param);
    }
}
