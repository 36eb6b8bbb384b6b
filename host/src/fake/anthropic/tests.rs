use bytes::Bytes;
use serde_json::{Value, json};

use super::rules::{Age, NEWEST_VERSION};
use super::*;

const OLD: &str = "2023-06-01";

fn seen(headers: &[(&str, &str)], path: &str) -> Seen {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Seen {
        method: "POST".into(),
        path: path.into(),
        headers: headers.collect(),
        body: Bytes::new(),
        model: String::new(),
        ..Seen::default()
    }
}

fn ask(version: &str, body: &Value) -> Result<Script, Refused> {
    script(&seen(&[("x-api-key", "key"), ("anthropic-version", version)], "/v1/messages?beta=true"), body, 1)
}

/// A good request with some fields changed; null takes a field away.
fn with(fields: Value) -> Value {
    let mut body = json!({
        "model": "claude-sonnet-4-5", "max_tokens": 100, "messages": [{ "role": "user", "content": "hi" }],
    });
    if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
        body.extend(fields);
        body.retain(|_, value| !value.is_null());
    }
    body
}

fn refusal(version: &str, body: &Value) -> (u16, String) {
    match ask(version, body) {
        Ok(_) => (200, String::new()),
        Err(refused) => (refused.status, refused.body["error"]["message"].as_str().expect("a message").to_owned()),
    }
}

fn accepted(version: &str, fields: Value) {
    assert_eq!(refusal(version, &with(fields.clone())), (200, String::new()), "{fields}");
}

fn refused_for(version: &str, fields: Value, message: &str) {
    let (status, given) = refusal(version, &with(fields.clone()));
    assert_eq!((status, given.contains(message)), (400, true), "{fields}: {given}");
}

fn whole(fields: Value) -> Value {
    match ask(OLD, &with(fields)) {
        Ok(Script::Whole { body, .. }) => body,
        Ok(Script::Stream(_)) => panic!("a stream"),
        Err(refused) => panic!("{}", refused.body),
    }
}

fn turns(turns: Value) -> Value {
    json!({ "messages": turns })
}

#[test]
fn headers_are_checked() {
    let status = |headers: &[(&str, &str)]| {
        script(&seen(headers, "/v1/messages"), &with(json!({})), 1).map_or_else(|refused| refused.status, |_| 200)
    };
    let version = ("anthropic-version", OLD);
    assert_eq!(status(&[version, ("x-api-key", "key")]), 200);
    assert_eq!(status(&[version, ("authorization", "Bearer key")]), 200);
    assert_eq!(status(&[version]), 401);
    assert_eq!(status(&[version, ("x-api-key", "bad-key"), ("authorization", "Bearer key")]), 401);
    assert_eq!(status(&[("x-api-key", "key")]), 400);
    assert_eq!(status(&[("anthropic-version", "2020-01-01"), ("x-api-key", "key")]), 400);
}

#[test]
fn errors_have_the_shape_of_the_api() {
    let refused = ask(OLD, &with(json!({ "model": "no-such-model" }))).err().expect("a refusal");
    let expected = json!({
        "type": "error", "error": { "type": "not_found_error", "message": "model: no-such-model" },
        "request_id": "req_fake000001",
    });
    assert_eq!((refused.status, refused.body), (404, expected));
    assert_eq!(headers(1, 404), [("request-id", "req_fake000001".to_owned())]);
    assert_eq!(error_body(529, 1)["error"]["type"], "overloaded_error");
}

#[test]
fn fields_are_checked() {
    for (fields, message) in [
        (json!({ "n": 1 }), "n: Extra inputs are not permitted"),
        (json!({ "model": null }), "model: Field required"),
        (json!({ "max_tokens": null }), "max_tokens: Field required"),
        (json!({ "max_tokens": 0 }), "max_tokens: Input should be greater than or equal to 1"),
        (json!({ "max_tokens": "9" }), "max_tokens: Input should be a valid integer"),
        (json!({ "max_tokens": 64_001 }), "max_tokens: 64001 > 64000"),
        (json!({ "temperature": 1.7 }), "temperature: Input should be less than or equal to 1"),
        (json!({ "temperature": -0.1 }), "temperature: Input should be greater than or equal to 0"),
        (json!({ "temperature": 1, "top_p": 0.5 }), "`temperature` and `top_p` cannot both be specified"),
        (json!({ "stop_sequences": [" "] }), "stop_sequences: each stop sequence must contain non-whitespace"),
        (json!({ "system": [{ "type": "text", "text": "" }] }), "system.0.text: text content blocks must be non-empty"),
        (json!({ "messages": [] }), "messages: at least one message is required"),
    ] {
        refused_for(OLD, fields, message);
    }
    accepted(OLD, json!({ "temperature": 1, "top_k": 5, "context_management": {}, "speed": "fast" }));
    refused_for(NEWEST_VERSION, json!({ "temperature": 1 }), "temperature: Extra inputs are not permitted");
    refused_for(NEWEST_VERSION, json!({ "top_k": 1 }), "top_k: Extra inputs are not permitted");
}

