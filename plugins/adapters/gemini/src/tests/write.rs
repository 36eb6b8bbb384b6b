//! Replies to callers.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pointsman_sdk::codec::fault;

fn usage() -> Event {
    Event::Usage(Usage { input: 100, output: 40, cache_read: 60, cache_write: 3, reasoning: 30 })
}

/// Thoughts of Claude, an announcement, two calls.
fn events() -> Vec<Event> {
    vec![
        started(),
        Event::Ping,
        Event::ReasoningDelta(delta(0, "h")),
        Event::ReasoningDelta(delta(0, "m")),
        Event::ReasoningSignature(sealed(0, "anthropic-messages", "S")),
        Event::PartFinished(0),
        Event::TextDelta(delta(1, "Loo")),
        Event::TextDelta(delta(1, "king")),
        Event::PartFinished(1),
        called(2, "t1", "look"),
        Event::ToolArgumentsDelta(delta(2, "{\"x\":")),
        Event::ToolArgumentsDelta(delta(2, "1}")),
        Event::PartFinished(2),
        called(3, "t2", "wait"),
        Event::PartFinished(3),
        usage(),
        finished(Finish::ToolCalls),
    ]
}

fn usage_json() -> Value {
    json!({ "promptTokenCount": 100, "candidatesTokenCount": 10, "totalTokenCount": 140, "thoughtsTokenCount": 30,
        "cachedContentTokenCount": 60 })
}

/// In the place of a signature, on the first call of a reply that has none: Gemini 3 would refuse the turn without it.
fn unsigned() -> String {
    STANDARD.encode("pointsman:unknown:")
}

fn signed(mut part: Value) -> Value {
    part["thoughtSignature"] = unsigned().into();
    part
}

#[test]
fn a_stream() {
    let signature = STANDARD.encode("pointsman:anthropic-messages:S");
    assert!(signature.starts_with("cG9pbnRzbWFu"));
    let chunks = write_stream(true, events());
    let call = |id: &str, name: &str, args: Value| json!({ "functionCall": { "id": id, "name": name, "args": args } });
    let expected = [
        json!({ "text": "h", "thought": true }),
        json!({ "text": "m", "thought": true }),
        json!({ "text": "Loo", "thoughtSignature": signature }),
        json!({ "text": "king" }),
        signed(call("t1", "look", json!({ "x": 1 }))),
        call("t2", "wait", json!({})),
        json!({ "text": "" }),
    ];
    assert_eq!(parts(&chunks), expected);
    for chunk in &chunks {
        assert_eq!((&chunk["modelVersion"], &chunk["responseId"]), (&json!("gemini-x"), &json!("r1")));
        assert_eq!(chunk["candidates"][0]["content"]["role"], "model");
        assert_eq!(chunk["candidates"][0]["index"], 0);
    }
    let (last, before) = chunks.split_last().unwrap();
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    assert_eq!(last["usageMetadata"], usage_json());
    assert!(before.iter().all(|chunk| chunk["candidates"][0].get("finishReason").is_none()));
}

#[test]
fn a_whole_reply() {
    let signature = STANDARD.encode("pointsman:anthropic-messages:S");
    let expected = json!({
        "candidates": [{ "content": { "parts": [
            { "text": "hm", "thought": true },
            { "text": "Looking", "thoughtSignature": signature },
            signed(json!({ "functionCall": { "id": "t1", "name": "look", "args": { "x": 1 } } })),
            { "functionCall": { "id": "t2", "name": "wait", "args": {} } },
        ], "role": "model" }, "finishReason": "STOP", "index": 0 }],
        "usageMetadata": usage_json(), "modelVersion": "gemini-x", "responseId": "r1" });
    assert_eq!(write_whole(true, events()), expected);
    let early = Codec::write("chat".into(), false, crate::write::beginning(true), events()[..15].to_vec(), false);
    assert!(early.bytes.is_empty());
}

