//! A caller of this protocol, a provider of this protocol, and the contract between them.

use super::*;

/// What is the same to the API: blocks for a string, absent for null, for `false` and for an empty list or object where
/// that is the default. Numbers are compared by value.
pub fn normal(body: Value) -> Value {
    let mut body = plain(body);
    for name in ["stream", "stop_sequences", "tools", "metadata", "output_config", "mcp_servers"] {
        let is_default = body.get(name).is_some_and(|value| {
            value == false
                || value.as_array().is_some_and(Vec::is_empty)
                || value.as_object().is_some_and(serde_json::Map::is_empty)
        });
        if is_default {
            body.as_object_mut().unwrap().shift_remove(name);
        }
    }
    if let Some(system) = body.get_mut("system") {
        blocks(system);
    }
    for message in body["messages"].as_array_mut().unwrap() {
        blocks(&mut message["content"]);
        for block in message["content"].as_array_mut().unwrap() {
            if block["type"] != "tool_result" {
                continue;
            }
            if block.get("content").is_some() {
                blocks(&mut block["content"]);
            }
            let block = block.as_object_mut().unwrap();
            if block.get("is_error").is_some_and(|failed| failed == false) {
                block.shift_remove("is_error");
            }
            if block.get("content").is_some_and(|content| content.as_array().unwrap().is_empty()) {
                block.shift_remove("content");
            }
        }
    }
    for tool in body.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten() {
        if tool.get("type").is_some_and(|kind| kind == "custom") {
            tool.as_object_mut().unwrap().shift_remove("type");
        }
    }
    if let Some(choice) = body.get_mut("tool_choice")
        && choice.get("disable_parallel_tool_use").is_some_and(|disabled| disabled == false)
    {
        choice.as_object_mut().unwrap().shift_remove("disable_parallel_tool_use");
    }
    body
}

fn blocks(content: &mut Value) {
    if let Some(text) = content.as_str() {
        *content = if text.is_empty() { json!([]) } else { json!([{ "type": "text", "text": text }]) };
    }
}

/// Without null fields, and with numbers in one form. (The order of fields does not count when values are compared.)
fn plain(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let fields = map.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(fields.map(|(name, value)| (name, plain(value))).collect())
        }
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::Number(number) => json!(number.as_f64().unwrap()),
        other => other,
    }
}

fn survives(body: Value) {
    let (encoded, dropped) = encode(read(body.clone()));
    assert_eq!(normal(encoded), normal(body));
    assert!(dropped.is_empty(), "{dropped:?}");
}

#[test]
fn everything_goes_back_where_it_was() {
    let mark = json!({ "type": "ephemeral", "ttl": "1h", "scope": "global" });
    survives(json!({
        "model": "m", "max_tokens": 30_000, "stream": true, "temperature": 1, "top_p": 0.95, "top_k": 40,
        "system": [{ "type": "text", "text": "billing" }, { "type": "text", "text": "be brief", "cache_control": mark }],
        "messages": [
            { "role": "user", "content": "one" },
            { "role": "user", "content": [
                { "type": "text", "text": "two", "citations": [{ "type": "char_location" }] },
                { "type": "image", "source": { "type": "file", "file_id": "file_1" }, "cache_control": mark },
                { "type": "document", "title": "Notes", "context": "c", "citations": { "enabled": true },
                    "source": { "type": "text", "media_type": "text/plain", "data": "plain words", "novelty": 1 } },
                { "type": "document", "source": { "type": "text", "media_type": "text/plain", "data": "untitled" } },
                { "type": "document", "source": { "type": "url", "url": "https://x.test/a.pdf" } },
            ], "novelty": { "a": [1] } },
            { "role": "system", "content": "Available agent types: …" },
            { "role": "assistant", "content": [
                { "type": "thinking", "thinking": "hm", "signature": "sig", "novelty": true },
                { "type": "redacted_thinking", "data": "xyz" },
                { "type": "tool_use", "id": "toolu_1", "name": "look", "input": { "n": 12345678901234567890_u64 },
                    "caller": { "type": "direct" } },
            ] },
            { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "toolu_1", "is_error": false, "cache_control": mark, "content": [
                    { "type": "text", "text": "ok", "cache_control": mark },
                    { "type": "document", "source": { "type": "text", "media_type": "text/plain", "data": "d" } },
                ] },
                { "type": "text", "text": "go on" },
            ] },
        ],
        "tools": [{ "name": "look", "type": "custom", "description": "looks", "strict": false, "defer_loading": true,
            "input_schema": { "type": "object", "$schema": "x", "properties": { "n": { "const": 1.50 } } },
            "eager_input_streaming": true, "cache_control": mark }],
        "tool_choice": { "type": "auto", "disable_parallel_tool_use": false, "novelty": 1 },
        "thinking": { "type": "enabled", "budget_tokens": 40_000, "display": "summarized", "novelty": 1 },
        "output_config": { "effort": "max", "task_budget": { "total": 5 },
            "format": { "type": "json_schema", "schema": { "type": "object" }, "novelty": 1 } },
        "metadata": { "user_id": "u", "team": "x" }, "stop_sequences": ["END"], "service_tier": "auto", "inference_geo": "global",
        "context_management": { "edits": [{ "type": "clear_thinking_20251015", "keep": "all" }] },
        "cache_control": mark, "novelty": [null, { "x": null }], "mcp_servers": [],
    }));
}

#[test]
fn kinds_of_thinking_survive() {
    for thinking in [
        json!({ "type": "adaptive" }),
        json!({ "type": "adaptive", "display": "omitted" }),
        json!({ "type": "between_tools" }),
        json!({ "type": "disabled" }),
        json!({ "type": "enabled", "budget_tokens": 1024 }),
        Value::Null,
    ] {
        for config in [json!({ "effort": "low" }), json!({}), json!({ "task_budget": 1 })] {
            survives(body_with(json!({ "max_tokens": 2000, "thinking": thinking, "output_config": config })));
        }
    }
}

#[test]
fn a_clamped_limit_clamps_the_budget() {
    let facts = ModelFacts { output_tokens: Some(8000), ..no_facts() };
    let thinking = json!({ "type": "enabled", "budget_tokens": 16_000 });
    let (body, _) = encode_for(facts, read(body_with(json!({ "max_tokens": 32_000, "thinking": thinking }))));
    assert_eq!((&body["max_tokens"], &body["thinking"]["budget_tokens"]), (&json!(8000), &json!(7999)));
}

#[test]
fn what_another_provider_made_is_left_out_and_the_rest_stays() {
    let body = body_with(json!({ "top_k": 5, "messages": [
        { "role": "user", "content": "go" },
        { "role": "assistant", "content": [
            { "type": "thinking", "thinking": "hm", "signature": "pointsman:gemini:x" },
            { "type": "text", "text": "done" },
        ] },
        { "role": "assistant", "content": [{ "type": "redacted_thinking", "data": "pointsman:openai-responses:x" }] },
        { "role": "user", "content": "more" },
    ] }));
    let mut expected = body.clone();
    expected["messages"] = json!([
        { "role": "user", "content": "go" },
        { "role": "assistant", "content": "done" },
        { "role": "user", "content": "more" },
    ]);
    let (encoded, dropped) = encode(read(body));
    assert_eq!(normal(encoded), normal(expected));
    assert_eq!(dropped, ["reasoning"]);
}
