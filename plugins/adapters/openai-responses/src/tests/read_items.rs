//! Input items as messages.

use super::*;

fn messages(input: Value) -> Vec<Message> {
    read(json!({"model": "m", "input": input})).messages
}

fn fault(item: Value) -> Fault {
    read_fault(json!({"model": "m", "input": [{"role": "user", "content": "hi"}, item]}))
}

#[test]
fn roles() {
    let input = json!([
        {"role": "developer", "content": "a"},
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "b"}]},
        {"role": "user", "content": [{"type": "input_text", "text": "c"}]},
        {"role": "assistant", "content": "d"},
    ]);
    let expected = [system("a"), system("b"), user(vec![text("c")]), assistant(vec![text("d")])];
    assert_eq!(messages(input), expected);
}

#[test]
fn a_turn_is_gathered() {
    let input = json!([
        {"role": "user", "content": "go"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "h"},
            {"type": "summary_text", "text": "m"}], "encrypted_content": "gAAA="},
        {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
            "content": [{"type": "output_text", "text": "a", "annotations": [], "logprobs": []}]},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "look", "arguments": "{}", "status": "completed"},
        {"type": "function_call", "call_id": "c2", "name": "look", "arguments": "{\"x\":1}"},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "two"}]},
        {"role": "user", "content": "and?"},
        {"role": "user", "content": "well?"},
    ]);
    let expected = [
        user(vec![text("go")]),
        assistant(vec![thought("h\n\nm", Some(own_secret())), text("a"), call("c1", "{}"), call("c2", "{\"x\":1}")]),
        user(vec![result("c1", "one"), result("c2", "two"), text("and?")]),
        user(vec![text("well?")]),
    ];
    assert_eq!(messages(input), expected);
}

#[test]
fn results_do_not_join_across_other_items() {
    let input = json!([
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {"role": "developer", "content": "x"},
        {"type": "function_call_output", "call_id": "c2", "output": "two"},
    ]);
    assert_eq!(messages(input), [user(vec![result("c1", "one")]), system("x"), user(vec![result("c2", "two")])]);
}

#[test]
fn thoughts() {
    let thoughts = |item: Value| messages(json!([{"role": "user", "content": "go"}, item])).split_off(1);
    assert!(thoughts(json!({"type": "reasoning", "id": "rs_1", "summary": []})).is_empty());
    let open = json!({"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]});
    assert_eq!(thoughts(open), [assistant(vec![thought("hm", None)])]);
    let foreign =
        json!({"type": "reasoning", "id": "rs_x", "summary": [], "encrypted_content": "pointsman:gemini:a:b"});
    assert_eq!(thoughts(foreign), [assistant(vec![thought("", Some(sealed("gemini", "a:b")))])]);
    let data = own_secret().data;
    let marked = json!({"type": "reasoning", "id": "rs_x", "summary": [],
        "encrypted_content": format!("pointsman:openai-responses:{data}")});
    assert_eq!(thoughts(marked), [assistant(vec![thought("", Some(own_secret()))])]);
}

#[test]
fn refusals_and_phases() {
    let kind = extra("type", json!("refusal"));
    let item = json!({"role": "assistant", "phase": "commentary", "content": [{"type": "refusal", "refusal": "no"}]});
    let Part::Text(said) = messages(json!([item])).remove(0).parts.remove(0) else { panic!("expected text") };
    assert_eq!(said, Text { text: "no".into(), extras: vec![kind, extra("message.phase", json!("commentary"))] });
}

#[test]
fn media_of_callers() {
    let of = |part: Value| match messages(json!([{"role": "user", "content": [part]}])).remove(0).parts.remove(0) {
        Part::Media(media) => media,
        other => panic!("expected media, not {other:?}"),
    };
    let image = of(json!({"type": "input_image", "image_url": "data:image/PNG;base64,AQ", "detail": "low"}));
    let expected = media(MediaKind::Image, "image/png", Source::Bytes(vec![1]));
    assert_eq!(image, Media { extras: vec![extra("detail", json!("low"))], ..expected });
    let image = of(json!({"type": "input_image", "image_url": "https://x/y"}));
    assert_eq!(image, media(MediaKind::Image, "", Source::Url("https://x/y".into())));
    let file = of(json!({"type": "input_file", "filename": "a.pdf", "file_data": "AQ=="}));
    let expected = media(MediaKind::Document, "application/pdf", Source::Bytes(vec![1]));
    assert_eq!(file, Media { title: Some("a.pdf".into()), ..expected });
    let file = of(json!({"type": "input_file", "file_url": "https://x/y"}));
    assert_eq!(file, media(MediaKind::Document, "", Source::Url("https://x/y".into())));
    let file = of(json!({"type": "input_file", "file_id": "file-1"}));
    assert_eq!(file, media(MediaKind::Document, "", Source::FileId("file-1".into())));
}

#[test]
fn images_in_results() {
    let output = json!([{"type": "input_image", "image_url": "https://x/y"}]);
    let input = json!([{"type": "function_call_output", "call_id": "c", "output": output}]);
    let Part::ToolResult(result) = messages(input).remove(0).parts.remove(0) else { panic!("expected a result") };
    assert!(matches!(result.content.as_slice(), [ResultPart::Media(_)]));
}

#[test]
fn items_that_others_do_not_know() {
    for kind in ["item_reference", "compaction", "mcp_approval_response"] {
        let fault = fault(json!({"type": kind, "id": "x"}));
        assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::Unsupported, Some("input[1].type")));
    }
    let fault = fault(json!({"role": "user", "content": [{"type": "input_audio"}]}));
    assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::Unsupported, Some("input[1].content[0].type")));
}

#[test]
fn items_that_are_wrong() {
    for (item, field) in [
        (json!(3), "input[1]"),
        (json!({"role": "tool", "content": "x"}), "input[1].role"),
        (json!({"content": "x"}), "input[1].role"),
        (json!({"role": "user"}), "input[1].content"),
        (json!({"type": "function_call", "name": "look"}), "input[1].call_id"),
        (json!({"type": "function_call_output", "call_id": "c"}), "input[1].output"),
        (json!({"role": "system", "content": [{"type": "input_image", "file_id": "f"}]}), "input[1].content[0]"),
        (
            json!({"role": "user", "content": [{"type": "input_image", "image_url": "file:///x"}]}),
            "input[1].content[0].image_url",
        ),
        (json!({"role": "user", "content": [{"type": "input_image"}]}), "input[1].content[0]"),
        (json!({"type": "reasoning", "summary": [{}]}), "input[1].summary[0].text"),
    ] {
        let fault = fault(item);
        assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::InvalidRequest, Some(field)));
    }
}
