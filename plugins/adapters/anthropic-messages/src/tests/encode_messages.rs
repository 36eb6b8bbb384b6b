//! Conversations of other protocols as turns and content blocks.

use super::*;

fn messages(messages: Vec<Message>) -> Value {
    encode(Request { messages, ..ask("") }).0
}

#[test]
fn instructions_go_to_the_top_and_turns_are_merged() {
    let body = messages(vec![
        system("one"),
        user(vec![text("a")]),
        system("two"),
        user(vec![text("b"), text("  ")]),
        assistant(vec![text("c")]),
        assistant(vec![]),
        user(vec![text("d")]),
    ]);
    assert_eq!(body["system"], json!([{ "type": "text", "text": "one" }, { "type": "text", "text": "two" }]));
    let turns = json!([
        { "role": "user", "content": [{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }] },
        { "role": "assistant", "content": [{ "type": "text", "text": "c" }] },
        { "role": "user", "content": [{ "type": "text", "text": "d" }] },
    ]);
    assert_eq!(body["messages"], turns);
}

#[test]
fn a_user_always_speaks_first() {
    let body = messages(vec![assistant(vec![text("Hello, I help.")]), user(vec![text("hi")])]);
    assert_eq!(body["messages"][0]["role"], "user");
    assert_eq!(body["messages"][1]["content"][0]["text"], "Hello, I help.");
    let body = messages(vec![system("Tell a joke.")]);
    assert_eq!(body["messages"][0]["content"][0]["text"], "Tell a joke.");
    assert!(body.get("system").is_none());
}

#[test]
fn a_prefill_does_not_end_in_white_space() {
    let body = messages(vec![user(vec![text("hi")]), assistant(vec![text("So: \n")])]);
    assert_eq!(body["messages"][1]["content"][0]["text"], "So:");
}

