//! Callers' requests: the conversation.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

fn messages(contents: Value) -> Vec<Message> {
    read(json!({ "contents": contents })).messages
}

fn parts_of(role: &str, parts: Value) -> Vec<Part> {
    let lead = json!({ "role": "user", "parts": [{ "text": "go" }] });
    messages(json!([lead, { "role": role, "parts": parts }])).pop().unwrap().parts
}

fn ids(messages: &[Message]) -> Vec<&str> {
    let parts = messages.iter().flat_map(|message| &message.parts);
    let ids = parts.filter_map(|part| match part {
        Part::ToolCall(call) => Some(call.id.as_str()),
        Part::ToolResult(result) => Some(result.call_id.as_str()),
        _ => None,
    });
    ids.collect()
}

#[test]
fn roles_and_shapes() {
    let said = messages(json!([{ "parts": [{ "text": "a" }] }, { "role": "model", "parts": [{ "text": "b" }] },
        { "role": "model", "parts": [{ "text": "c" }, {}] }]));
    assert_eq!(said, [user(vec![text("a")]), assistant(vec![text("bc")])]);
    assert_eq!(messages(json!({ "parts": [{ "text": "alone" }] })), [user(vec![text("alone")])]);
}

#[test]
fn instructions() {
    for instruction in [json!("be brief"), json!({ "parts": [{ "text": "be brief" }, { "text": "" }] })] {
        let request = read(body_with(json!({ "system_instruction": instruction })));
        assert_eq!(request.messages[0], system("be brief"));
    }
}

#[test]
fn calls_without_ids_are_answered_by_name_and_order() {
    let call = |name: &str| json!({ "functionCall": { "name": name, "args": {} } });
    let answer = |name: &str| json!({ "functionResponse": { "name": name, "response": {} } });
    let said = messages(json!([
        { "role": "user", "parts": [{ "text": "go" }] },
        { "role": "model", "parts": [call("a"), call("b"), call("a")] },
        { "role": "user", "parts": [answer("b"), answer("a"), answer("a")] },
        { "role": "model", "parts": [call("a")] },
        { "role": "function", "parts": [answer("a")] },
    ]));
    assert_eq!(ids(&said), ["call_0", "call_1", "call_2", "call_1", "call_0", "call_2", "call_3", "call_3"]);
}

#[test]
fn ids_that_callers_give_stay() {
    let said = messages(json!([
        { "role": "user", "parts": [{ "text": "go" }] },
        { "role": "model", "parts": [{ "functionCall": { "id": "call_0", "name": "a" } }, { "function_call": { "name": "a" } }] },
        { "role": "user", "parts": [
            { "text": "late" },
            { "functionResponse": { "name": "a", "id": "call_0", "response": { "result": "one" } } },
            { "functionResponse": { "name": "a", "id": "?", "response": { "output": "two" } } } ] },
    ]));
    assert_eq!(ids(&said), ["call_0", "call_1", "call_0", "call_1"]);
    // Results come first.
    assert!(matches!(said[2].parts[2], Part::Text(_)));
}

