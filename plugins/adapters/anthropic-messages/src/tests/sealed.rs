//! Signatures and encrypted thoughts: Claude's own go back to Claude, those of others come back marked.

use super::*;

fn thought(signature: Option<Sealed>, redacted: Option<Sealed>) -> Part {
    Part::Reasoning(Reasoning { text: "hm".into(), signature, redacted, extras: Vec::new() })
}

fn own(data: &str) -> Option<Sealed> {
    Some(sealed("anthropic-messages", data))
}

#[test]
fn signatures_come_whole_however_they_were_cut() {
    let mut data = vec![super::decode::message_start()];
    let signature = |piece: &str| json!({ "type": "signature_delta", "signature": piece });
    let start = json!({ "type": "thinking", "thinking": "", "signature": "" });
    let thinking = json!({ "type": "thinking_delta", "thinking": "hm" });
    data.extend(super::decode::block(0, start, &[signature("a"), thinking, signature("b="), signature("")]));
    data.extend(super::decode::end("end_turn"));
    let events = decode_stepwise(&data);
    let expected = [
        Event::ReasoningDelta(delta(0, "hm")),
        Event::ReasoningSignature(sealed_delta(0, "anthropic-messages", "ab=")),
        Event::PartFinished(0),
    ];
    assert_eq!(events[2..5], expected);
}

#[test]
fn callers_get_foreign_ones_marked() {
    let events = vec![
        started(),
        Event::ReasoningSignature(sealed_delta(0, "gemini", "g")),
        Event::PartFinished(0),
        Event::ReasoningDelta(delta(1, "hm")),
        Event::ReasoningSignature(sealed_delta(1, "anthropic-messages", "a")),
        Event::PartFinished(1),
        Event::RedactedReasoning(sealed_delta(2, "openai-responses", "r")),
        Event::PartFinished(2),
        Event::ReasoningDelta(delta(3, "unsigned")),
        Event::PartFinished(3),
        finished(Finish::Stop),
    ];
    let whole: Value = {
        let bytes = Codec::write("chat".into(), false, Vec::new(), events.clone(), true).bytes;
        serde_json::from_slice(&bytes).unwrap()
    };
    let content = json!([
        { "type": "thinking", "thinking": "", "signature": "pointsman:gemini:g" },
        { "type": "thinking", "thinking": "hm", "signature": "a" },
        { "type": "redacted_thinking", "data": "pointsman:openai-responses:r" },
        { "type": "thinking", "thinking": "unsigned", "signature": "pointsman:unknown:" },
    ]);
    assert_eq!(whole["content"], content);

    let sent = write_stream(Vec::new(), events);
    let signatures: Vec<_> = sent.iter().filter_map(|(_, data)| data["delta"]["signature"].as_str()).collect();
    assert_eq!(signatures, ["pointsman:gemini:g", "a", "pointsman:unknown:"]);
    assert!(sent.iter().any(|(_, data)| data["content_block"]["data"] == "pointsman:openai-responses:r"));

    // And when the caller sends its history back:
    let history =
        json!({ "messages": [{ "role": "user", "content": "go" }, { "role": "assistant", "content": content }] });
    let parts = read(body_with(history)).messages.remove(1).parts;
    let found = parts.into_iter().map(|part| match part {
        Part::Reasoning(Reasoning { signature, redacted, .. }) => signature.or(redacted),
        other => panic!("{other:?}"),
    });
    let expected = [Some(sealed("gemini", "g")), own("a"), Some(sealed("openai-responses", "r")), None];
    assert_eq!(Vec::from_iter(found), expected);
}

#[test]
fn the_mark_of_unsigned_thoughts_is_a_seal_by_nobody() {
    let packed = pointsman_sdk::sealed::pack(&sealed("unknown", ""), "anthropic-messages");
    assert_eq!(crate::write::UNSIGNED, packed);
    assert!(packed.starts_with(pointsman_sdk::sealed::MARK));
}

#[test]
fn only_claudes_own_thoughts_go_back() {
    let parts = vec![
        thought(own("a"), None),
        thought(None, own("r")),
        thought(Some(sealed("gemini", "g")), None),
        thought(None, None),
        text("done"),
    ];
    for protocol in ["openai-responses", "anthropic-messages"] {
        let messages = vec![user(vec![text("go")]), assistant(parts.clone()), user(vec![text("more")])];
        let (body, dropped) = encode(Request { messages, protocol: protocol.into(), ..ask("") });
        let content = json!([
            { "type": "thinking", "thinking": "hm", "signature": "a" },
            { "type": "redacted_thinking", "data": "r" },
            { "type": "text", "text": "done" },
        ]);
        assert_eq!(body["messages"][1]["content"], content);
        assert_eq!(dropped, ["reasoning"]);
    }
}

#[test]
fn a_budget_needs_claudes_thought_before_a_pending_call() {
    let body = |first: Option<Part>| {
        let mut calling = Vec::from_iter(first);
        calling.push(call("c", "{}"));
        let messages = vec![user(vec![text("go")]), assistant(calling), user(vec![result("c", "x")])];
        encode(Request { messages, reasoning_budget_tokens: Some(2048), ..ask("") }).0
    };
    assert_eq!(body(Some(thought(own("a"), None)))["thinking"]["type"], "enabled");
    assert!(body(Some(thought(Some(sealed("gemini", "g")), None))).get("thinking").is_none());
    assert!(body(None).get("thinking").is_none());

    let own_caller = |first: Value| {
        let thinking = json!({ "type": "enabled", "budget_tokens": 2048 });
        let calling = json!([first, { "type": "tool_use", "id": "c", "name": "look", "input": {} }]);
        let results = json!([{ "type": "tool_result", "tool_use_id": "c" }]);
        let messages = json!([{ "role": "user", "content": "go" }, { "role": "assistant", "content": calling },
            { "role": "user", "content": results }]);
        encode(read(body_with(json!({ "max_tokens": 4096, "thinking": thinking, "messages": messages }))))
    };
    let (sent, dropped) =
        own_caller(json!({ "type": "thinking", "thinking": "hm", "signature": "pointsman:gemini:g" }));
    assert!(sent.get("thinking").is_none());
    assert_eq!(dropped, ["reasoning_budget_tokens", "reasoning"]);
    let (sent, _) = own_caller(json!({ "type": "text", "text": "I look." }));
    assert_eq!(sent["thinking"]["budget_tokens"], 2048, "the caller is believed");
}
