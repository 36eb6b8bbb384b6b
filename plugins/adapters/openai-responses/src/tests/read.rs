//! The fields of a caller's body.

use super::*;

#[test]
fn the_smallest_body() {
    let request = read(json!({"model": "m", "input": "hi"}));
    assert_eq!((request.model.as_str(), request.protocol.as_str()), ("m", "openai-responses"));
    assert_eq!(request.messages, [user(vec![text("hi")])]);
    assert!(!request.stream && request.extras.is_empty());
}

#[test]
fn plain_fields() {
    let request = read(body_with(json!({
        "instructions": "be brief", "max_output_tokens": 50, "temperature": 0.5, "top_p": 0.9, "stream": true,
        "parallel_tool_calls": false, "user": "old", "safety_identifier": "new",
    })));
    assert_eq!(request.messages, [system("be brief"), user(vec![text("hi")])]);
    assert_eq!((request.max_output_tokens, request.temperature, request.top_p), (Some(50), Some(0.5), Some(0.9)));
    assert_eq!((request.parallel_tool_calls, request.stream), (Some(false), true));
    assert_eq!(request.user.as_deref(), Some("new"));
}

#[test]
fn what_binds_to_one_provider_is_refused() {
    for (field, value) in [
        ("previous_response_id", json!("resp_1")),
        ("conversation", json!("conv_1")),
        ("background", json!(true)),
        ("prompt", json!({"id": "pmpt_1"})),
        ("top_logprobs", json!(2)),
    ] {
        let fault = read_fault(body_with(json!({field: value})));
        assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::Unsupported, Some(field)));
    }
    let harmless = json!({"previous_response_id": null, "conversation": null, "background": false, "top_logprobs": 0});
    assert!(read(body_with(harmless)).extras.is_empty());
}

#[test]
fn what_changes_nothing_is_forgotten() {
    let request = read(body_with(json!({
        "store": true, "include": ["reasoning.encrypted_content"], "reasoning": {"effort": "low"},
    })));
    assert!(request.extras.is_empty());
}

#[test]
fn includes() {
    let request = read(body_with(json!({"include": ["web_search_call.action.sources"]})));
    assert_eq!(request.extras, [extra("include", json!(["web_search_call.action.sources"]))]);
    let fault = read_fault(body_with(json!({"include": ["message.output_text.logprobs"]})));
    assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::Unsupported, Some("include[0]")));
}

#[test]
fn reasoning_and_text() {
    let request = read(body_with(json!({
        "reasoning": {"effort": "high", "summary": "auto"}, "text": {"verbosity": "low"}, "metadata": {"a": "b"},
    })));
    assert_eq!(request.reasoning_effort.as_deref(), Some("high"));
    assert_eq!(
        request.extras,
        [
            extra("metadata", json!({"a": "b"})),
            extra("text.verbosity", json!("low")),
            extra("reasoning.summary", json!("auto"))
        ]
    );
    assert_eq!(
        read_fault(body_with(json!({"reasoning": {"effort": "huge"}}))).field.as_deref(),
        Some("reasoning.effort")
    );
}

#[test]
fn formats() {
    let format = |format: Value| read(body_with(json!({"text": {"format": format}}))).output;
    assert!(matches!(format(json!({"type": "text"})), OutputFormat::Text));
    assert!(matches!(format(json!({"type": "json_object"})), OutputFormat::JsonObject));
    let flat = json!({"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true});
    let OutputFormat::JsonSchema(schema) = format(flat) else { panic!("expected a schema") };
    assert_eq!((schema.name.as_deref(), schema.strict), (Some("n"), Some(true)));
    assert_eq!(schema.schema, r#"{"type":"object"}"#);
    let fault = read_fault(body_with(json!({"text": {"format": {"type": "grammar"}}})));
    assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::Unsupported, Some("text.format.type")));
}

#[test]
fn tools() {
    let request = read(body_with(json!({
        "tools": [
            {"type": "function", "name": "look", "description": "d", "parameters": {"type": "object"}, "strict": false},
            {"type": "function", "name": "wait", "parameters": null},
        ],
        "tool_choice": {"type": "function", "name": "look"},
    })));
    let [look, wait] = request.tools.as_slice() else { panic!("expected two tools") };
    assert_eq!((look.name.as_str(), look.description.as_deref(), look.strict), ("look", Some("d"), Some(false)));
    assert_eq!(wait.parameters, r#"{"type":"object","properties":{}}"#);
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("look".into())));
    for (word, choice) in [("auto", ToolChoice::Auto), ("none", ToolChoice::None), ("required", ToolChoice::Required)] {
        assert_eq!(read(body_with(json!({"tool_choice": word}))).tool_choice, Some(choice));
    }
}

#[test]
fn tools_that_others_do_not_have() {
    // What its provider runs is left out and named, unless the model must use it.
    let request = read(body_with(json!({"tools": [{"type": "web_search"}], "tool_choice": "auto"})));
    assert_eq!((request.tools.len(), request.extras[0].name.as_str()), (0, "tools.web_search"));
    let fault = read_fault(body_with(json!({"tools": [{"type": "web_search"}], "tool_choice": "required"})));
    assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::Unsupported, Some("tool_choice")));
    let fault =
        read_fault(body_with(json!({"tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search"}})));
    assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::Unsupported, Some("tool_choice.type")));
    let choice = json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "web_search"}]});
    let fault = read_fault(body_with(json!({"tools": [{"type": "web_search"}], "tool_choice": choice})));
    assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::Unsupported, Some("tool_choice")));
}

#[test]
fn the_callers_mistakes_name_their_field() {
    for (body, field) in [
        (json!({"input": "hi"}), "model"),
        (json!({"model": "m"}), "input"),
        (json!({"model": "m", "input": 3}), "input"),
        (json!({"model": "m", "input": []}), "input"),
        (body_with(json!({"temperature": 3})), "temperature"),
        (body_with(json!({"max_output_tokens": -1})), "max_output_tokens"),
        (body_with(json!({"tool_choice": "maybe"})), "tool_choice"),
        (body_with(json!({"tool_choice": {"type": "allowed_tools"}})), "tool_choice.mode"),
        (
            body_with(json!({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{}]}})),
            "tool_choice.tools[0].type",
        ),
        (body_with(json!({"tools": [{"type": "function"}]})), "tools[0].name"),
    ] {
        let fault = read_fault(body);
        assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::InvalidRequest, Some(field)));
    }
}