#[test]
fn what_tools_said() {
    let answer = |response: Value| {
        let said = messages(json!([
            { "role": "model", "parts": [{ "functionCall": { "name": "a" } }] },
            { "role": "user", "parts": [{ "functionResponse": { "name": "a", "response": response } }] }]));
        let Part::ToolResult(result) = &said[1].parts[0] else { panic!("a result") };
        let text = match result.content.first() {
            Some(ResultPart::Text(text)) => text.text.clone(),
            _ => String::new(),
        };
        (text, result.failed)
    };
    assert_eq!(answer(json!({ "result": "x" })), ("x".into(), false));
    assert_eq!(answer(json!({ "output": "x" })), ("x".into(), false));
    assert_eq!(answer(json!({ "result": 5 })), (r#"{"result":5}"#.into(), false));
    assert_eq!(answer(json!({ "a": 1, "error": null })), (r#"{"a":1,"error":null}"#.into(), false));
    assert_eq!(answer(json!({ "error": "no" })), ("no".into(), true));
    assert_eq!(answer(json!({ "error": { "code": 1 } })), (r#"{"code":1}"#.into(), true));
}

#[test]
fn images_and_files() {
    let parts = json!([
        { "inline_data": { "mime_type": "image/png", "data": "AQID" } },
        { "inlineData": { "mimeType": "application/pdf", "data": "-_8" } },
        { "fileData": { "fileUri": "https://example.com/a.png", "mimeType": "image/png" } },
        { "fileData": { "fileUri": "gs://b/v.mp4", "mimeType": "video/mp4" }, "videoMetadata": { "fps": 1 } },
        { "fileData": { "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/x", "mimeType": "audio/mp3" } },
        { "fileData": { "fileUri": "https://www.youtube.com/watch?v=1" } },
    ]);
    let read: Vec<_> = messages(json!([{ "parts": parts }])).remove(0).parts;
    let clip = Media {
        extras: vec![extra("videoMetadata", json!({ "fps": 1 }))],
        ..media(MediaKind::Video, "video/mp4", Source::FileId("gs://b/v.mp4".into()))
    };
    let expected = [
        media(MediaKind::Image, "image/png", Source::Bytes(vec![1, 2, 3])),
        media(MediaKind::Document, "application/pdf", Source::Bytes(vec![0xfb, 0xff])),
        media(MediaKind::Image, "image/png", Source::Url("https://example.com/a.png".into())),
        clip,
        media(
            MediaKind::Audio,
            "audio/mp3",
            Source::FileId("https://generativelanguage.googleapis.com/v1beta/files/x".into()),
        ),
        media(MediaKind::Image, "", Source::FileId("https://www.youtube.com/watch?v=1".into())),
    ];
    assert_eq!(read, expected.map(Part::Media));
    let said = messages(json!([
        { "role": "model", "parts": [{ "functionCall": { "name": "a" } }] },
        { "role": "user", "parts": [{ "functionResponse": { "name": "a", "response": { "result": "see" },
            "parts": [{ "inlineData": { "mimeType": "image/png", "data": "AQ==" } }] } }] }]));
    let Part::ToolResult(result) = &said[1].parts[0] else { panic!("a result") };
    assert!(matches!(&result.content[..], [ResultPart::Text(_), ResultPart::Media(_)]));
}

#[test]
fn signatures_of_every_maker() {
    let call = |signature: &str| json!({ "functionCall": { "id": "i", "name": "a" }, "thoughtSignature": signature });
    let own = parts_of("model", json!([call("CpYB+/8=")]));
    assert_eq!(own[0], thought("", Some(("gemini", "CpYB+/8="))));
    let packed = "pointsman:anthropic-messages:Eo~~8?>";
    for text in [STANDARD.encode(packed), URL_SAFE.encode(packed)] {
        assert!(text.starts_with("cG9pbnRzbWFu"), "the host looks for this");
        let parts = parts_of("model", json!([call(&text)]));
        assert_eq!(parts[0], thought("", Some(("anthropic-messages", "Eo~~8?>"))));
    }
    let placeholder = "skip_thought_signature_validator";
    for text in [placeholder.to_owned(), STANDARD.encode(placeholder), String::new()] {
        assert_eq!(parts_of("model", json!([call(&text)])).len(), 1);
    }
}

#[test]
fn a_thought_in_pieces_is_one_and_the_signature_after_it_is_its_own() {
    let piece = |part: Value| json!({ "role": "model", "parts": [part] });
    let packed = STANDARD.encode("pointsman:anthropic-messages:S");
    let said = messages(json!([
        { "role": "user", "parts": [{ "text": "go" }] },
        piece(json!({ "text": "Let me ", "thought": true })),
        piece(json!({ "text": "see.", "thought": true })),
        piece(json!({ "text": "Hi", "thoughtSignature": packed })),
        piece(json!({ "text": " there" })),
        piece(json!({ "text": "" })),
    ]));
    assert_eq!(said[1].parts, [thought("Let me see.", Some(("anthropic-messages", "S"))), text("Hi there")]);
    let parts = parts_of(
        "model",
        json!([{ "text": "a", "thought": true, "thoughtSignature": "QQ==" },
        { "text": "b", "thought": true }, { "text": "", "thoughtSignature": "Qg==" }]),
    );
    assert_eq!(parts, [thought("a", Some(("gemini", "QQ=="))), thought("b", Some(("gemini", "Qg==")))]);
}
