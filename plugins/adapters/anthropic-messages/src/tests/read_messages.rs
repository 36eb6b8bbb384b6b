//! Callers' conversations.

use super::*;

fn read_messages(messages: Value) -> Vec<Message> {
    read(body_with(json!({ "messages": messages }))).messages
}

#[test]
fn calls_results_and_thoughts() {
    let messages = read_messages(json!([
        { "role": "assistant", "content": [
            { "type": "thinking", "thinking": "hm", "signature": "sig" },
            { "type": "thinking", "thinking": "foreign", "signature": crate::write::UNSIGNED },
            { "type": "redacted_thinking", "data": "xyz" },
            { "type": "text", "text": "I look.", "citations": null },
            { "type": "tool_use", "id": "t1", "name": "look", "input": { "b": 1.0, "a": 9007199254740993_u64 } },
        ] },
        { "role": "user", "content": [
            { "type": "text", "text": "here" },
            { "type": "tool_result", "tool_use_id": "t1", "content": "fine", "cache_control": { "type": "ephemeral" } },
            { "type": "tool_result", "tool_use_id": "t2", "is_error": true },
        ] },
    ]));
    let reasoning = |text: &str, signature: Option<&str>, redacted: Option<&str>| {
        let own = |data: &str| sealed("anthropic-messages", data);
        let (signature, redacted) = (signature.map(own), redacted.map(own));
        Part::Reasoning(Reasoning { text: text.into(), signature, redacted, extras: Vec::new() })
    };
    let expected = vec![
        reasoning("hm", Some("sig"), None),
        reasoning("foreign", None, None),
        reasoning("", None, Some("xyz")),
        text("I look."),
        call("t1", r#"{"b":1.0,"a":9007199254740993}"#),
    ];
    assert_eq!(messages[0].parts, expected);

    let Part::ToolResult(first) = &messages[1].parts[0] else { panic!("results stand first: {messages:?}") };
    assert_eq!(first.extras, [extra("cache_control", json!({ "type": "ephemeral" }))]);
    let Part::ToolResult(second) = &messages[1].parts[1] else { panic!("results stand first: {messages:?}") };
    assert!(second.failed && second.content.is_empty());
    assert_eq!(messages[1].parts[2], text("here"));
}

#[test]
fn images_and_documents() {
    let messages = read_messages(json!([{ "role": "user", "content": [
        { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "AQID" } },
        { "type": "image", "source": { "type": "url", "url": "https://x.test/a.png" } },
        { "type": "image", "source": { "type": "file", "file_id": "file_1" } },
        { "type": "document", "source": { "type": "base64", "media_type": "application/pdf", "data": "JVBERg==" } },
        { "type": "document", "title": "Notes", "source":
            { "type": "text", "media_type": "text/plain", "data": "words" } },
    ] }]));
    let expected = vec![
        media(MediaKind::Image, "image/png", Source::Bytes(vec![1, 2, 3])),
        media(MediaKind::Image, "", Source::Url("https://x.test/a.png".into())),
        media(MediaKind::Image, "", Source::FileId("file_1".into())),
        media(MediaKind::Document, "application/pdf", Source::Bytes(b"%PDF".to_vec())),
        Part::Text(Text {
            text: "Notes\n\nwords".into(),
            extras: vec![extra("type", json!("document")), extra("title", json!("Notes"))],
        }),
    ];
    assert_eq!(messages[0].parts, expected);
}

#[test]
fn results_hold_blocks() {
    let result = |content: Value| {
        let block = json!({ "type": "tool_result", "tool_use_id": "t", "content": content });
        json!({ "messages": [{ "role": "user", "content": [block] }] })
    };
    let picture = json!({ "type": "image", "source": { "type": "url", "url": "https://x.test/a.png" } });
    let messages = read(body_with(result(json!([{ "type": "text", "text": "see" }, picture])))).messages;
    let Part::ToolResult(read) = &messages[0].parts[0] else { panic!("{messages:?}") };
    assert!(matches!(read.content[..], [ResultPart::Text(_), ResultPart::Media(_)]));
    let fault = read_fault(body_with(result(json!([{ "type": "container_upload" }]))));
    assert_eq!(fault.field.as_deref(), Some("messages[0].content[0].content[0].type"));
}

/// The shape that Claude Code sends for a model whose name it does not know.
#[test]
fn a_request_of_claude_code() {
    let mark = json!({ "type": "ephemeral", "ttl": "1h" });
    let schema = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
        "properties": { "n": { "type": "number", "exclusiveMinimum": 0 }, "k": { "const": "v" } },
        "propertyNames": { "type": "string" }, "additionalProperties": false });
    let request = read(json!({
        "model": "fast", "max_tokens": 32000, "stream": true,
        "messages": [
            { "role": "user", "content": [{ "type": "text", "text": "<system-reminder>x</system-reminder>" },
                { "type": "text", "text": "hi", "cache_control": mark }] },
            { "role": "system", "content": "Available agent types: …" },
        ],
        "system": [{ "type": "text", "text": "billing" }, { "type": "text", "text": "You are…", "cache_control": mark }],
        "tools": [{ "name": "Bash", "description": "runs", "input_schema": schema }],
        "metadata": { "user_id": "{\"device_id\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}" },
        "thinking": { "type": "adaptive" }, "output_config": { "effort": "high" },
        "context_management": { "edits": [{ "type": "clear_thinking_20251015", "keep": "all" }] },
    }));
    let roles: Vec<_> = request.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::System]);
    let Part::Text(marked) = &request.messages[0].parts[1] else { panic!("{:?}", request.messages[0]) };
    assert_eq!(marked.extras, [extra("cache_control", mark)]);
    assert_eq!(serde_json::from_str::<Value>(&request.tools[0].parameters).unwrap(), schema);
    assert_eq!(request.reasoning_effort.as_deref(), Some("high"));
    let names: Vec<_> = request.extras.iter().map(|extra| extra.name.as_str()).collect();
    assert_eq!(names, ["thinking.type", "context_management"]);
    assert!(request.user.unwrap().len() > 64);
}