#[test]
fn thoughts_only_for_those_who_asked() {
    // Without its thought, Claude's signature would be refused when it comes back.
    for said in [write_stream(false, events()), vec![write_whole(false, events())]] {
        let parts = parts(&said);
        let claudes = |part: &Value| part["thoughtSignature"].as_str().is_some_and(|signature| signature != unsigned());
        assert!(!parts.iter().any(|part| part.get("thought").is_some() || claudes(part)));
    }
    let own = vec![
        started(),
        Event::ReasoningDelta(delta(0, "hm")),
        Event::ReasoningSignature(sealed(0, "gemini", "R2VtaW5p")),
        Event::PartFinished(0),
        called(1, "t1", "look"),
        Event::PartFinished(1),
        finished(Finish::ToolCalls),
    ];
    let call = json!({ "functionCall": { "id": "t1", "name": "look", "args": {} }, "thoughtSignature": "R2VtaW5p" });
    assert_eq!(parts(&write_stream(false, own.clone()))[0], call);
    assert_eq!(parts(&write_stream(true, own))[1], call);
}

#[test]
fn signatures_that_nothing_follows() {
    let signed = |thoughts_wanted| {
        let events = vec![
            started(),
            Event::TextDelta(delta(0, "Hi")),
            Event::PartFinished(0),
            Event::ReasoningSignature(sealed(1, "gemini", "Uw==")),
            Event::PartFinished(1),
            Event::RedactedReasoning(sealed(2, "anthropic-messages", "R")),
            Event::PartFinished(2),
            finished(Finish::Stop),
        ];
        parts(&write_stream(thoughts_wanted, events))
    };
    let redacted = STANDARD.encode("pointsman:anthropic-messages#redacted:R");
    assert_eq!(signed(true)[1], json!({ "text": "", "thought": true, "thoughtSignature": "Uw==" }));
    assert_eq!(signed(false)[1], json!({ "text": "", "thoughtSignature": "Uw==" }));
    assert_eq!(signed(true)[2], json!({ "text": "", "thought": true, "thoughtSignature": redacted }));
}

#[test]
fn reasons_to_finish() {
    let table = [
        (Finish::Stop, "STOP"),
        (Finish::StopSequence, "STOP"),
        (Finish::ToolCalls, "STOP"),
        (Finish::Pause, "STOP"),
        (Finish::Length, "MAX_TOKENS"),
        (Finish::ContentFilter, "SAFETY"),
        (Finish::Refusal, "SAFETY"),
    ];
    for (reason, expected) in table {
        let events = vec![started(), finished(reason)];
        assert_eq!(write_stream(false, events.clone())[0]["candidates"][0]["finishReason"], expected);
        let whole = write_whole(false, events);
        assert_eq!(whole["candidates"][0]["finishReason"], expected);
        assert_eq!(whole["candidates"][0]["content"]["parts"], json!([{ "text": "" }]));
    }
}

#[test]
fn a_failure_ends_the_stream() {
    let events = vec![
        Event::Failed(fault(FaultKind::Overloaded, "busy")),
        Event::TextDelta(delta(0, "x")),
        finished(Finish::Stop),
    ];
    let written = Codec::write("chat".into(), true, Vec::new(), events.clone(), false);
    let expected = "data: {\"error\":{\"code\":503,\"message\":\"busy\",\"status\":\"UNAVAILABLE\"}}\r\n\r\n";
    assert_eq!(String::from_utf8(written.bytes).unwrap(), expected);
    let after = Codec::write("chat".into(), true, written.memory, vec![finished(Finish::Stop)], true);
    assert!(after.bytes.is_empty());
    assert!(Codec::write("chat".into(), false, Vec::new(), events, true).bytes.is_empty());
}

/// Faults: F71
#[test]
fn arguments_that_are_no_object() {
    let events = vec![
        started(),
        called(0, "t", "look"),
        Event::ToolArgumentsDelta(delta(0, "nonsense")),
        finished(Finish::ToolCalls),
    ];
    assert_eq!(parts(&write_stream(false, events))[0]["functionCall"]["args"], json!({ "_raw": "nonsense" }));
}

#[test]
fn counted_tokens() {
    let bytes =
        Codec::write("count-tokens".into(), false, Vec::new(), vec![usage(), finished(Finish::Stop)], true).bytes;
    assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), json!({ "totalTokens": 100 }));
}
