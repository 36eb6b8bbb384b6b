//! What only Anthropic knows: tools that it runs or defines, their blocks in the history, Claude Code's attribution line,
//! and the thought that must begin a turn.

use super::*;
use pointsman_sdk::codec::provider::{Header, ReplyHead};

const BEDROCK: &str = r#"{"platform":"bedrock","region":"us-east-1"}"#;

fn names(request: &Request) -> Vec<&str> {
    request.extras.iter().map(|extra| extra.name.as_str()).collect()
}

/// A body with every kind of such tool, and what came of them.
fn body() -> Value {
    body_with(json!({
        "system": [
            { "type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.197.a1b; cc_entrypoint=cli;" },
            { "type": "text", "text": "You are a coding agent.", "cache_control": { "type": "ephemeral" } },
        ],
        "tools": [
            { "name": "f", "input_schema": { "type": "object" }, "defer_loading": true },
            { "type": "bash_20250124", "name": "bash" },
            { "type": "text_editor_20250728", "name": "str_replace_based_edit_tool", "max_characters": 100 },
            { "type": "web_search_20250305", "name": "web_search", "max_uses": 3 },
        ],
        "messages": [
            { "role": "user", "content": [{ "type": "text", "text": "hi" }] },
            { "role": "assistant", "content": [
                { "type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": { "query": "q" } },
                { "type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [] },
                { "type": "text", "text": "Found." },
                { "type": "tool_use", "id": "t1", "name": "ToolSearch", "input": {} },
            ] },
            { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "t1", "content": [{ "type": "tool_reference", "tool_name": "f" }] },
            ] },
        ],
    }))
}

#[test]
fn elsewhere_what_can_be_done_without_is_left_out_and_named() {
    let request = read(body());
    let tools: Vec<&str> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(tools, ["f", "bash", "str_replace_based_edit_tool"]);
    for (tool, parameter) in request.tools[1..].iter().zip(["command", "old_str"]) {
        let schema: Value = serde_json::from_str(&tool.parameters).unwrap();
        assert!(schema["properties"].get(parameter).is_some(), "{schema}");
    }
    let expected = [
        "system.attribution",
        "messages.server_tool_use",
        "messages.web_search_tool_result",
        "tools.web_search_20250305",
    ];
    assert_eq!(names(&request), expected);
    let Part::ToolResult(result) = &request.messages[3].parts[0] else { panic!("{:?}", request.messages) };
    assert!(matches!(&result.content[0], ResultPart::Text(text) if text.text == "f"));
    assert!(!format!("{:?}", request.messages).contains("billing-header"));
}

#[test]
fn at_home_everything_is_put_back() {
    let (said, dropped) = encode(read(body()));
    assert_eq!(said, body());
    assert_eq!(dropped, Vec::<String>::new());
}

