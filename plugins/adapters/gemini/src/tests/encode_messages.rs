//! Requests: the conversation.

use super::*;

fn image(bytes: &[u8]) -> Media {
    media(MediaKind::Image, "image/png", Source::Bytes(bytes.to_vec()))
}

#[test]
fn instructions_go_to_the_top_from_wherever_they_stand() {
    let messages = vec![system("a"), user(vec![text("hi")]), system("b"), user(vec![text("you"), text("")])];
    let (body, _) = encode(Request { messages, ..ask("") });
    assert_eq!(body["systemInstruction"], json!({ "parts": [{ "text": "a" }, { "text": "b" }] }));
    assert_eq!(body["contents"], json!([{ "role": "user", "parts": [{ "text": "hi" }, { "text": "you" }] }]));
    let (body, _) = encode(Request { messages: vec![system("alone")], ..ask("") });
    assert_eq!(body, json!({ "contents": [{ "role": "user", "parts": [{ "text": "alone" }] }] }));
}

#[test]
fn turns_alternate_and_begin_with_the_user() {
    let messages = vec![
        assistant(vec![text("Hello.")]),
        assistant(vec![text("How are you?")]),
        user(vec![]),
        user(vec![text("fine")]),
    ];
    let said = contents(messages, no_facts());
    let roles: Vec<_> = said.as_array().unwrap().iter().map(|turn| turn["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "model", "user"]);
    assert_eq!(said[1]["parts"].as_array().unwrap().len(), 2);
}

#[test]
fn results_stand_together_first_and_in_the_order_of_the_calls() {
    let messages = vec![
        user(vec![text("go")]),
        assistant(vec![text("ok"), call("a", "look", r#"{"x":1}"#), call("b", "7zip", "")]),
        user(vec![result("b", "two")]),
        user(vec![result("a", r#"{"found": true}"#), text("and now?")]),
    ];
    let expected = json!([
        { "role": "user", "parts": [{ "text": "go" }] },
        { "role": "model", "parts": [
            { "text": "ok" },
            { "functionCall": { "id": "a", "name": "look", "args": { "x": 1 } } },
            { "functionCall": { "id": "b", "name": "esc.7zip", "args": {} } },
        ] },
        { "role": "user", "parts": [
            { "functionResponse": { "id": "a", "name": "look", "response": { "found": true } } },
            { "functionResponse": { "id": "b", "name": "esc.7zip", "response": { "result": "two" } } },
            { "text": "and now?" },
        ] },
    ]);
    assert_eq!(contents(messages, no_facts()), expected);
}

#[test]
fn what_a_tool_said() {
    let response = |text: &str, failed| {
        let Part::ToolResult(said) = result("a", text) else { unreachable!() };
        let messages = vec![
            user(vec![text_part()]),
            assistant(vec![call("a", "look", "no json")]),
            user(vec![Part::ToolResult(ToolResult { failed, ..said })]),
        ];
        contents(messages, no_facts())[2]["parts"][0]["functionResponse"]["response"].clone()
    };
    fn text_part() -> Part {
        text("go")
    }
    assert_eq!(response("plain", false), json!({ "result": "plain" }));
    assert_eq!(response("[1]", false), json!({ "result": "[1]" }));
    assert_eq!(response("", false), json!({ "result": "" }));
    assert_eq!(response("broken", true), json!({ "error": "broken" }));
    assert_eq!(response(r#"{"code":1}"#, true), json!({ "error": { "code": 1 } }));
    assert_eq!(response(r#"{"error":"x"}"#, true), json!({ "error": "x" }));
    let reference = r##"{"a":[{"$ref":"#/x"}]}"##;
    assert_eq!(response(reference, false), json!({ "result": reference }));
}

#[test]
fn arguments_that_are_no_object() {
    let messages = vec![user(vec![text("go")]), assistant(vec![call("a", "look", "no json"), call("", "look", "  ")])];
    let parts = contents(messages, no_facts())[1]["parts"].clone();
    assert_eq!(parts[0]["functionCall"]["args"], json!({ "_raw": "no json" }));
    assert_eq!(parts[1]["functionCall"], json!({ "name": "look", "args": {} }));
}

#[test]
fn a_result_needs_a_name() {
    let lost = |name: Option<&str>| {
        let answer = ToolResult { name: name.map(str::to_owned), ..result_of("x", Vec::new()) };
        Request { messages: vec![user(vec![Part::ToolResult(answer)])], ..ask("") }
    };
    let fault = encode_fault(lost(None));
    assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::InvalidRequest, Some("messages[0].content[0]")));
    let response = encode(lost(Some("look"))).0["contents"][0]["parts"][0]["functionResponse"].clone();
    assert_eq!(response, json!({ "id": "x", "name": "look", "response": { "result": "" } }));
}

#[test]
fn ids_that_come_again_mean_the_latest_call() {
    let step = |name: &str| [assistant(vec![call("call_0", name, "")]), user(vec![result("call_0", "ok")])];
    let messages = Vec::from_iter([user(vec![text("go")])].into_iter().chain(step("one")).chain(step("two")));
    let said = contents(messages, no_facts());
    assert_eq!(said[2]["parts"][0]["functionResponse"]["name"], "one");
    assert_eq!(said[4]["parts"][0]["functionResponse"]["name"], "two");
}

#[test]
fn images_in_results() {
    let gif = media(MediaKind::Image, "image/webp", Source::Bytes(vec![9]));
    let audio = media(MediaKind::Audio, "audio/wav", Source::Bytes(vec![8]));
    let content = vec![ResultPart::Media(image(&[1])), ResultPart::Media(gif), ResultPart::Media(audio)];
    let messages = || {
        vec![
            user(vec![text("go")]),
            assistant(vec![call("a", "look", ""), call("b", "look", "")]),
            user(vec![Part::ToolResult(result_of("a", content.clone())), result("b", "x"), text("so?")]),
        ]
    };
    let old = contents(messages(), no_facts())[2]["parts"].clone();
    let kinds: Vec<_> =
        old.as_array().unwrap().iter().map(|part| part.as_object().unwrap().keys().next().unwrap().clone()).collect();
    assert_eq!(kinds, ["functionResponse", "functionResponse", "inlineData", "inlineData", "inlineData", "text"]);
    assert_eq!(old[0]["functionResponse"].get("parts"), None);
    let new = contents(messages(), gemini_3())[2]["parts"].clone();
    let inside = json!([
        { "inlineData": { "mimeType": "image/png", "data": "AQ==" } },
        { "inlineData": { "mimeType": "image/webp", "data": "CQ==" } },
    ]);
    assert_eq!(new[0]["functionResponse"]["parts"], inside);
    assert_eq!(new[2]["inlineData"]["mimeType"], "audio/wav");
}

#[test]
fn media_of_messages() {
    let encode_media = |protocol: &str, media: Media| {
        let request = Request { protocol: protocol.into(), messages: vec![user(vec![Part::Media(media)])], ..ask("") };
        Codec::encode("{}".into(), "chat".into(), request, no_facts())
            .map(|encoded| serde_json::from_slice::<Value>(&encoded.body).unwrap()["contents"][0]["parts"][0].clone())
    };
    let bytes = |kind, mime: &str| media(kind, mime, Source::Bytes(vec![1, 2, 3]));
    let sent = encode_media("openai-chat", bytes(MediaKind::Image, "image/jpg")).unwrap();
    assert_eq!(sent, json!({ "inlineData": { "mimeType": "image/jpeg", "data": "AQID" } }));
    for (kind, mime) in [
        (MediaKind::Document, "application/pdf"),
        (MediaKind::Document, "text/csv"),
        (MediaKind::Audio, "audio/mp3"),
        (MediaKind::Video, "video/mp4"),
    ] {
        assert_eq!(encode_media("openai-chat", bytes(kind, mime)).unwrap()["inlineData"]["mimeType"], mime);
    }
    let file = || Media { mime: "video/mp4".into(), ..media(MediaKind::Video, "", Source::FileId("gs://b/v".into())) };
    let sent = encode_media("gemini", file()).unwrap();
    assert_eq!(sent, json!({ "fileData": { "fileUri": "gs://b/v", "mimeType": "video/mp4" } }));
    let page = || media(MediaKind::Image, "", Source::Url("https://x/y.png".into()));
    assert_eq!(encode_media("gemini", page()).unwrap(), json!({ "fileData": { "fileUri": "https://x/y.png" } }));
    let refused = [
        ("openai-chat", file()),
        ("openai-chat", page()),
        ("openai-chat", bytes(MediaKind::Image, "image/gif")),
        ("openai-chat", bytes(MediaKind::Image, "")),
        ("openai-chat", bytes(MediaKind::Document, "application/zip")),
    ];
    for (protocol, media) in refused {
        let fault = encode_media(protocol, media).unwrap_err();
        assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::Unsupported, Some("messages[0].content[0]")));
    }
}

#[test]
fn own_signatures_stand_on_the_part_that_follows() {
    let messages = vec![
        user(vec![text("go")]),
        assistant(vec![thought("hm", Some(("gemini", "S1"))), call("a", "look", ""), call("b", "look", "")]),
        user(vec![result("a", ""), result("b", "")]),
        assistant(vec![text("Hello."), thought("", Some(("gemini", "S2")))]),
        user(vec![text("bye")]),
        assistant(vec![thought("", Some(("gemini", "S3"))), text("Bye.")]),
    ];
    let said = contents(messages, gemini_3());
    assert_eq!(said[1]["parts"][0]["thoughtSignature"], "S1");
    assert_eq!(said[1]["parts"][1].get("thoughtSignature"), None);
    assert_eq!(said[3]["parts"], json!([{ "text": "Hello.", "thoughtSignature": "S2" }]));
    assert_eq!(said[5]["parts"], json!([{ "text": "Bye.", "thoughtSignature": "S3" }]));
    assert!(!said.to_string().contains("hm"));
}

#[test]
fn thoughts_of_others_are_dropped_and_their_calls_get_a_placeholder() {
    let messages = || {
        vec![
            user(vec![text("go")]),
            assistant(vec![
                thought("secret", Some(("anthropic-messages", "S"))),
                call("a", "look", ""),
                call("b", "look", ""),
            ]),
            user(vec![result("a", ""), result("b", "")]),
            assistant(vec![call("c", "look", "")]),
            user(vec![result("c", "")]),
        ]
    };
    let (body, dropped) = encode_with("{}", Request { messages: messages(), ..ask("") }, gemini_3());
    let said = &body["contents"];
    assert_eq!(said[1]["parts"][0]["thoughtSignature"], "skip_thought_signature_validator");
    assert_eq!(said[1]["parts"][1].get("thoughtSignature"), None);
    assert_eq!(said[3]["parts"][0]["thoughtSignature"], "skip_thought_signature_validator");
    assert_eq!(dropped, ["reasoning"]);
    assert!(!said.to_string().contains("secret"));
    // A model of which that is not known gets none.
    assert!(!contents(messages(), no_facts()).to_string().contains("thoughtSignature"));
}

#[test]
fn extras_of_parts() {
    let part = |protocol: &str| {
        let clip = Part::Text(Text { text: "hi".into(), extras: vec![extra("mediaResolution", json!("LOW"))] });
        encode(Request { protocol: protocol.into(), messages: vec![user(vec![clip])], ..ask("") })
    };
    let (body, dropped) = part("gemini");
    assert_eq!(body["contents"][0]["parts"][0], json!({ "text": "hi", "mediaResolution": "LOW" }));
    assert!(dropped.is_empty());
    let (body, dropped) = part("openai-chat");
    assert_eq!(body["contents"][0]["parts"][0], json!({ "text": "hi" }));
    assert_eq!(dropped, ["mediaResolution"]);
}

#[test]
fn a_beginning_of_the_answer_only_where_it_is_continued() {
    let messages = vec![user(vec![text("go")]), assistant(vec![text("Well,")])];
    let request = || Request { messages: messages.clone(), ..ask("") };
    assert_eq!(encode(request()).0["contents"][1]["role"], "model");
    let no_prefill = ModelFacts { prefill: Some(false), ..no_facts() };
    let fault = Codec::encode("{}".into(), "chat".into(), request(), no_prefill).unwrap_err();
    assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::Unsupported, Some("messages[1]")));
}
