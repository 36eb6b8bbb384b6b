//! Requests of other protocols as Messages bodies: everything but the conversation.

use super::*;
use pointsman_sdk::codec::provider::Framing;

#[test]
fn the_smallest_request_gets_a_generous_limit() {
    let (body, dropped) = encode(ask("hi"));
    let content = json!([{ "type": "text", "text": "hi" }]);
    let expected =
        json!({ "model": "claude", "max_tokens": 8192, "messages": [{ "role": "user", "content": content }] });
    assert_eq!(body, expected);
    assert!(dropped.is_empty());
    assert_eq!(encode_with(r#"{"max_tokens":100}"#, ask("hi")).0["max_tokens"], 100);
    assert_eq!(encode(Request { max_output_tokens: Some(7), ..ask("hi") }).0["max_tokens"], 7);
}

#[test]
fn the_call_names_a_version_that_takes_sampling() {
    let encoded = Codec::encode("{}".into(), "chat".into(), Request { stream: true, ..ask("hi") }, no_facts()).unwrap();
    assert_eq!(encoded.call.path, "/v1/messages");
    assert_eq!(encoded.call.framing, Framing::Sse);
    let header = &encoded.call.headers[0];
    assert_eq!((header.name.as_str(), header.value.as_str()), ("anthropic-version", "2023-06-01"));
    let forwarded = Codec::forward("{}".into(), "chat".into(), "m".into(), false).unwrap();
    assert_eq!(forwarded.framing, Framing::WholeBody);
}

#[test]
fn sampling_is_clamped_and_never_doubled() {
    let (body, dropped) = encode(Request { temperature: Some(1.7), top_p: Some(0.9), ..ask("hi") });
    assert_eq!(body["temperature"], json!(1.0));
    assert!(body.get("top_p").is_none());
    assert_eq!(dropped, ["top_p"]);
    assert_eq!(encode(Request { top_p: Some(0.9), ..ask("hi") }).0["top_p"], json!(0.9));
}

#[test]
fn tools_and_choice() {
    let tools = vec![
        Tool { description: Some("looks".into()), strict: Some(true), ..tool("look", json!({ "properties": {} })) },
        Tool { parameters: String::new(), ..tool("wait", json!({})) },
    ];
    let asked = Request { tools, parallel_tool_calls: Some(false), ..ask("hi") };
    let (body, _) = encode(asked.clone());
    let look = json!({ "name": "look", "description": "looks", "strict": true,
        "input_schema": { "properties": {}, "type": "object" } });
    assert_eq!(body["tools"], json!([look, { "name": "wait", "input_schema": { "type": "object" } }]));
    assert_eq!(body["tool_choice"], json!({ "type": "auto", "disable_parallel_tool_use": true }));

    let choices = [
        (ToolChoice::None, json!({ "type": "none" })),
        (ToolChoice::Required, json!({ "type": "any", "disable_parallel_tool_use": true })),
        (
            ToolChoice::Named("look".into()),
            json!({ "type": "tool", "name": "look", "disable_parallel_tool_use": true }),
        ),
    ];
    for (choice, wire) in choices {
        assert_eq!(encode(Request { tool_choice: Some(choice), ..asked.clone() }).0["tool_choice"], wire);
    }
}

#[test]
fn a_choice_without_tools_is_not_sent() {
    let (body, _) =
        encode(Request { tool_choice: Some(ToolChoice::Auto), parallel_tool_calls: Some(true), ..ask("hi") });
    assert!(body.get("tool_choice").is_none() && body.get("tools").is_none());
}

#[test]
fn schemas_of_answers_are_closed() {
    let schema = json!({ "type": "object", "properties": {
        "type": { "type": "object", "properties": {} },
        "many": { "type": "array", "items": { "anyOf": [{ "type": "object" }, { "type": "null" }] } },
        "free": { "type": "object", "additionalProperties": { "type": "string" } },
    } });
    let wanted =
        JsonSchema { name: Some("n".into()), description: None, schema: schema.to_string(), strict: Some(true) };
    let (body, _) = encode(Request { output: OutputFormat::JsonSchema(wanted), ..ask("hi") });
    let format = &body["output_config"]["format"];
    assert_eq!(format["type"], "json_schema");
    assert_eq!(format.as_object().unwrap().len(), 2, "no name and no strict: {format}");
    let schema = &format["schema"];
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["type"]["additionalProperties"], false);
    assert_eq!(schema["properties"]["many"]["items"]["anyOf"][0]["additionalProperties"], false);
    assert_eq!(schema["properties"]["free"]["additionalProperties"], json!({ "type": "string" }));
    assert!(schema["properties"].get("additionalProperties").is_none());
}

#[test]
fn json_mode_becomes_an_instruction_and_is_told() {
    let (body, dropped) = encode(Request { output: OutputFormat::JsonObject, ..ask("hi") });
    assert!(body["system"][0]["text"].as_str().unwrap().contains("JSON object"));
    assert_eq!(dropped, ["json_object"]);
}

#[test]
fn effort_lets_the_model_think() {
    let asked = Request { reasoning_effort: Some("minimal".into()), temperature: Some(0.5), ..ask("hi") };
    let (body, dropped) = encode(asked.clone());
    assert_eq!(body["output_config"], json!({ "effort": "low" }));
    assert_eq!(body["thinking"], json!({ "type": "adaptive" }));
    assert!(body.get("temperature").is_none(), "refused while thinking");
    assert_eq!(dropped, ["temperature"]);

    let (body, _) = encode(Request { reasoning_effort: Some("none".into()), ..asked.clone() });
    assert_eq!((&body["thinking"], &body["temperature"]), (&json!({ "type": "disabled" }), &json!(0.5)));
    let tools = vec![tool("look", json!({}))];
    let (body, _) = encode(Request { tools, tool_choice: Some(ToolChoice::Required), ..asked });
    assert!(body.get("thinking").is_none(), "refused with a forced tool");
}

#[test]
fn a_budget_leaves_room_for_the_answer() {
    let budget = |budget, limit, messages| {
        encode(Request { reasoning_budget_tokens: Some(budget), max_output_tokens: limit, messages, ..ask("") })
    };
    let hi = || ask("hi").messages;
    let (body, _) = budget(10_000, None, hi());
    assert_eq!((&body["max_tokens"], &body["thinking"]["budget_tokens"]), (&json!(18_192), &json!(10_000)));
    let (body, _) = budget(10_000, Some(4096), hi());
    assert_eq!((&body["max_tokens"], &body["thinking"]["budget_tokens"]), (&json!(4096), &json!(4095)));
    let tool_turn = vec![user(vec![text("hi")]), assistant(vec![call("c", "{}")]), user(vec![result("c", "x")])];
    for (body, dropped) in [budget(10_000, Some(1024), hi()), budget(2048, None, tool_turn)] {
        assert!(body.get("thinking").is_none());
        assert_eq!(dropped, ["reasoning_budget_tokens"]);
    }
}

#[test]
fn what_cannot_be_said_is_named() {
    let extras = vec![extra("logprobs", json!(true))];
    let (body, dropped) = encode(Request { seed: Some(1), extras, user: Some("u1".into()), ..ask("hi") });
    assert_eq!(dropped, ["seed", "logprobs"]);
    assert_eq!(body["metadata"], json!({ "user_id": "u1" }));
    assert!(body.get("seed").is_none() && body.get("logprobs").is_none());
}

#[test]
fn what_would_change_the_meaning_is_refused() {
    assert_eq!(encode_unsupported(Request { stop: vec!["a".into(), "\n".into()], ..ask("hi") }), "stop");
    assert_eq!(encode(Request { stop: vec!["END".into()], ..ask("hi") }).0["stop_sequences"], json!(["END"]));
    let tools = vec![tool("look", json!({})), tool("look.at", json!({}))];
    assert_eq!(encode_unsupported(Request { tools, ..ask("hi") }), "tools[1].name");
}
