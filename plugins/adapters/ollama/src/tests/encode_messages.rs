//! Conversations of other protocols as Ollama's messages.

use super::*;

fn said(messages: Vec<Message>) -> Value {
    encode(Request { messages, ..ask("") }).0["messages"].clone()
}

fn image() -> Media {
    media(MediaKind::Image, "image/png", Source::Bytes(vec![1, 2, 3]))
}

#[test]
fn instructions_go_to_the_top_unless_they_may_stand_anywhere() {
    let messages = vec![system("one"), user(vec![text("a")]), system("two"), user(vec![text("b"), text("c")])];
    let expected = json!([
        { "role": "system", "content": "one\n\ntwo" },
        { "role": "user", "content": "a" },
        { "role": "user", "content": "b\nc" },
    ]);
    assert_eq!(said(messages.clone()), expected);
    let anywhere = ModelFacts { mid_system: Some(true), ..no_facts() };
    let (body, _) = encode_with("{}", Request { messages, ..ask("") }, anywhere);
    let roles: Vec<_> = body["messages"].as_array().unwrap().iter().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["system", "user", "system", "user"]);
}

#[test]
fn calls_and_results() {
    let messages = vec![
        user(vec![text("a")]),
        assistant(vec![text("I look."), call("c1", "look", r#"{"x":1}"#), call("c2", "wait", "")]),
        user(vec![result("c2", vec![]), result("c1", vec![result_text("red"), result_text("blue")]), text("and?")]),
    ];
    let calls = json!([
        { "id": "c1", "function": { "index": 0, "name": "look", "arguments": { "x": 1 } } },
        { "id": "c2", "function": { "index": 1, "name": "wait", "arguments": {} } },
    ]);
    let expected = json!([
        { "role": "user", "content": "a" },
        { "role": "assistant", "content": "I look.", "tool_calls": calls },
        { "role": "tool", "content": "", "tool_name": "wait", "tool_call_id": "c2" },
        { "role": "tool", "content": "red\nblue", "tool_name": "look", "tool_call_id": "c1" },
        { "role": "user", "content": "and?" },
    ]);
    assert_eq!(said(messages), expected);
}

#[test]
fn the_content_is_a_string_also_where_it_is_empty() {
    let said = said(vec![user(vec![text("a")]), assistant(vec![call("c", "look", "{}")])]);
    assert_eq!(said[1]["content"], "");
}

#[test]
fn arguments_are_objects() {
    for (written, wire) in [
        ("{\"a\":1.50}", json!({ "a": serde_json::from_str::<Value>("1.50").unwrap() })),
        (" ", json!({})),
        ("{broken", json!({ "_raw": "{broken" })),
        ("[1]", json!({ "_raw": "[1]" })),
    ] {
        let said = said(vec![assistant(vec![call("c", "look", written)])]);
        assert_eq!(said[0]["tool_calls"][0]["function"]["arguments"], wire);
    }
}

#[test]
fn a_failed_tool_and_its_images() {
    let failed = Part::ToolResult(ToolResult {
        call_id: "gone".into(),
        name: Some("look".into()),
        failed: true,
        content: vec![result_text("no"), ResultPart::Media(image())],
        extras: Vec::new(),
    });
    let said = said(vec![user(vec![failed])]);
    assert_eq!(said[0]["tool_name"], "look");
    let content = said[0]["content"].as_str().unwrap();
    assert!(content.starts_with("The tool failed. no\n(The images"), "{content}");
    assert_eq!(said[1], json!({ "role": "user", "content": "", "images": ["AQID"] }));
}

#[test]
fn images_are_bare_base64_and_texts_are_text() {
    let note = media(MediaKind::Document, "text/plain", Source::Bytes(b"words".to_vec()));
    let note = Media { title: Some("Note".into()), ..note };
    let said = said(vec![user(vec![Part::Media(image()), text("what?"), Part::Media(note)])]);
    assert_eq!(said[0], json!({ "role": "user", "content": "what?\nNote\n\nwords", "images": ["AQID"] }));
}

#[test]
fn other_media_are_refused() {
    let bytes = || Source::Bytes(vec![0xff]);
    for (part, role) in [
        (media(MediaKind::Image, "", Source::Url("https://x/y.png".into())), Role::User),
        (media(MediaKind::Image, "", Source::FileId("f".into())), Role::User),
        (media(MediaKind::Document, "application/pdf", bytes()), Role::User),
        (media(MediaKind::Document, "text/plain", bytes()), Role::User),
        (media(MediaKind::Audio, "audio/wav", bytes()), Role::User),
        (media(MediaKind::Video, "video/mp4", bytes()), Role::User),
        (image(), Role::Assistant),
    ] {
        let messages = vec![user(vec![text("a")]), message(role, vec![Part::Media(part)])];
        assert_eq!(refused(Request { messages, ..ask("") }, no_facts()), "messages[1].content[0]");
    }
}

#[test]
fn only_its_own_thoughts_come_back() {
    let own = thought("mine", Some("ollama"));
    let messages = vec![
        assistant(vec![thought("x", None), thought("y", Some("gemini")), text("a")]),
        assistant(vec![own, call("c", "look", "{}")]),
    ];
    let (body, dropped) = encode(Request { messages, ..ask("") });
    assert_eq!(body["messages"][0], json!({ "role": "assistant", "content": "a" }));
    assert_eq!(body["messages"][1]["thinking"], "mine");
    assert_eq!(dropped, ["reasoning"]);
}

#[test]
fn a_conversation_that_says_nothing_is_the_callers_mistake() {
    let asked = Request { messages: vec![user(vec![]), assistant(vec![thought("x", None)])], ..ask("") };
    let fault = Adapter::encode("{}".into(), "chat".into(), asked, no_facts()).unwrap_err();
    assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::InvalidRequest, Some("messages")));
}

#[test]
fn a_beginning_of_the_answer_is_refused_where_the_model_cannot_go_on() {
    let asked = Request { messages: vec![user(vec![text("a")]), assistant(vec![text("b")])], ..ask("") };
    assert_eq!(refused(asked.clone(), ModelFacts { prefill: Some(false), ..no_facts() }), "messages[1]");
    assert_eq!(encode(asked).0["messages"][1]["content"], "b");
}

#[test]
fn extras_of_parts_are_told() {
    let marked = Text { text: "a".into(), extras: vec![extra("cache_control", json!({ "type": "ephemeral" }))] };
    let (body, dropped) = encode(Request { messages: vec![user(vec![Part::Text(marked)])], ..ask("") });
    assert_eq!(body["messages"], json!([{ "role": "user", "content": "a" }]));
    assert_eq!(dropped, ["cache_control"]);
}