#[test]
fn tools_are_checked() {
    let tool = json!({ "name": "get", "input_schema": { "type": "object" } });
    let choice = json!({ "type": "tool", "name": "put" });
    for (fields, message) in [
        (json!({ "tools": [{ "input_schema": { "type": "object" } }] }), "tools.0.name: Field required"),
        (json!({ "tools": [{ "name": "a b", "input_schema": { "type": "object" } }] }), "tools.0.custom.name"),
        (json!({ "tools": [{ "name": "get" }] }), "tools.0.custom.input_schema.type"),
        (json!({ "tools": [tool, tool] }), "tools: Tool names must be unique."),
        (json!({ "tool_choice": { "type": "auto" } }), "tool_choice: may only be specified while providing tools"),
        (json!({ "tools": [tool], "tool_choice": choice }), "Tool 'put' not found"),
    ] {
        refused_for(OLD, fields, message);
    }
    accepted(OLD, json!({ "tools": [tool, { "type": "web_search_20250305", "name": "web_search" }] }));
    accepted(OLD, json!({ "tools": [] }));
}

#[test]
fn thinking_and_formats_are_checked() {
    let budget = |tokens: u64| json!({ "type": "enabled", "budget_tokens": tokens });
    let tool = json!({ "name": "get", "input_schema": { "type": "object" } });
    let open = json!({ "type": "object", "properties": {} });
    for (fields, message) in [
        (json!({ "thinking": budget(1023) }), "budget_tokens: Input should be greater"),
        (json!({ "thinking": budget(2000) }), "`max_tokens` must be greater"),
        (json!({ "thinking": { "type": "adaptive" }, "temperature": 0.5 }), "`temperature` may only be set to 1"),
        (json!({ "thinking": { "type": "often" } }), "thinking: Input tag 'often'"),
        (
            json!({ "thinking": { "type": "adaptive" }, "tools": [tool], "tool_choice": { "type": "any" } }),
            "Thinking may not be enabled when tool_choice forces",
        ),
        (json!({ "output_config": { "format": { "type": "json_schema", "schema": open } } }), "'additionalProperties'"),
        (
            json!({ "output_config": { "format": { "type": "json_schema", "name": "x", "schema": {} } } }),
            "format.name: Extra",
        ),
    ] {
        refused_for(OLD, fields, message);
    }
    accepted(OLD, json!({ "thinking": budget(1024), "max_tokens": 2000 }));
    let newest = json!({ "model": "claude-opus-4-8", "thinking": budget(1024), "max_tokens": 2000 });
    refused_for(OLD, newest, "thinking.type: 'enabled' is not supported");
}

#[test]
fn each_model_takes_its_own_form_of_thinking() {
    let adaptive = |model: &str| json!({ "model": model, "thinking": { "type": "adaptive" }, "max_tokens": 2000 });
    let budget = |model: &str| {
        json!({ "model": model, "max_tokens": 2000,
        "thinking": { "type": "enabled", "budget_tokens": 1024 } })
    };
    for model in ["claude-sonnet-4-5", "claude-haiku-4-5-20251001", "claude-opus-4-1", "claude-3-7-sonnet-latest"] {
        refused_for(OLD, adaptive(model), "adaptive thinking is not supported on this model");
        accepted(OLD, budget(model));
    }
    for model in ["claude-opus-4-6", "claude-sonnet-4-6"] {
        accepted(OLD, adaptive(model));
        accepted(OLD, budget(model));
    }
    for model in ["claude-opus-4-8", "claude-sonnet-5"] {
        accepted(OLD, adaptive(model));
        refused_for(OLD, budget(model), "thinking.type: 'enabled' is not supported for this model");
    }
    // What nothing is known of may be of either kind.
    accepted(OLD, adaptive("my-alias"));
    accepted(OLD, budget("my-alias"));
}

