//! The conversation as input items.

use super::*;

fn said(role: &str, kind: &str, words: &str) -> Value {
    json!({"type": "message", "role": role, "content": [{"type": kind, "text": words}]})
}

#[test]
fn leading_system_messages_are_instructions() {
    let messages = || vec![system("a"), system("b"), user(vec![text("hi")]), system("c")];
    let (body, _) = encode(request(messages()), no_facts());
    assert_eq!(body["instructions"], "a\n\nb");
    assert_eq!(body["input"], json!([said("user", "input_text", "hi"), said("system", "input_text", "c")]));
    let (body, _) = encode(request(messages()), ModelFacts { mid_system: Some(false), ..no_facts() });
    assert_eq!(body["instructions"], "a\n\nb\n\nc");
    assert_eq!(body["input"], json!([said("user", "input_text", "hi")]));
}

#[test]
fn instructions_alone_are_the_input() {
    let (body, _) = encode(request(vec![system("a")]), no_facts());
    assert!(body.get("instructions").is_none());
    assert_eq!(body["input"], json!([said("system", "input_text", "a")]));
}

#[test]
fn a_turn_with_thought_text_call_and_results() {
    let messages = vec![
        user(vec![text("go")]),
        assistant(vec![
            thought("hm", Some(own_secret())),
            text("a"),
            text("b"),
            call("c1", "{\"x\":1}"),
            call("c2", ""),
        ]),
        user(vec![result("c1", "one"), result("c2", "two"), text("and?")]),
    ];
    let summary = json!([{"type": "summary_text", "text": "hm"}]);
    let texts = json!([{"type": "output_text", "text": "a"}, {"type": "output_text", "text": "b"}]);
    assert_eq!(
        items(messages),
        json!([
            said("user", "input_text", "go"),
            {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "gAAA="},
            {"type": "message", "role": "assistant", "content": texts},
            {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{\"x\":1}"},
            {"type": "function_call", "call_id": "c2", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "one"},
            {"type": "function_call_output", "call_id": "c2", "output": "two"},
            said("user", "input_text", "and?"),
        ])
    );
}

#[test]
fn thoughts_of_others_are_dropped() {
    let signatures = [None, Some(sealed("anthropic-messages", "sig")), Some(sealed("openai-responses", "no json"))];
    for signature in signatures {
        let turn = assistant(vec![thought("secret", signature), text("a")]);
        let (body, dropped) = encode(request(vec![user(vec![text("go")]), turn]), no_facts());
        assert!(!body.to_string().contains("secret"));
        assert_eq!(dropped, ["reasoning"]);
    }
}

#[test]
fn a_thought_that_led_to_nothing_is_dropped() {
    let messages = vec![assistant(vec![text("a"), thought("hm", Some(own_secret()))]), user(vec![text("go")])];
    assert_eq!(items(messages), json!([said("assistant", "output_text", "a"), said("user", "input_text", "go")]));
}

#[test]
fn encrypted_whole_and_without_an_id() {
    let redacted = Some(sealed("openai-responses", r#"{"encrypted_content":"g"}"#));
    let part = Part::Reasoning(Reasoning { text: String::new(), signature: None, redacted, extras: Vec::new() });
    let items = items(vec![assistant(vec![part, text("a")])]);
    assert_eq!(items[0], json!({"type": "reasoning", "summary": [], "encrypted_content": "g"}));
}

#[test]
fn long_call_ids_are_hashed_alike() {
    let (long, odd) = ("x".repeat(65), "a:b");
    let items = items(vec![
        assistant(vec![call(&long, "{}"), call(odd, "{}"), call(&"y".repeat(64), "{}")]),
        user(vec![result(&long, ""), result(odd, "")]),
    ]);
    assert_eq!(items[0]["call_id"], items[3]["call_id"]);
    assert_eq!(items[1]["call_id"], items[4]["call_id"]);
    assert_ne!(items[0]["call_id"], items[1]["call_id"]);
    assert_eq!(items[2]["call_id"], "y".repeat(64));
    assert!(items[0]["call_id"].as_str().unwrap().len() <= 64);
}

#[test]
fn results_with_images_and_failures() {
    let result = |failed, content| {
        let result = ToolResult { call_id: "c".into(), name: None, failed, content, extras: Vec::new() };
        items(vec![user(vec![Part::ToolResult(result)])])[0]["output"].take()
    };
    let words = || ResultPart::Text(Text { text: "no".into(), extras: Vec::new() });
    let image = || ResultPart::Media(media(MediaKind::Image, "image/png", Source::Bytes(vec![1])));
    assert_eq!(result(false, vec![words(), words()]), "no\nno");
    assert_eq!(result(true, vec![words()]), "The tool failed. no");
    assert_eq!(result(false, Vec::new()), "");
    assert_eq!(
        result(true, vec![words(), image()]),
        json!([
            {"type": "input_text", "text": "The tool failed."},
            {"type": "input_text", "text": "no"},
            {"type": "input_image", "image_url": "data:image/png;base64,AQ==", "detail": "auto"},
        ])
    );
}

#[test]
fn media_of_the_user() {
    let said = |media| items(vec![user(vec![Part::Media(media)])])[0]["content"][0].take();
    let url = || Source::Url("https://x/y".into());
    let image = Media { extras: vec![extra("detail", json!("low"))], ..media(MediaKind::Image, "", url()) };
    assert_eq!(said(image), json!({"type": "input_image", "image_url": "https://x/y", "detail": "low"}));
    let document = media(MediaKind::Document, "", url());
    assert_eq!(said(document), json!({"type": "input_file", "file_url": "https://x/y"}));
    let pdf = media(MediaKind::Document, "application/pdf", Source::Bytes(vec![1]));
    let data = "data:application/pdf;base64,AQ==";
    assert_eq!(said(pdf), json!({"type": "input_file", "filename": "document.pdf", "file_data": data}));
    let note = media(MediaKind::Document, "text/plain", Source::Bytes(b"words".to_vec()));
    let note = Media { title: Some("Note".into()), ..note };
    assert_eq!(said(note), json!({"type": "input_text", "text": "Note\n\nwords"}));
}

#[test]
fn media_that_cannot_be_said() {
    let bytes = || Source::Bytes(vec![0xff]);
    let id = || Source::FileId("file-1".into());
    for media in [
        media(MediaKind::Audio, "audio/wav", bytes()),
        media(MediaKind::Video, "video/mp4", bytes()),
        media(MediaKind::Image, "", bytes()),
        media(MediaKind::Document, "", bytes()),
        media(MediaKind::Document, "text/plain", bytes()),
        media(MediaKind::Image, "image/png", id()),
    ] {
        assert_eq!(
            unsaid(request(vec![user(vec![text("a"), Part::Media(media)])]), no_facts()),
            "messages[0].content[1]"
        );
    }
    let own = vec![user(vec![Part::Media(media(MediaKind::Image, "", id()))])];
    let (body, _) = encode(Request { protocol: "openai-responses".into(), ..request(own) }, no_facts());
    assert_eq!(body["input"][0]["content"][0], json!({"type": "input_image", "file_id": "file-1"}));
}

#[test]
fn parts_that_stand_where_they_cannot() {
    let image = Part::Media(media(MediaKind::Image, "image/png", Source::Bytes(vec![1])));
    for message in [assistant(vec![image]), assistant(vec![result("c", "")]), user(vec![call("c", "{}")])] {
        assert_eq!(unsaid(request(vec![message]), no_facts()), "messages[0].content[0]");
    }
}

#[test]
fn prefill_where_the_model_takes_none() {
    let messages = || vec![user(vec![text("go")]), assistant(vec![text("I")])];
    assert_eq!(unsaid(request(messages()), ModelFacts { prefill: Some(false), ..no_facts() }), "messages[1]");
    assert_eq!(items(messages())[1], said("assistant", "output_text", "I"));
}

#[test]
fn extras_of_parts_are_told() {
    let marked = Text { text: "a".into(), extras: vec![extra("cache_control", json!({"type": "ephemeral"}))] };
    let parts = vec![Part::Text(marked.clone()), Part::Text(marked)];
    let (body, dropped) = encode(request(vec![user(parts)]), no_facts());
    assert!(!body.to_string().contains("cache_control"));
    assert_eq!(dropped, ["cache_control"]);
}
