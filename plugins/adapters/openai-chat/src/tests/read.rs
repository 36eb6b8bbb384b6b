//! All fields but the messages.

use super::*;
use pointsman_sdk::codec::FaultKind;

#[test]
fn every_field_has_its_place() {
    let request = read_with(json!({
        "max_completion_tokens": 100, "max_tokens": 50, "temperature": 1.5, "top_p": 0.25, "stop": ["a", "b"],
        "seed": -7, "reasoning_effort": "high", "user": "old", "safety_identifier": "new", "stream": true,
        "parallel_tool_calls": false, "tool_choice": "required",
        "tools": [{"type": "function", "function": {
            "name": "f", "description": "d", "strict": true, "parameters": {"type": "object", "properties": {"x": {}}},
        }}],
    }))
    .unwrap();
    let tool = Tool {
        description: Some("d".into()),
        strict: Some(true),
        parameters: r#"{"type":"object","properties":{"x":{}}}"#.into(),
        ..tool("f")
    };
    let expected = Request {
        model: "m".into(),
        protocol: "openai-chat".into(),
        max_output_tokens: Some(100),
        temperature: Some(1.5),
        top_p: Some(0.25),
        stop: vec!["a".into(), "b".into()],
        seed: Some(-7),
        reasoning_effort: Some("high".into()),
        user: Some("new".into()),
        stream: true,
        parallel_tool_calls: Some(false),
        tool_choice: Some(ToolChoice::Required),
        tools: vec![tool],
        // The older name of two is one more field that only this protocol knows.
        extras: vec![Extra { name: "user".into(), value: "\"old\"".into() }],
        ..hello()
    };
    assert_eq!(request, expected);
}

#[test]
fn older_and_shorter_forms_are_read_too() {
    let request = read_with(json!({"max_tokens": 50, "stop": "END", "user": "u", "stream": null})).unwrap();
    assert_eq!((request.max_output_tokens, request.user.as_deref()), (Some(50), Some("u")));
    assert_eq!((request.stop, request.stream), (vec!["END".to_owned()], false));
}

#[test]
fn harmless_values_are_taken_and_forgotten() {
    let harmless = json!({"n": 1, "logprobs": false, "top_logprobs": 0, "modalities": ["text"], "logit_bias": {}});
    assert!(read_with(harmless).unwrap().extras.is_empty());
}

#[test]
fn fields_that_only_openai_serves_are_refused_by_name() {
    let cases = [
        (json!({"n": 2}), "n"),
        (json!({"logprobs": true}), "logprobs"),
        (json!({"top_logprobs": 3}), "top_logprobs"),
        (json!({"modalities": ["text", "audio"]}), "modalities"),
        (json!({"audio": {"voice": "x", "format": "wav"}}), "audio"),
        (json!({"logit_bias": {"50256": -100}}), "logit_bias"),
        (json!({"prediction": {"type": "content", "content": "x"}}), "prediction"),
        (json!({"web_search_options": {}}), "web_search_options"),
        (json!({"functions": []}), "functions"),
        (json!({"function_call": "auto"}), "function_call"),
        (json!({"tools": [{"type": "grammar", "grammar": {"name": "x"}}]}), "tools[0].type"),
        (json!({"response_format": {"type": "grammar"}}), "response_format.type"),
    ];
    for (fields, name) in cases {
        let fault = read_with(fields).unwrap_err();
        assert_eq!((field(&fault), fault.kind), (name, FaultKind::Unsupported));
    }
}

#[test]
fn only_allowed_tools_are_offered_elsewhere() {
    let named = |name: &str| json!({"type": "function", "function": {"name": name}});
    for (allowed, mode, offered, choice) in [
        (vec!["b"], "auto", vec!["b"], Some(ToolChoice::Auto)),
        (vec!["c", "a"], "required", vec!["a", "c"], Some(ToolChoice::Required)),
        (vec!["unknown"], "auto", vec![], None),
        (vec![], "auto", vec![], None),
    ] {
        let tools: Vec<Value> = allowed.into_iter().map(named).collect();
        let choose = json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}});
        let tools: Vec<Value> = ["a", "b", "c"].into_iter().map(named).collect();
        let request = read_with(json!({"tools": tools, "tool_choice": choose})).unwrap();
        assert_eq!(request.tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), offered);
        assert_eq!(request.tool_choice, choice);
    }
}

