use super::*;
use pointsman_sdk::codec::FaultKind;

fn read_messages(messages: Value) -> Result<Vec<Message>, Fault> {
    read(json!({"model": "m", "messages": messages})).map(|request| request.messages)
}

#[test]
fn a_conversation_with_tools() {
    let messages = read_messages(json!([
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Go"}]},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": "not JSON"}},
        ]},
        {"role": "tool", "tool_call_id": "a", "content": "one"},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "two"}]},
        {"role": "system", "content": "Hurry."},
        {"role": "tool", "tool_call_id": "c", "content": "late"},
    ]));
    let result = |id, content| Part::ToolResult(tool_result(id, content));
    let expected = [
        message(Role::System, vec![text("Be brief.")]),
        message(Role::User, vec![text("Go")]),
        message(Role::Assistant, vec![tool_call("a", "f", "{}"), tool_call("b", "g", "not JSON")]),
        message(Role::User, vec![result("a", "one"), result("b", "two")]),
        message(Role::System, vec![text("Hurry.")]),
        message(Role::User, vec![result("c", "late")]),
    ];
    assert_eq!(messages.unwrap(), expected);
}

#[test]
fn what_the_assistant_said_thought_and_refused() {
    let assistant =
        json!({"role": "assistant", "reasoning_content": "hm", "content": "No.", "refusal": "I can't.", "name": "bot"});
    let parts = read_messages(json!([assistant])).unwrap().remove(0);
    let thinking = Reasoning { text: "hm".into(), signature: None, redacted: None, extras: Vec::new() };
    let refusal = Extra { name: "type".into(), value: "\"refusal\"".into() };
    let refused = Part::Text(Text { text: "I can't.".into(), extras: vec![refusal] });
    assert_eq!(parts.parts, [Part::Reasoning(thinking), text("No."), refused]);
    assert_eq!(parts.extras, [Extra { name: "name".into(), value: "\"bot\"".into() }]);
}

#[test]
fn content_parts_of_every_kind() {
    let parts = read_messages(json!([{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "data:image/PNG;base64,AQID", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
        {"type": "input_audio", "input_audio": {"data": "AQID", "format": "mp3"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AQI"}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ]}]));
    let bytes = || Source::Bytes(vec![1, 2, 3]);
    let detail = vec![Extra { name: "detail".into(), value: "\"low\"".into() }];
    let pdf = media(MediaKind::Document, "application/pdf", Source::Bytes(vec![1, 2]));
    let expected = [
        Media { extras: detail, ..media(MediaKind::Image, "image/png", bytes()) },
        media(MediaKind::Image, "", Source::Url("https://x/y.png".into())),
        media(MediaKind::Audio, "audio/mpeg", bytes()),
        Media { title: Some("a.pdf".into()), ..pdf },
        media(MediaKind::Document, "", Source::FileId("file-1".into())),
    ];
    assert_eq!(parts.unwrap()[0].parts, expected.map(Part::Media));
}

#[test]
fn mistakes_are_named() {
    let image = |url: &str| json!({"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]});
    let cases = [
        (json!("hi"), "messages[0]"),
        (json!({"content": "hi"}), "messages[0].role"),
        (json!({"role": "robot", "content": "hi"}), "messages[0].role"),
        (json!({"role": "user"}), "messages[0].content"),
        (json!({"role": "user", "content": 5}), "messages[0].content"),
        (json!({"role": "user", "content": ["hi"]}), "messages[0].content[0]"),
        (json!({"role": "user", "content": [{"type": "text"}]}), "messages[0].content[0].text"),
        (json!({"role": "tool", "content": "x"}), "messages[0].tool_call_id"),
        (json!({"role": "tool", "tool_call_id": "a"}), "messages[0].content"),
        (json!({"role": "assistant", "tool_calls": [{"id": "a"}]}), "messages[0].tool_calls[0].function"),
        (image("ftp://x"), "messages[0].content[0].image_url.url"),
        (image("data:image/png;base64,@@"), "messages[0].content[0].image_url.url"),
        (image("data:image/svg+xml,<svg/>"), "messages[0].content[0].image_url.url"),
        (json!({"role": "system", "content": [{"type": "file", "file": {"file_id": "f"}}]}), "messages[0].content[0]"),
    ];
    for (message, name) in cases {
        let fault = read_messages(json!([message])).unwrap_err();
        assert_eq!((field(&fault), fault.kind), (name, FaultKind::InvalidRequest), "{message}");
    }
}

#[test]
fn what_no_other_provider_has_is_refused() {
    let custom = json!([{"id": "a", "type": "other", "other": {"name": "x"}}]);
    let cases = [
        (json!({"role": "function", "name": "f", "content": "x"}), "messages[0].role"),
        (
            json!({"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": ""}}),
            "messages[0].function_call",
        ),
        (json!({"role": "assistant", "audio": {"id": "x"}}), "messages[0].audio"),
        (json!({"role": "assistant", "tool_calls": custom}), "messages[0].tool_calls[0].type"),
        (json!({"role": "user", "content": [{"type": "hologram"}]}), "messages[0].content[0].type"),
    ];
    for (message, name) in cases {
        let fault = read_messages(json!([message])).unwrap_err();
        assert_eq!((field(&fault), fault.kind), (name, FaultKind::Unsupported));
    }
}
