//! Replies of the provider.

use super::*;

fn usage_of(metadata: Value) -> Vec<Event> {
    let mut end = last("STOP");
    end["usageMetadata"] = metadata;
    decode_stream(&[chunk(json!([{ "text": "a" }])), end])
}

#[test]
fn a_text_in_pieces() {
    let mut first = chunk(json!([{ "text": "Hel" }]));
    first["usageMetadata"] = json!({ "promptTokenCount": 7, "totalTokenCount": 7 });
    let mut end = last("STOP");
    end["usageMetadata"] = json!({ "promptTokenCount": 7, "candidatesTokenCount": 2, "totalTokenCount": 9 });
    let events = decode_stream(&[first, chunk(json!([{ "text": "lo" }])), end]);
    let usage = |output| Event::Usage(Usage { input: 7, output, cache_read: 0, cache_write: 0, reasoning: 0 });
    let expected = [
        started(),
        Event::TextDelta(delta(0, "Hel")),
        usage(0),
        Event::TextDelta(delta(0, "lo")),
        usage(2),
        Event::PartFinished(0),
        finished(Finish::Stop),
    ];
    assert_eq!(events, expected);
}

#[test]
fn thoughts_calls_and_their_signature() {
    let events = decode_stream(&[
        chunk(json!([{ "text": "Let me ", "thought": true }])),
        chunk(json!([{ "text": "see.", "thought": true }])),
        chunk(json!([{ "text": "Looking." }])),
        chunk(json!([{ "functionCall": { "name": "look", "args": { "x": [1.50, "é"] } }, "thoughtSignature": "S1" }])),
        chunk(json!([{ "functionCall": { "id": "own", "name": "esc.7zip", "args": {} } }])),
        last("STOP"),
    ]);
    let expected = [
        started(),
        Event::ReasoningDelta(delta(0, "Let me ")),
        Event::ReasoningDelta(delta(0, "see.")),
        Event::PartFinished(0),
        Event::TextDelta(delta(1, "Looking.")),
        Event::PartFinished(1),
        Event::ReasoningSignature(sealed(2, "gemini", "S1")),
        Event::PartFinished(2),
        called(3, "call_r1_0", "look"),
        Event::ToolArgumentsDelta(delta(3, r#"{"x":[1.5,"é"]}"#)),
        Event::PartFinished(3),
        called(4, "own", "7zip"),
        Event::PartFinished(4),
        finished(Finish::ToolCalls),
    ];
    assert_eq!(events, expected);
}

#[test]
fn a_signature_goes_on_the_thought_that_is_open() {
    let events = decode_stream(&[
        chunk(json!([{ "text": "hm", "thought": true }])),
        chunk(json!([{ "functionCall": { "name": "look" }, "thoughtSignature": "S1" }])),
        last("STOP"),
    ]);
    let expected = [
        started(),
        Event::ReasoningDelta(delta(0, "hm")),
        Event::ReasoningSignature(sealed(0, "gemini", "S1")),
        Event::PartFinished(0),
        called(1, "call_r1_0", "look"),
        Event::PartFinished(1),
        finished(Finish::ToolCalls),
    ];
    assert_eq!(events, expected);
}

#[test]
fn a_thought_signed_itself_does_not_lose_the_calls_signature() {
    let events = decode_stream(&[
        chunk(json!([{ "text": "hm", "thought": true, "thoughtSignature": "S0" }])),
        chunk(json!([{ "functionCall": { "name": "look" }, "thoughtSignature": "S1" }])),
        last("STOP"),
    ]);
    let signatures: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::ReasoningSignature(delta) => Some((delta.index, delta.sealed.data.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(signatures, [(0, "S0"), (1, "S1")]);
}

#[test]
fn the_signature_of_a_text_is_passed_over() {
    let mut end = last("STOP");
    end["candidates"][0]["content"]["parts"][0]["thoughtSignature"] = "S".into();
    let events = decode_stream(&[chunk(json!([{ "text": "Hi." }])), end]);
    let expected = [started(), Event::TextDelta(delta(0, "Hi.")), Event::PartFinished(0), finished(Finish::Stop)];
    assert_eq!(events, expected);
}

#[test]
fn calls_without_ids_differ_and_are_the_same_every_time() {
    let two = chunk(json!([{ "functionCall": { "name": "look" } }, { "functionCall": { "name": "look", "id": "" } }]));
    let ids = |data: &[Value]| -> Vec<String> {
        let events = decode_stream(data).into_iter();
        events.filter_map(|event| if let Event::ToolCallStarted(call) = event { Some(call.id) } else { None }).collect()
    };
    assert_eq!(ids(&[two.clone(), last("STOP")]), ["call_r1_0", "call_r1_1"]);
    let mut nameless = two;
    nameless["responseId"] = Value::Null;
    assert_eq!(ids(&[nameless, last("STOP")]), ["call_0", "call_1"]);
}

#[test]
fn counts() {
    let events =
        usage_of(json!({ "promptTokenCount": 100, "toolUsePromptTokenCount": 5, "cachedContentTokenCount": 60,
        "candidatesTokenCount": 10, "thoughtsTokenCount": 30, "totalTokenCount": 145, "novelty": [] }));
    let expected = Usage { input: 105, output: 40, cache_read: 60, cache_write: 0, reasoning: 30 };
    assert!(events.contains(&Event::Usage(expected)), "{events:?}");
    // Nonsense in the counts does not fail a reply.
    assert_eq!(usage_of(json!({ "promptTokenCount": "many" })).last(), Some(&finished(Finish::Stop)));
}

#[test]
fn counts_after_the_reason_to_finish_are_not_lost() {
    let late = json!({ "usageMetadata": { "promptTokenCount": 3, "candidatesTokenCount": 4 } });
    let events = decode_stream(&[chunk(json!([{ "text": "a" }])), last("STOP"), late]);
    let usage = Event::Usage(Usage { input: 3, output: 4, cache_read: 0, cache_write: 0, reasoning: 0 });
    let expected =
        vec![started(), Event::TextDelta(delta(0, "a")), usage, Event::PartFinished(0), finished(Finish::Stop)];
    assert_eq!(events, expected);
}

#[test]
fn reasons_to_finish() {
    let reasons = [
        ("STOP", Finish::Stop),
        ("MAX_TOKENS", Finish::Length),
        ("CONTINUATION", Finish::Length),
        ("SAFETY", Finish::ContentFilter),
        ("RECITATION", Finish::ContentFilter),
        ("LANGUAGE", Finish::ContentFilter),
        ("BLOCKLIST", Finish::ContentFilter),
        ("PROHIBITED_CONTENT", Finish::ContentFilter),
        ("SPII", Finish::ContentFilter),
        ("IMAGE_SAFETY", Finish::ContentFilter),
        ("IMAGE_PROHIBITED_CONTENT", Finish::ContentFilter),
        ("IMAGE_RECITATION", Finish::ContentFilter),
        ("ESCALATION", Finish::ContentFilter),
        ("MODEL_ARMOR", Finish::ContentFilter),
        ("OTHER", Finish::ContentFilter),
        ("SOMETHING_NEW", Finish::Stop),
    ];
    for (reason, expected) in reasons {
        let events = decode_stream(&[chunk(json!([{ "text": "a" }])), last(reason)]);
        assert_eq!(events.last(), Some(&finished(expected)), "{reason}");
    }
    let faults = [
        ("MALFORMED_FUNCTION_CALL", FaultKind::MalformedReply),
        ("UNEXPECTED_TOOL_CALL", FaultKind::MalformedReply),
        ("TOO_MANY_TOOL_CALLS", FaultKind::MalformedReply),
        ("MALFORMED_RESPONSE", FaultKind::MalformedReply),
        ("MISSING_THOUGHT_SIGNATURE", FaultKind::Unsupported),
        ("PUP_LIMITED_DISABLED", FaultKind::Permission),
        ("OTHER", FaultKind::ServerError),
        ("NO_IMAGE", FaultKind::ServerError),
        ("IMAGE_OTHER", FaultKind::ServerError),
    ];
    for (reason, expected) in faults {
        let mut end = last(reason);
        end["candidates"][0]["finishMessage"] = "it went wrong".into();
        let events = decode_stream(&[end]);
        let fault = failure(&events);
        assert_eq!((fault.kind, fault.provider_code.as_deref()), (expected, Some(reason)));
        assert!(fault.message.contains("it went wrong"));
    }
    let cut_off = decode_stream(&[chunk(json!([{ "functionCall": { "name": "look" } }])), last("MAX_TOKENS")]);
    assert_eq!(cut_off.last(), Some(&finished(Finish::Length)));
}

#[test]
fn a_prompt_that_is_refused() {
    let body = json!({ "promptFeedback": { "blockReason": "PROHIBITED_CONTENT" },
        "usageMetadata": { "promptTokenCount": 9 }, "modelVersion": "gemini-x", "responseId": "r1" });
    let usage = Event::Usage(Usage { input: 9, output: 0, cache_read: 0, cache_write: 0, reasoning: 0 });
    let expected = [started(), usage, finished(Finish::Refusal)];
    assert_eq!(decode_stream(std::slice::from_ref(&body)), expected);
    assert_eq!(decode_whole(&body), expected);
    let harmless = json!({ "promptFeedback": { "safetyRatings": [] } });
    let events = decode_stream(&[harmless, chunk(json!([{ "text": "a" }])), last("STOP")]);
    assert_eq!(events.last(), Some(&finished(Finish::Stop)));
}

#[test]
fn a_reply_that_ends_early() {
    let frames = [chunk(json!([{ "text": "a" }])), json!({ "usageMetadata": { "promptTokenCount": 1 } })];
    for length in 0..=frames.len() {
        assert_eq!(failure(&decode_stream(&frames[..length])).kind, FaultKind::Truncated);
    }
    let mut unsure = chunk(json!([{ "text": "a" }]));
    unsure["candidates"][0]["finishReason"] = "FINISH_REASON_UNSPECIFIED".into();
    assert_eq!(failure(&decode_stream(&[unsure])).kind, FaultKind::Truncated);
    assert_eq!(failure(&decode_whole(&json!({}))).kind, FaultKind::Truncated);
}

#[test]
fn errors_inside_a_reply() {
    let error = json!({ "error": { "code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE" } });
    for body in [error.clone(), json!([error])] {
        let events = decode_stream(&[chunk(json!([{ "text": "a" }])), body.clone(), last("STOP")]);
        let fault = failure(&events);
        assert_eq!((fault.kind, fault.status), (FaultKind::Overloaded, 0));
        assert_eq!(fault.message, "The model is overloaded.");
        assert_eq!(failure(&decode_whole(&body)).kind, FaultKind::Overloaded);
    }
    assert_eq!(failure(&decode_stream(&[json!({ "error": "oh" })])).message, "oh");
    let numbers_only = json!({ "error": { "code": 429, "message": "slow down" } });
    assert_eq!(failure(&decode_stream(&[numbers_only])).kind, FaultKind::RateLimited);
}

#[test]
fn what_nobody_knows_is_passed_over() {
    let odd = json!([{ "executableCode": { "code": "1" } }, { "inlineData": { "data": "AA==" } }, {}, { "text": "" },
        { "functionCall": { "partialArgs": [] } }, { "novelty": 1 }]);
    let second = json!({ "candidates": [{ "index": 1, "content": { "parts": [{ "text": "other" }] } }] });
    let bare = json!({ "candidates": [{ "content": { "role": "model" } }] });
    let events = decode_stream(&[chunk(odd), second, bare, json!({ "candidates": [] }), last("STOP")]);
    // Code, an image, and a piece of a call: content that has no word in the contract.
    let other = pointsman_sdk::codec::other_content;
    assert_eq!(events, [started(), other(), other(), other(), finished(Finish::Stop)]);
}

#[test]
fn nonsense_is_malformed() {
    for data in [&b"{\"candidates\":"[..], b"[DONE]", b"\xff", b"3", b"{\"candidates\":7}"] {
        let frame = Frame { event: None, data: data.to_vec() };
        let events = Codec::decode("chat".into(), true, Vec::new(), vec![frame], true).events;
        assert_eq!((failure(&events).kind, events.len()), (FaultKind::MalformedReply, 1));
    }
    let blank = Frame { event: None, data: b" \r\n".to_vec() };
    assert!(Codec::decode("chat".into(), true, Vec::new(), vec![blank], false).events.is_empty());
}

#[test]
fn a_whole_reply_says_what_its_stream_says() {
    let parts = json!([{ "text": "hm", "thought": true }, { "text": "Hi" },
        { "functionCall": { "name": "look", "args": { "x": 1 } }, "thoughtSignature": "S" }]);
    let mut whole = chunk(parts.clone());
    whole["candidates"][0]["finishReason"] = "STOP".into();
    whole["usageMetadata"] = json!({ "promptTokenCount": 1, "candidatesTokenCount": 2 });
    let mut chunks: Vec<Value> = parts.as_array().unwrap().iter().map(|part| chunk(json!([part]))).collect();
    let mut end = last("STOP");
    end["usageMetadata"] = whole["usageMetadata"].clone();
    chunks.push(end);
    assert_eq!(decode_whole(&whole), decode_stream(&chunks));
}

#[test]
fn arguments_lose_the_indentation_and_nothing_else() {
    let body = br#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"look","args":{
        "price": 1.50, "id": 12345678901234567890123, "note": "a\n b" }}}]},"finishReason":"STOP"}]}"#;
    let frame = Frame { event: None, data: body.to_vec() };
    let events = Codec::decode("chat".into(), false, Vec::new(), vec![frame], true).events;
    let expected = r#"{"price":1.50,"id":12345678901234567890123,"note":"a\n b"}"#;
    assert_eq!(events[2], Event::ToolArgumentsDelta(delta(0, expected)));
}

#[test]
fn counted_tokens() {
    let count = |body: Value| Codec::decode("count-tokens".into(), false, Vec::new(), vec![frame(&body)], true).events;
    let usage = Event::Usage(Usage { input: 31, output: 0, cache_read: 4, cache_write: 0, reasoning: 0 });
    let body = json!({ "totalTokens": 31, "cachedContentTokenCount": 4, "promptTokensDetails": [] });
    assert_eq!(count(body), [usage, finished(Finish::Stop)]);
    assert_eq!(failure(&count(json!({ "tokens": 3 }))).kind, FaultKind::MalformedReply);
    let error = json!({ "error": { "code": 404, "message": "no", "status": "NOT_FOUND" } });
    assert_eq!(failure(&count(error)).kind, FaultKind::ModelNotFound);
    let nothing = Codec::decode("count-tokens".into(), false, Vec::new(), Vec::new(), true).events;
    assert_eq!(failure(&nothing).kind, FaultKind::Truncated);
}