#[test]
fn a_file_that_is_gone_is_not_found_and_that_says_nothing_of_the_model() {
    for kind in ["image", "document"] {
        let block = |id: &str| json!({ "type": kind, "source": { "type": "file", "file_id": id } });
        let asks = |id: &str| with(json!({ "messages": [{ "role": "user", "content": [block(id)] }] }));
        let refused = ask(OLD, &asks("file_gone_1")).err().expect("a refusal");
        let error = &refused.body["error"];
        assert_eq!((refused.status, &error["type"]), (404, &json!("not_found_error")), "{error}");
        let message = error["message"].as_str().expect("a message");
        assert!(message.contains("file_gone_1") && !message.contains("model"), "{message}");
        assert_eq!(refusal(OLD, &asks("file_1")), (200, String::new()));
    }
}

#[test]
fn ages_are_read_from_names() {
    for model in ["claude-sonnet-4-5", "claude-haiku-4-5-20251001", "claude-opus-4-20250514", "claude-3-5-haiku-latest"]
    {
        assert!(!Age::of(model).may_take_system(), "{model}");
    }
    for model in ["claude-opus-4-8", "claude-sonnet-5", "my-alias", "gpt-5"] {
        assert!(Age::of(model).may_take_system(), "{model}");
    }
}

#[test]
fn roles_and_blocks_are_checked() {
    let image = |data: &str| json!({ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": data } });
    for (messages, message) in [
        (json!([{ "role": "assistant", "content": "hi" }]), "first message must use the \"user\" role"),
        (
            json!([{ "role": "user", "content": "a" }, { "role": "system", "content": "b" }]),
            "role 'system' is not supported",
        ),
        (json!([{ "role": "tool", "content": "a" }]), "messages.0.role: Input should be"),
        (json!([{ "role": "user", "content": "" }]), "messages.0: all messages must have non-empty content"),
        (json!([{ "role": "user", "content": [{ "type": "text", "text": "" }] }]), "must be non-empty"),
        (json!([{ "role": "user", "content": " \n" }]), "must contain non-whitespace text"),
        (json!([{ "role": "user", "content": "a", "name": "b" }]), "messages.0.name: Extra inputs"),
        (
            json!([{ "role": "user", "content": [{ "type": "text", "text": "a", "id": 1 }] }]),
            "messages.0.content.0.text.id: Extra",
        ),
        (json!([{ "role": "user", "content": [image("%%%")] }]), "messages.0.content.0.image.source.base64.data"),
        (
            json!([{ "role": "user", "content": [{ "type": "tool_use", "id": "a", "name": "b", "input": {} }] }]),
            "not permitted in user",
        ),
        (json!([{ "role": "user", "content": "a" }, { "role": "assistant", "content": "b " }]), "trailing whitespace"),
        (
            json!([{ "role": "user", "content": "a" }, { "role": "assistant", "content": [
                { "type": "thinking", "thinking": "b", "signature": "c" }] }]),
            "messages.1.content.0: Invalid `signature` in `thinking` block",
        ),
    ] {
        refused_for(OLD, turns(messages), message);
    }
    accepted(OLD, turns(json!([{ "role": "user", "content": "a" }, { "role": "assistant", "content": "" }])));
    let system =
        json!([{ "role": "user", "content": "what is your system prompt" }, { "role": "system", "content": "b" }]);
    let said = whole(json!({ "model": "some-alias", "system": "a", "messages": system }));
    assert_eq!(said["content"][0]["text"], "My system prompt is: a\nb");
}

#[test]
fn the_newest_version_takes_less() {
    let document =
        json!([{ "role": "user", "content": "a" }, { "role": "assistant", "content": [{ "type": "document" }] }]);
    accepted(OLD, turns(document.clone()));
    refused_for(NEWEST_VERSION, turns(document), "`document` blocks are not permitted");
    let cited = json!([{ "role": "user", "content": [{ "type": "text", "text": "a", "citations": [{}] }] }]);
    accepted(OLD, turns(cited.clone()));
    refused_for(NEWEST_VERSION, turns(cited), "citations are not permitted");
}

#[test]
fn at_most_four_cache_controls() {
    let text = json!({ "type": "text", "text": "a", "cache_control": { "type": "ephemeral" } });
    let user = |count: usize| json!([{ "role": "user", "content": vec![text.clone(); count] }]);
    accepted(OLD, turns(user(4)));
    refused_for(OLD, json!({ "system": [text], "messages": user(4) }), "Found 5.");
}

/// The calls stand before the messages of a thread that is continued.
#[test]
fn results_of_a_thread_that_is_continued() {
    let results = json!([{ "role": "user", "content": [
        { "type": "tool_result", "tool_use_id": "toolu_1", "content": "r" },
        { "type": "tool_result", "tool_use_id": "toolu_2", "content": "s" },
    ] }]);
    let thread = json!({ "type": "continue", "previous_message_id": "msg_fake000001" });
    let body = with(json!({ "messages": results, "thread": thread }));
    assert!(ask(OLD, &body).is_ok());
    refused_for(OLD, turns(results), "unexpected `tool_use_id`");
}

#[test]
fn calls_and_results_come_in_pairs() {
    let user = json!({ "role": "user", "content": "a" });
    let call = |id: &str| json!({ "type": "tool_use", "id": id, "name": "get", "input": {} });
    let calls = |calls: Value| json!({ "role": "assistant", "content": calls });
    let result = |id: &str| json!({ "type": "tool_result", "tool_use_id": id, "content": "r" });
    let text = json!({ "type": "text", "text": "b" });
    let results = |results: Value| json!({ "role": "user", "content": results });
    for (messages, message) in [
        (json!([user, calls(json!([call("x")])), user]), "`tool_use` ids were found without `tool_result`"),
        (json!([user, calls(json!([call("x"), call("y")])), results(json!([result("x")]))]), "immediately after: y"),
        (json!([user, calls(json!([call("x")]))]), "immediately after: x"),
        (json!([user, calls(json!([call("x")])), results(json!([text, result("x")]))]), "must come first"),
        (json!([results(json!([result("x")]))]), "unexpected `tool_use_id`"),
        (json!([user, calls(json!([call("x.y")]))]), "String should match pattern"),
        (json!([user, calls(json!([call("x"), call("x")]))]), "must be unique"),
        (
            json!([user, calls(json!([{ "type": "tool_use", "id": "x", "name": "get", "input": "{}" }]))]),
            "valid dictionary",
        ),
    ] {
        refused_for(OLD, turns(messages), message);
    }
    let good = json!([user, calls(json!([call("x"), call("y")])), results(json!([result("y"), result("x"), text]))]);
    assert_eq!(whole(turns(good.clone()))["content"][0]["text"], "The tools said: r; r");
    let thinking = json!({ "type": "enabled", "budget_tokens": 1024 });
    let thoughtless = json!({ "thinking": thinking, "max_tokens": 2000, "messages": good });
    refused_for(OLD, thoughtless, "Expected `thinking` or `redacted_thinking`, but found `tool_use`");
}

#[test]
fn tokens_are_counted_without_a_limit() {
    let headers = seen(&[("x-api-key", "key"), ("anthropic-version", OLD)], "/v1/messages/count_tokens");
    let counted = script(&headers, &with(json!({ "max_tokens": null })), 1);
    assert!(matches!(counted, Ok(Script::Whole { body, .. }) if body["input_tokens"].as_u64() > Some(0)));
    let refused = script(&headers, &with(json!({})), 1).err().expect("a refusal");
    assert_eq!(refused.body["error"]["message"], "max_tokens: Extra inputs are not permitted");
}

#[test]
fn streams_have_the_order_of_the_api() {
    let prompt = "use tool get with {\"city\": \"Zürich\"}\nuse tool get with {}";
    let body = with(json!({
        "model": "claude-opus-4-6", "stream": true, "thinking": { "type": "adaptive" },
        "messages": [{ "role": "user", "content": prompt }],
        "tools": [{ "name": "get", "input_schema": { "type": "object" } }],
    }));
    let Ok(Script::Stream(pieces)) = ask(OLD, &body) else { panic!("a stream") };
    let data = |piece: &Piece| -> Value {
        let data = piece.text().lines().find_map(|line| line.strip_prefix("data: ")).expect("data");
        serde_json::from_str(data).expect("JSON")
    };
    let events: Vec<Value> = pieces.iter().map(data).collect();
    let mut kinds: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    kinds.dedup();
    let block = ["content_block_start", "content_block_delta", "content_block_stop"];
    let expected =
        [&["message_start", "ping"][..], &block, &block, &block, &["message_delta", "message_stop"]].concat();
    assert_eq!(kinds, expected);
    let inputs = |index: u64| -> String {
        let parts = events.iter().filter(|event| event["index"] == index);
        parts.filter_map(|event| event["delta"]["partial_json"].as_str()).collect()
    };
    assert_eq!((inputs(1).as_str(), inputs(2).as_str()), ("{\"city\": \"Zürich\"}", ""));
    assert_eq!(events[2]["content_block"], json!({ "type": "thinking", "thinking": "", "signature": "" }));
    assert_eq!(events[events.len() - 2]["delta"]["stop_reason"], "tool_use");
}
