use super::*;
use pointsman_sdk::codec::FaultKind;

fn png() -> Media {
    media(MediaKind::Image, "image/png", Source::Bytes(vec![1, 2, 3]))
}

#[test]
fn system_messages_stand_where_they_stood() {
    let wire = encode_messages(vec![
        message(Role::System, vec![text("Be brief."), text("Be kind.")]),
        message(Role::User, vec![text("Hi")]),
        message(Role::System, vec![text("Now be long.")]),
        message(Role::Assistant, vec![text("Hello")]),
    ]);
    let parts = json!([{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}]);
    let expected = json!([
        {"role": "system", "content": parts},
        {"role": "user", "content": "Hi"},
        {"role": "system", "content": "Now be long."},
        {"role": "assistant", "content": "Hello"},
    ]);
    assert_eq!(wire.unwrap(), expected);
}

#[test]
fn answers_follow_their_calls_at_once_and_in_order() {
    let wire = encode_messages(vec![
        message(Role::User, vec![text("Go")]),
        message(Role::Assistant, vec![text("Calling."), tool_call("a", "f", "{\"x\":1}"), tool_call("b", "g", "")]),
        message(Role::System, vec![text("A note.")]),
        message(
            Role::User,
            vec![
                Part::ToolResult(ToolResult { failed: true, ..tool_result("b", "no such file") }),
                Part::ToolResult(tool_result("a", "fine")),
                text("And now?"),
            ],
        ),
    ]);
    let calls = json!([
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]);
    let expected = json!([
        {"role": "user", "content": "Go"},
        {"role": "assistant", "content": "Calling.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "a", "content": "fine"},
        {"role": "tool", "tool_call_id": "b", "content": "The tool failed. no such file"},
        {"role": "system", "content": "A note."},
        {"role": "user", "content": "And now?"},
    ]);
    assert_eq!(wire.unwrap(), expected);
}

#[test]
fn thoughts_are_never_sent_as_words() {
    let signature = Some(Sealed { maker: "anthropic-messages".into(), data: "s".into() });
    let thinking = Reasoning { text: "hm".into(), signature, redacted: None, extras: Vec::new() };
    let wire = encode_messages(vec![
        message(Role::User, vec![text("Go")]),
        message(Role::Assistant, vec![Part::Reasoning(thinking.clone()), tool_call("a", "f", "{}")]),
        message(Role::User, vec![Part::ToolResult(tool_result("a", "1"))]),
        message(Role::Assistant, vec![Part::Reasoning(thinking)]),
    ])
    .unwrap();
    assert_eq!(wire[1]["content"], Value::Null);
    assert_eq!(wire.as_array().map(Vec::len), Some(3), "an empty message would be an assistant's turn: {wire}");
    assert!(!wire.to_string().contains("hm"));
}

#[test]
fn assistant_messages_in_a_row_are_one() {
    let wire = encode_messages(vec![
        message(Role::User, vec![text("Go")]),
        message(Role::Assistant, vec![tool_call("a", "f", "{}")]),
        message(Role::Assistant, vec![tool_call("b", "f", "{}")]),
        message(Role::User, vec![Part::ToolResult(tool_result("a", "1"))]),
        message(Role::User, vec![Part::ToolResult(tool_result("b", "2"))]),
    ])
    .unwrap();
    let roles: Vec<&str> = wire.as_array().unwrap().iter().filter_map(|message| message["role"].as_str()).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "tool"]);
    assert_eq!(wire[1]["tool_calls"].as_array().unwrap().len(), 2);
}

#[test]
fn long_ids_are_the_same_in_call_and_answer() {
    let long = "toolu_".repeat(9);
    let wire = encode_messages(vec![
        message(Role::Assistant, vec![tool_call(&long, "f", "{}")]),
        message(Role::User, vec![Part::ToolResult(tool_result(&long, "1"))]),
    ])
    .unwrap();
    assert_eq!(wire[0]["tool_calls"][0]["id"], wire[1]["tool_call_id"]);
    assert!(wire[1]["tool_call_id"].as_str().unwrap().len() <= 40);
}

#[test]
fn an_image_that_a_tool_returned_goes_into_the_next_message() {
    let result = ToolResult { content: vec![ResultPart::Media(png())], ..tool_result("a", "") };
    let wire = encode_messages(vec![
        message(Role::Assistant, vec![tool_call("a", "f", "{}")]),
        message(Role::User, vec![Part::ToolResult(result), text("What is it?")]),
    ])
    .unwrap();
    assert_eq!(wire[1]["role"], "tool");
    assert!(wire[1]["content"].is_string());
    let expected = json!({"role": "user", "content": [
        {"type": "text", "text": "Returned by tool call a:"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AQID"}},
        {"type": "text", "text": "What is it?"},
    ]});
    assert_eq!(wire[2], expected);
}

#[test]
fn media_are_said_in_openais_way() {
    let pdf = Media {
        title: Some("a.pdf".into()),
        ..media(MediaKind::Document, "application/pdf", Source::Bytes(vec![1, 2, 3]))
    };
    let note = media(MediaKind::Document, "text/plain", Source::Bytes(b"a note".to_vec()));
    let wire = encode_messages(vec![message(
        Role::User,
        vec![
            Part::Media(media(MediaKind::Image, "", Source::Url("https://x/y.png".into()))),
            Part::Media(pdf),
            Part::Media(note),
            Part::Media(media(MediaKind::Audio, "audio/mpeg", Source::Bytes(vec![1, 2, 3]))),
        ],
    )])
    .unwrap();
    let expected = json!([
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AQID"}},
        {"type": "text", "text": "a note"},
        {"type": "input_audio", "input_audio": {"data": "AQID", "format": "mp3"}},
    ]);
    assert_eq!(wire[0]["content"], expected);
}

#[test]
fn what_cannot_be_said_names_its_place() {
    let bytes = || Source::Bytes(vec![1]);
    let cases = [
        media(MediaKind::Video, "video/mp4", bytes()),
        media(MediaKind::Image, "image/png", Source::FileId("file_1".into())),
        media(MediaKind::Image, "", bytes()),
        media(MediaKind::Document, "application/pdf", Source::Url("https://x/y.pdf".into())),
        media(MediaKind::Document, "application/msword", bytes()),
        media(MediaKind::Audio, "audio/ogg", bytes()),
    ];
    for case in cases {
        let fault = encode_messages(vec![message(Role::User, vec![text("See"), Part::Media(case)])]).unwrap_err();
        assert_eq!((field(&fault), fault.kind), ("messages[0].content[1]", FaultKind::Unsupported));
    }
    let spoken = encode_messages(vec![message(Role::Assistant, vec![Part::Media(png())])]).unwrap_err();
    assert_eq!(field(&spoken), "messages[0].content[0]");
}
