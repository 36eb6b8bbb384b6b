//! Callers' requests: everything but the conversation.

use super::*;

#[test]
fn every_field_that_others_know() {
    let request = read(json!({
        "model": "claude-x", "max_tokens": 512, "stream": true, "system": "be brief",
        "messages": [{ "role": "user", "content": "hi" }],
        "temperature": 0.7, "top_p": 0.9, "stop_sequences": ["END"], "metadata": { "user_id": "u1" },
        "tools": [{ "name": "look", "description": "looks", "input_schema": { "type": "object" }, "strict": true }],
        "tool_choice": { "type": "tool", "name": "look", "disable_parallel_tool_use": true },
        "thinking": { "type": "enabled", "budget_tokens": 2048 },
        "output_config": { "effort": "xhigh", "format": { "type": "json_schema", "schema": { "type": "object" } } },
    }));
    let parameters = json!({ "type": "object" });
    let output = JsonSchema { name: None, description: None, schema: parameters.to_string(), strict: None };
    let expected = Request {
        model: "claude-x".into(),
        protocol: "anthropic-messages".into(),
        messages: vec![system("be brief"), user(vec![text("hi")])],
        tools: vec![Tool { description: Some("looks".into()), strict: Some(true), ..tool("look", parameters) }],
        tool_choice: Some(ToolChoice::Named("look".into())),
        parallel_tool_calls: Some(false),
        output: OutputFormat::JsonSchema(output),
        max_output_tokens: Some(512),
        temperature: Some(0.7),
        top_p: Some(0.9),
        stop: vec!["END".into()],
        reasoning_effort: Some("xhigh".into()),
        reasoning_budget_tokens: Some(2048),
        stream: true,
        user: Some("u1".into()),
        ..ask("")
    };
    assert_eq!(request, expected);
}

#[test]
fn what_only_anthropic_knows_becomes_extras() {
    let request = read(body_with(json!({
        "top_k": 5, "service_tier": "auto", "context_management": { "edits": [] }, "mcp_servers": [],
        "inference_geo": "global", "thinking": { "type": "adaptive", "novelty": 1 },
        "output_config": { "task_budget": 7 }, "metadata": { "team": "x" }, "speed": null,
        "tools": [{ "name": "t", "input_schema": {}, "type": "custom", "cache_control": { "type": "ephemeral" } }],
    })));
    let mut names: Vec<_> = request.extras.iter().map(|extra| extra.name.as_str()).collect();
    names.sort_unstable();
    let expected = [
        "context_management",
        "inference_geo",
        "metadata.team",
        "output_config.task_budget",
        "service_tier",
        "thinking.novelty",
        "thinking.type",
        "top_k",
    ];
    assert_eq!(names, expected);
    assert_eq!(request.tools[0].extras, [extra("cache_control", json!({ "type": "ephemeral" }))]);
}

#[test]
fn kinds_of_thinking() {
    let effort = |thinking: Value| {
        let request = read(body_with(json!({ "thinking": thinking, "output_config": { "effort": "low" } })));
        (request.reasoning_effort.unwrap(), request.reasoning_budget_tokens, request.extras)
    };
    let own_effort = extra("output_config.effort", json!("low"));
    assert_eq!(effort(json!({ "type": "disabled" })), ("none".into(), None, vec![own_effort]));
    let extras = vec![extra("thinking.display", json!("summarized")), extra("thinking.type", json!("adaptive"))];
    assert_eq!(effort(json!({ "type": "adaptive", "display": "summarized" })), ("low".into(), None, extras));
    let extras = vec![extra("thinking.type", json!("between_tools"))];
    assert_eq!(effort(json!({ "type": "between_tools" })), ("low".into(), None, extras));
}

#[test]
fn what_cannot_be_translated_is_unsupported() {
    let table = [
        (json!({ "mcp_servers": [{ "url": "x" }] }), "mcp_servers"),
        (json!({ "container": "c1" }), "container"),
        (json!({ "inference_geo": "us" }), "inference_geo"),
        (
            json!({ "tools": [{ "type": "web_search_20260209", "name": "web_search" }], "tool_choice": { "type": "any" } }),
            "tool_choice",
        ),
        (
            json!({ "tools": [{ "name": "a", "input_schema": {} }, { "type": "web_search_20260209", "name": "w" }],
                "tool_choice": { "type": "tool", "name": "w" } }),
            "tool_choice",
        ),
        (
            json!({ "messages": [{ "role": "user", "content": [{ "type": "container_upload" }] }] }),
            "messages[0].content[0].type",
        ),
    ];
    for (more, field) in table {
        let fault = read_fault(body_with(more));
        assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::Unsupported, Some(field)));
    }
}

#[test]
fn mistakes_name_the_field() {
    let text = |content: Value| json!({ "messages": [{ "role": "user", "content": content }] });
    let table = [
        (json!({ "model": null }), "model"),
        (json!({ "max_tokens": null }), "max_tokens"),
        (json!({ "max_tokens": 0 }), "max_tokens"),
        (json!({ "max_tokens": "many" }), "max_tokens"),
        (json!({ "messages": [] }), "messages"),
        (json!({ "messages": "hi" }), "messages"),
        (json!({ "messages": ["hi"] }), "messages[0]"),
        (json!({ "messages": [{ "role": "tool", "content": "x" }] }), "messages[0].role"),
        (json!({ "messages": [{ "role": "user" }] }), "messages[0].content"),
        (text(json!([{ "type": "text" }])), "messages[0].content[0].text"),
        (text(json!([{ "text": "hi" }])), "messages[0].content[0].type"),
        (text(json!([{ "type": "tool_use", "id": "a", "name": "b", "input": {} }])), "messages[0].content[0].type"),
        (text(json!([{ "type": "tool_result" }])), "messages[0].content[0].tool_use_id"),
        (
            text(json!([{ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "!" } }])),
            "messages[0].content[0].source.data",
        ),
        (json!({ "temperature": 1.5 }), "temperature"),
        (json!({ "top_p": "x" }), "top_p"),
        (json!({ "stream": "yes" }), "stream"),
        (json!({ "stop_sequences": ["a", 1] }), "stop_sequences[1]"),
        (json!({ "tools": [{ "name": "a" }] }), "tools[0].input_schema"),
        (json!({ "tool_choice": { "type": "must" } }), "tool_choice.type"),
        (json!({ "thinking": { "type": "enabled" } }), "thinking.budget_tokens"),
        (json!({ "output_config": { "effort": "huge" } }), "output_config.effort"),
        (json!({ "metadata": { "user_id": 5 } }), "metadata.user_id"),
    ];
    for (more, field) in table {
        let fault = read_fault(body_with(more));
        assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::InvalidRequest, Some(field)), "{}", fault.message);
        let told = String::from_utf8(Codec::refuse("chat".into(), fault).body).unwrap();
        assert!(told.contains(field), "the caller is told of {field}: {told}");
    }
}
