//! All fields but the messages.

use super::*;
use pointsman_sdk::codec::FaultKind;

#[test]
fn a_small_request_says_nothing_more_than_it_must() {
    let (body, dropped) = encode(json!({}), hello()).unwrap();
    assert_eq!(body, json!({"model": "gpt-x", "messages": [{"role": "user", "content": "Hello"}]}));
    assert!(dropped.is_empty());
}

#[test]
fn every_field_has_its_place() {
    let request = Request {
        tools: vec![Tool { description: Some("Looks.".into()), strict: Some(true), ..tool("look") }],
        tool_choice: Some(ToolChoice::Named("look".into())),
        parallel_tool_calls: Some(false),
        max_output_tokens: Some(100),
        temperature: Some(0.7),
        top_p: Some(0.9),
        stop: vec!["END".into()],
        seed: Some(-3),
        reasoning_effort: Some("max".into()),
        reasoning_budget_tokens: Some(1),
        stream: true,
        user: Some("u-1".into()),
        ..hello()
    };
    let (body, _) = encode(json!({}), request).unwrap();
    let function = json!({
        "name": "look", "description": "Looks.", "parameters": {"type": "object", "properties": {}}, "strict": true,
    });
    let expected = json!({
        "model": "gpt-x", "messages": [{"role": "user", "content": "Hello"}],
        "tools": [{"type": "function", "function": function}],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "parallel_tool_calls": false, "max_completion_tokens": 100, "temperature": 0.7, "top_p": 0.9,
        "reasoning_effort": "xhigh", "stop": ["END"], "seed": -3, "user": "u-1",
        "stream": true, "stream_options": {"include_usage": true},
    });
    assert_eq!(body, expected);
}

#[test]
fn settings_say_how_a_server_differs() {
    let request = || Request {
        max_output_tokens: Some(9),
        temperature: Some(1.0),
        top_p: Some(0.5),
        reasoning_effort: Some("low".into()),
        ..hello()
    };
    let (body, _) = encode(json!({"max_tokens_field": "max_tokens"}), request()).unwrap();
    assert_eq!((&body["max_tokens"], &body["max_completion_tokens"]), (&json!(9), &Value::Null));
    let (body, dropped) = encode(json!({"sampling": false, "reasoning_effort": false}), request()).unwrap();
    assert_eq!(dropped, ["reasoning_effort", "temperature", "top_p"]);
    assert!(body.get("temperature").is_none() && body.get("reasoning_effort").is_none());

    let fault = encode(json!({"max_token_field": "x"}), hello()).unwrap_err();
    assert!(
        fault.message.contains("max_token_field") && fault.message.contains("max_tokens_field"),
        "{}",
        fault.message
    );
    assert!(<Codec as Provider>::forward("{\"x\":1}".into(), "chat".into(), "m".into(), false).is_err());
}

#[test]
fn the_path_goes_behind_a_base_url_with_its_version() {
    let call = <Codec as Provider>::forward("{}".into(), "chat".into(), "m".into(), true).unwrap();
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/chat/completions"));
    assert_eq!(call.framing, pointsman_sdk::codec::provider::Framing::Sse);
    let encoded = <Codec as Provider>::encode("{}".into(), "chat".into(), hello(), unknown()).unwrap();
    assert_eq!(encoded.call.framing, pointsman_sdk::codec::provider::Framing::WholeBody);
    assert!(<Codec as Provider>::forward("{}".into(), "embed".into(), "m".into(), true).is_err());
}

#[test]
fn foreign_fields_are_dropped_and_told() {
    let extras = vec![Extra { name: "top_k".into(), value: "5".into() }];
    let (body, dropped) = encode(json!({}), Request { extras, ..hello() }).unwrap();
    assert_eq!(dropped, ["top_k"]);
    assert!(body.get("top_k").is_none());
}

#[test]
fn without_tools_nothing_is_said_about_them() {
    let request = Request { tool_choice: Some(ToolChoice::Auto), parallel_tool_calls: Some(true), ..hello() };
    let (body, _) = encode(json!({}), request).unwrap();
    assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
    let fault = encode(json!({}), Request { tool_choice: Some(ToolChoice::Required), ..hello() }).unwrap_err();
    assert_eq!(field(&fault), "tool_choice");
}

#[test]
fn what_openai_cannot_take_is_refused_by_name() {
    let five = vec![String::from("x"); 5];
    let cases = [
        (Request { stop: five, ..hello() }, "stop", FaultKind::Unsupported),
        (Request { tools: vec![tool(&"x".repeat(65))], ..hello() }, "tools[0].name", FaultKind::Unsupported),
        (Request { tools: vec![tool("ok"), tool("no spaces")], ..hello() }, "tools[1].name", FaultKind::Unsupported),
        (
            Request { tools: vec![Tool { parameters: "[".into(), ..tool("f") }], ..hello() },
            "tools[0].parameters",
            FaultKind::InvalidRequest,
        ),
        (Request { reasoning_effort: Some("huge".into()), ..hello() }, "reasoning_effort", FaultKind::Unsupported),
    ];
    for (request, name, kind) in cases {
        let fault = encode(json!({}), request).unwrap_err();
        assert_eq!((field(&fault), fault.kind), (name, kind));
    }
}

#[test]
fn budgets_become_levels() {
    for (budget, level) in [(0, "none"), (1024, "low"), (8_000, "medium"), (32_000, "high")] {
        let (body, _) = encode(json!({}), Request { reasoning_budget_tokens: Some(budget), ..hello() }).unwrap();
        assert_eq!(body["reasoning_effort"], level);
    }
}

#[test]
fn a_long_user_is_hashed_and_a_warm_temperature_cut() {
    let request = Request { user: Some("{\"device\":1}".repeat(20)), temperature: Some(2.5), ..hello() };
    let (body, _) = encode(json!({}), request).unwrap();
    assert_eq!(body["user"].as_str().unwrap().len(), 64);
    assert_eq!(body["temperature"], json!(2.0));
}

#[test]
fn a_schema_is_strict_where_openai_would_take_it() {
    let encode_schema = |schema: Value, name: Option<&str>, strict: Option<bool>| {
        let name = name.map(String::from);
        let format = JsonSchema { name, description: None, schema: schema.to_string(), strict };
        let request = Request { output: OutputFormat::JsonSchema(format), ..hello() };
        encode(json!({}), request).map(|(mut body, _)| body["response_format"].take()).unwrap()
    };
    let closed = json!({
        "type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false,
    });
    let expected =
        json!({"type": "json_schema", "json_schema": {"name": "response", "schema": closed, "strict": true}});
    assert_eq!(encode_schema(closed.clone(), None, None), expected);
    assert_eq!(encode_schema(closed.clone(), Some("city"), Some(false))["json_schema"]["name"], "city");
    assert_eq!(encode_schema(closed.clone(), Some("a city"), Some(false))["json_schema"]["strict"], false);
    let optional = json!({"type": "array", "items": {
        "type": "object", "properties": {"a": {}, "b": {}}, "required": ["a"], "additionalProperties": false,
    }});
    assert_eq!(encode_schema(optional, None, None)["json_schema"]["strict"], false);
    let (body, _) = encode(json!({}), Request { output: OutputFormat::JsonObject, ..hello() }).unwrap();
    assert_eq!(body["response_format"], json!({"type": "json_object"}));
}