#[test]
fn results_of_parallel_calls_stand_first_in_one_turn() {
    let body = messages(vec![
        user(vec![text("go")]),
        assistant(vec![text("I look."), call("a", r#"{"x":1}"#), call("b", "")]),
        user(vec![result("a", "1")]),
        user(vec![text("quick!")]),
        user(vec![result("b", "")]),
    ]);
    let calls = json!([
        { "type": "text", "text": "I look." },
        { "type": "tool_use", "id": "a", "name": "look", "input": { "x": 1 } },
        { "type": "tool_use", "id": "b", "name": "look", "input": {} },
    ]);
    assert_eq!(body["messages"][1]["content"], calls);
    let results = json!([
        { "type": "tool_result", "tool_use_id": "a", "content": [{ "type": "text", "text": "1" }] },
        { "type": "tool_result", "tool_use_id": "b" },
        { "type": "text", "text": "quick!" },
    ]);
    assert_eq!(body["messages"][2]["content"], results);
}

/// Faults: F71
#[test]
fn arguments_that_are_no_object_are_kept_as_written() {
    for raw in ["{\"x\":", "[1]", "hello"] {
        let body = messages(vec![user(vec![text("go")]), assistant(vec![call("a", raw)])]);
        assert_eq!(body["messages"][1]["content"][0]["input"], json!({ "_raw": raw }));
    }
}

#[test]
fn illegal_ids_stay_different_and_still_match() {
    let body = messages(vec![
        user(vec![text("go")]),
        assistant(vec![call("f.0", ""), call("f:0", ""), call("call_ok-1", "")]),
        user(vec![result("f.0", "x"), result("f:0", "y"), result("call_ok-1", "z")]),
    ]);
    let ids = |turn: usize, field: &str| -> Vec<String> {
        let blocks = body["messages"][turn]["content"].as_array().unwrap();
        blocks.iter().map(|block| block[field].as_str().unwrap().to_owned()).collect()
    };
    let calls = ids(1, "id");
    assert_eq!(calls, ids(2, "tool_use_id"));
    assert_ne!(calls[0], calls[1]);
    assert_eq!(calls[2], "call_ok-1");
    assert!(calls.concat().chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'), "{calls:?}");
}

#[test]
fn foreign_reasoning_is_dropped_and_told() {
    let thought = |signature: Option<&str>| {
        let signature = signature.map(|data| sealed("gemini", data));
        Part::Reasoning(Reasoning { text: "hm".into(), signature, redacted: None, extras: Vec::new() })
    };
    let messages = vec![user(vec![text("go")]), assistant(vec![thought(None), thought(Some("s")), text("done")])];
    let (body, dropped) = encode(Request { messages, ..ask("") });
    assert_eq!(body["messages"][1]["content"], json!([{ "type": "text", "text": "done" }]));
    assert_eq!(dropped, ["reasoning"]);
}

#[test]
fn images_and_documents() {
    let https = || Source::Url("https://x.test/a".into());
    let body = messages(vec![user(vec![
        media(MediaKind::Image, "image/jpg", Source::Bytes(vec![1, 2, 3])),
        media(MediaKind::Image, "", https()),
        media(MediaKind::Document, "application/pdf", Source::Bytes(b"%PDF".to_vec())),
        media(MediaKind::Document, "text/markdown", Source::Bytes(b"# hi".to_vec())),
    ])]);
    let expected = json!([
        { "type": "image", "source": { "type": "base64", "media_type": "image/jpeg", "data": "AQID" } },
        { "type": "image", "source": { "type": "url", "url": "https://x.test/a" } },
        { "type": "document", "source": { "type": "base64", "media_type": "application/pdf", "data": "JVBERg==" } },
        { "type": "document", "source": { "type": "text", "media_type": "text/plain", "data": "# hi" } },
    ]);
    assert_eq!(body["messages"][0]["content"], expected);
}

#[test]
fn media_that_anthropic_does_not_take_is_refused() {
    let bytes = || Source::Bytes(vec![1]);
    let refused = [
        media(MediaKind::Audio, "audio/wav", bytes()),
        media(MediaKind::Image, "image/tiff", bytes()),
        media(MediaKind::Image, "", Source::Url("http://x.test/a".into())),
        media(MediaKind::Document, "application/zip", bytes()),
        media(MediaKind::Document, "application/pdf", Source::FileId("file-1".into())),
    ];
    for part in refused {
        let messages = vec![user(vec![text("see"), part])];
        assert_eq!(encode_unsupported(Request { messages, ..ask("") }), "messages[0].content[1]");
    }
    let picture = media(MediaKind::Image, "image/png", bytes());
    let messages = vec![user(vec![text("hi")]), assistant(vec![picture])];
    assert_eq!(encode_unsupported(Request { messages, ..ask("") }), "messages[1].content[0]");
}

#[test]
fn of_a_parts_extras_only_cache_control_is_known() {
    let mark = json!({ "type": "ephemeral" });
    let extras = vec![extra("cache_control", mark.clone()), extra("detail", json!("low"))];
    let part = Part::Text(Text { text: "long".into(), extras });
    let named = Message { extras: vec![extra("name", json!("bob"))], ..user(vec![part]) };
    let (body, dropped) = encode(Request { messages: vec![named], ..ask("") });
    let block = json!({ "type": "text", "text": "long", "cache_control": mark });
    assert_eq!(body["messages"][0]["content"], json!([block]));
    assert_eq!(dropped, ["name", "detail"]);
}

#[test]
fn failed_results_may_hold_images() {
    let content = vec![ResultPart::Media(Media {
        kind: MediaKind::Image,
        mime: "image/png".into(),
        source: Source::Bytes(vec![0]),
        title: None,
        extras: Vec::new(),
    })];
    let failed = ToolResult { call_id: "a".into(), name: None, failed: true, content, extras: Vec::new() };
    let body =
        messages(vec![user(vec![text("go")]), assistant(vec![call("a", "{}")]), user(vec![Part::ToolResult(failed)])]);
    let block = &body["messages"][2]["content"][0];
    assert_eq!(block["is_error"], true);
    assert_eq!(block["content"][0]["source"]["data"], "AA==");
}