#[test]
fn on_bedrock_there_is_no_search_and_no_attribution() {
    let (said, dropped) = encode_with(BEDROCK, read(body()));
    assert!(!said.to_string().contains("billing-header"), "{said}");
    assert_eq!(said["system"], json!([body()["system"][1]]));
    assert_eq!(said["tools"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        said["messages"][1]["content"],
        json!([body()["messages"][1]["content"][2], body()["messages"][1]["content"][3]])
    );
    assert!(dropped.contains(&"block.server_tool_use".to_owned()));
    assert_eq!(said["tools"][1], json!({ "type": "bash_20250124", "name": "bash" }));
    assert!(
        dropped.contains(&"system.attribution".to_owned()) && dropped.contains(&"tools.web_search_20250305".to_owned())
    );
}

/// Faults: F205
#[test]
fn on_vertex_the_web_is_searched_and_nothing_else_is_run() {
    let vertex = r#"{"platform":"vertex","project":"p","location":"global"}"#;
    let tool = |kind: &str| json!({ "type": kind, "name": kind.rsplit_once('_').map_or(kind, |(name, _)| name) });
    let kinds = ["web_search_20250305", "web_search_20260209", "web_fetch_20250910", "code_execution_20250825"];
    let tools: Vec<Value> = kinds.iter().chain(&["tool_search_tool_regex_20251119"]).map(|kind| tool(kind)).collect();
    let (said, dropped) = encode_with(vertex, read(body_with(json!({ "tools": tools }))));
    assert_eq!(said["tools"], json!([tools[0], tools[4]]));
    assert_eq!(dropped, kinds[1..].iter().map(|kind| format!("tools.{kind}")).collect::<Vec<_>>());
}

#[test]
fn a_type_of_tool_that_a_server_does_not_have_is_this_requests_trouble() {
    let message =
        "tools.0: Input tag 'web_search_20250305' found using 'type' does not match any of the expected tags: 'custom'";
    let body = json!({ "type": "error", "error": { "type": "invalid_request_error", "message": message } });
    let head = ReplyHead { status: 400, headers: Vec::new() };
    let fault = Codec::classify("chat".into(), head, body.to_string().into_bytes());
    assert_eq!(fault.kind, FaultKind::Unsupported);
    let header = Header { name: "x-amzn-errortype".into(), value: "ValidationException".into() };
    let head = ReplyHead { status: 400, headers: vec![header] };
    let fault = Codec::classify("chat".into(), head, json!({ "message": message }).to_string().into_bytes());
    assert_eq!(fault.kind, FaultKind::Unsupported);
}

#[test]
fn the_attribution_line_is_known_by_its_beginning() {
    let line = "x-anthropic-billing-header: a=b;";
    for (system, rest) in [
        (json!(line), None),
        (json!(format!("{line}\n\nBe kind.")), Some("Be kind.")),
        (json!([{ "type": "text", "text": "Be kind." }, { "type": "text", "text": line }]), Some("Be kind.")),
        (json!("Say nothing of x-anthropic-billing-header"), Some("Say nothing of x-anthropic-billing-header")),
    ] {
        let request = read(body_with(json!({ "system": system })));
        let first = request.messages.first().filter(|message| message.role == Role::System);
        let said = first.map(|message| match &message.parts[..] {
            [Part::Text(text)] => text.text.as_str(),
            parts => panic!("{parts:?}"),
        });
        assert_eq!(said, rest, "{system}");
    }
}

#[test]
fn choices_at_the_top_of_a_schema_are_folded_for_others() {
    let parameters = json!({ "oneOf": [{ "properties": { "a": {} } }, { "properties": { "b": {} } }] });
    let tool = Tool {
        name: "t".into(),
        description: None,
        parameters: parameters.to_string(),
        strict: None,
        extras: Vec::new(),
    };
    let (said, _) = encode(Request { tools: vec![tool], ..ask("hi") });
    assert_eq!(said["tools"][0]["input_schema"], json!({ "type": "object", "properties": { "a": {}, "b": {} } }));
}

/// A reply of another provider, as the caller of this body gets it: streamed and whole, which must be the same.
fn blocks(thinking: Value, events: Vec<Event>) -> Vec<Value> {
    let body = body_with(json!({ "thinking": thinking })).to_string().into_bytes();
    let memory = Codec::read("chat".into(), vec![], body).unwrap().memory;
    let whole = Codec::write("chat".into(), false, memory.clone(), events.clone(), true).bytes;
    let whole: Value = serde_json::from_slice(&whole).unwrap();
    let starts = write_stream(memory, events).into_iter().filter(|(name, _)| name == "content_block_start");
    let streamed: Vec<Value> = starts.map(|(_, data)| data["content_block"]["type"].clone()).collect();
    let whole: Vec<Value> = whole["content"].as_array().unwrap().clone();
    assert_eq!(streamed, whole.iter().map(|block| block["type"].clone()).collect::<Vec<_>>());
    whole
}

fn called() -> Vec<Event> {
    let call = ToolCallStarted { index: 1, id: "call_1".into(), name: "look".into() };
    vec![
        started(),
        Event::TextDelta(delta(0, "Let me see.")),
        Event::PartFinished(0),
        Event::ToolCallStarted(call),
        Event::PartFinished(1),
        finished(Finish::ToolCalls),
    ]
}

#[test]
fn calls_of_others_are_marked_where_a_thought_must_stand() {
    let budget = json!({ "type": "enabled", "budget_tokens": 2048 });
    let mark = json!({ "type": "redacted_thinking", "data": "pointsman:unknown:" });
    let written = blocks(budget.clone(), called());
    assert_eq!((written.len(), &written[1]), (3, &mark));
    // Hidden thoughts are no marks.
    let omitted = json!({ "type": "enabled", "budget_tokens": 2048, "display": "omitted" });
    assert_eq!(blocks(omitted, called())[1], mark);
    // A thought is a mark, and without a budget nobody demands one.
    let mut thoughtful = called();
    thoughtful.splice(1..3, [Event::ReasoningDelta(delta(0, "hm")), Event::PartFinished(0)]);
    assert_eq!(blocks(budget.clone(), thoughtful).len(), 2);
    assert_eq!(blocks(json!({ "type": "adaptive" }), called()).len(), 2);
    let mut text = called();
    text.drain(3..5);
    assert_eq!(blocks(budget, text).len(), 1);
}

#[test]
fn a_turn_that_others_began_goes_on_without_thinking() {
    let budget = json!({ "type": "enabled", "budget_tokens": 2048 });
    let foreign = blocks(budget.clone(), called());
    let result = |id: &str| json!({ "role": "user", "content": [{ "type": "tool_result", "tool_use_id": id }] });
    let own = |id: &str| json!({ "role": "assistant", "content": [{ "type": "tool_use", "id": id, "name": "look", "input": {} }] });
    let thought = json!({ "type": "thinking", "thinking": "hm", "signature": "EqQB" });
    let thoughtful = json!({ "role": "assistant", "content": [thought,
        { "type": "tool_use", "id": "t3", "name": "look", "input": {} }] });
    let said = |messages: Vec<Value>| {
        let messages: Vec<Value> =
            std::iter::once(json!({ "role": "user", "content": "hi" })).chain(messages).collect();
        let body = body_with(json!({ "thinking": budget, "messages": messages, "max_tokens": 4096 }));
        encode(read(body)).0
    };
    let first = json!({ "role": "assistant", "content": foreign });
    // The step after the backup's, and the one after Claude's own, which could not think either.
    let one = said(vec![first.clone(), result("call_1")]);
    assert_eq!(one.get("thinking"), None);
    assert!(!one.to_string().contains("pointsman"), "{one}");
    assert_eq!(said(vec![first.clone(), result("call_1"), own("t2"), result("t2")]).get("thinking"), None);
    // Begun by Claude, gone on with by the backup.
    assert_eq!(said(vec![thoughtful, result("t3"), first.clone(), result("call_1")])["thinking"], budget);
    // The user's next words begin a new turn.
    let next = json!({ "role": "user", "content": "Go on" });
    let after = said(vec![
        first,
        result("call_1"),
        own("t2"),
        result("t2"),
        json!({ "role": "assistant", "content": "Done." }),
        next,
    ]);
    assert_eq!(after["thinking"], budget);
}

#[test]
fn a_thread_that_nobody_has_is_told_so_that_the_sdks_begin_anew() {
    let fault = |kind, field: &str| Fault {
        kind,
        status: 0,
        message: "it is out".into(),
        provider_code: None,
        field: Some(field.into()),
        retry_after_ms: None,
    };
    let refused = |fault| {
        let reply = <Codec as ClientProtocol>::refuse("chat".into(), fault);
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        (reply.status, body["error"]["type"].clone(), body["error"]["details"]["error_code"].clone())
    };
    let lost = refused(fault(FaultKind::Unsupported, "thread.previous_message_id"));
    assert_eq!(lost, (404, json!("not_found_error"), json!("thread_not_found")));
    let other = refused(fault(FaultKind::InvalidRequest, "thread.previous_message_id"));
    assert_eq!(other, (400, json!("invalid_request_error"), Value::Null));
    assert_eq!(refused(fault(FaultKind::Unsupported, "tools")).0, 400);
    // A new thread can be said to others: it is all there.
    let request = read(body_with(json!({ "thread": { "type": "create" } })));
    assert_eq!(names(&request), ["thread"]);
    assert!(encode_with(BEDROCK, request).1.contains(&"thread".to_owned()));
}