#[test]
fn mistakes_are_named() {
    let cases = [
        (json!({"model": null}), "model"),
        (json!({"messages": null}), "messages"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": "hi"}), "messages"),
        (json!({"temperature": 2.1}), "temperature"),
        (json!({"temperature": "warm"}), "temperature"),
        (json!({"max_tokens": -1}), "max_tokens"),
        (json!({"stop": ["a", 1]}), "stop[1]"),
        (json!({"stop": 7}), "stop"),
        (json!({"stream": "yes"}), "stream"),
        (json!({"stream_options": true}), "stream_options"),
        (json!({"reasoning_effort": "huge"}), "reasoning_effort"),
        (json!({"tools": [{"type": "function", "function": {}}]}), "tools[0].function.name"),
        (
            json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]}),
            "tools[0].function.parameters",
        ),
        (json!({"tool_choice": "maybe"}), "tool_choice"),
        (json!({"tool_choice": {"type": "function"}}), "tool_choice.function"),
        (json!({"tool_choice": {"type": "allowed_tools"}}), "tool_choice.allowed_tools"),
        (
            json!({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"tools": []}}}),
            "tool_choice.allowed_tools.mode",
        ),
        (
            json!({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function"}]}}}),
            "tool_choice.allowed_tools.tools[0].function",
        ),
        (
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}),
            "response_format.json_schema.schema",
        ),
    ];
    for (fields, name) in cases {
        let fault = read_with(fields.clone()).unwrap_err();
        assert_eq!((field(&fault), fault.kind), (name, FaultKind::InvalidRequest), "{fields}");
    }
}

#[test]
fn what_nobody_knows_survives_as_extras() {
    let extras =
        read_with(json!({"presence_penalty": 0.50, "metadata": {"a": "b"}, "verbosity": "low", "brand_new": [1]}));
    let extras: Vec<_> = extras.unwrap().extras.into_iter().map(|extra| (extra.name, extra.value)).collect();
    let expected =
        [("presence_penalty", "0.5"), ("metadata", r#"{"a":"b"}"#), ("verbosity", "\"low\""), ("brand_new", "[1]")];
    assert_eq!(extras, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn tool_choices_and_formats() {
    let choice = |value: Value| read_with(json!({"tool_choice": value})).unwrap().tool_choice;
    assert_eq!(choice(json!("auto")), Some(ToolChoice::Auto));
    assert_eq!(choice(json!("none")), Some(ToolChoice::None));
    let named = json!({"type": "function", "function": {"name": "f"}});
    assert_eq!(choice(named), Some(ToolChoice::Named("f".into())));

    let output = |value: Value| read_with(json!({"response_format": value})).unwrap().output;
    assert_eq!(output(json!({"type": "text"})), OutputFormat::Text);
    assert_eq!(output(json!({"type": "json_object"})), OutputFormat::JsonObject);
    let schema =
        json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": true}});
    let expected = JsonSchema {
        name: Some("n".into()),
        description: None,
        schema: "{\"type\":\"object\"}".into(),
        strict: Some(true),
    };
    assert_eq!(output(schema), OutputFormat::JsonSchema(expected));
}

#[test]
fn a_tool_without_parameters_gets_an_empty_schema() {
    let tools = read_with(json!({"tools": [{"type": "function", "function": {"name": "f"}}]})).unwrap().tools;
    let schema: Value = serde_json::from_str(&tools[0].parameters).unwrap();
    assert_eq!(schema, json!({"type": "object", "properties": {}}));
}
