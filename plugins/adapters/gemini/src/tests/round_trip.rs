//! What one direction says, the other understands.

use super::*;

/// Tells apart what matters, not where texts were cut.
fn joined(events: Vec<Event>) -> Vec<Event> {
    let mut joined: Vec<Event> = Vec::new();
    for event in events {
        match (joined.last_mut(), event) {
            (Some(Event::TextDelta(last)), Event::TextDelta(delta)) if last.index == delta.index => {
                last.text += &delta.text
            }
            (Some(Event::ReasoningDelta(last)), Event::ReasoningDelta(delta)) if last.index == delta.index => {
                last.text += &delta.text;
            }
            (_, event) => joined.push(event),
        }
    }
    joined
}

fn reply() -> Vec<Value> {
    let mut end = last("STOP");
    end["usageMetadata"] = json!({ "promptTokenCount": 9, "candidatesTokenCount": 5, "thoughtsTokenCount": 2 });
    vec![
        chunk(json!([{ "text": "h", "thought": true }])),
        chunk(json!([{ "text": "m", "thought": true }])),
        chunk(json!([{ "text": "Lo" }])),
        chunk(json!([{ "text": "ok" }])),
        chunk(json!([{ "functionCall": { "name": "look", "args": { "x": 1 } }, "thoughtSignature": "Uw==" }])),
        chunk(json!([{ "functionCall": { "id": "b", "name": "look", "args": { "x": 2 } } }])),
        end,
    ]
}

#[test]
fn a_stream_decoded_and_written_says_the_same() {
    let first = decode_stream(&reply());
    let second = decode_stream(&write_stream(true, first.clone()));
    assert_eq!(second, first);
    let whole = decode_whole(&write_whole(true, first.clone()));
    let without_counts = |events: Vec<Event>| -> Vec<Event> {
        joined(events).into_iter().filter(|event| !matches!(event, Event::Usage(_))).collect()
    };
    assert_eq!(without_counts(whole), without_counts(first));
}

#[test]
fn a_request_read_and_encoded_says_the_same() {
    let body = json!({
        "systemInstruction": { "parts": [{ "text": "be brief" }] },
        "contents": [
            { "role": "user", "parts": [{ "text": "go" }, { "inlineData": { "mimeType": "image/png", "data": "AQID" } },
                { "fileData": { "fileUri": "gs://b/v", "mimeType": "video/mp4" }, "videoMetadata": { "fps": 2 } }] },
            { "role": "model", "parts": [{ "text": "ok" },
                { "functionCall": { "id": "a", "name": "look", "args": { "x": 1 } }, "thoughtSignature": "Uw==" },
                { "functionCall": { "id": "b", "name": "look", "args": {} } }] },
            { "role": "user", "parts": [
                { "functionResponse": { "id": "a", "name": "look", "response": { "result": "done" } } },
                { "functionResponse": { "id": "b", "name": "look", "response": { "error": "no" } } }] },
        ],
        "tools": [{ "functionDeclarations": [{ "name": "look", "description": "looks",
            "parametersJsonSchema": { "type": "object", "properties": { "x": { "type": "integer" } } } }] }],
        "toolConfig": { "functionCallingConfig": { "mode": "ANY" } },
        "generationConfig": { "maxOutputTokens": 64, "temperature": 0.5, "topP": 0.5, "stopSequences": ["END"], "seed": 7,
            "responseMimeType": "application/json", "responseJsonSchema": { "type": "object" },
            "thinkingConfig": { "includeThoughts": true, "thinkingBudget": 2048 }, "topK": 3.0 },
        "safetySettings": [{ "category": "X", "threshold": "Y" }],
    });
    let (encoded, dropped) = encode(read(body.clone()));
    assert_eq!(encoded, body);
    assert!(dropped.is_empty(), "{dropped:?}");
}

#[test]
fn what_others_sealed_comes_back_to_them() {
    let sealed_by_claude = |redacted: bool| {
        let first = if redacted {
            Event::RedactedReasoning(sealed(0, "anthropic-messages", "R"))
        } else {
            Event::ReasoningSignature(sealed(0, "anthropic-messages", "S"))
        };
        let events = vec![
            started(),
            first,
            Event::PartFinished(0),
            called(1, "t", "look"),
            Event::PartFinished(1),
            finished(Finish::ToolCalls),
        ];
        let content = write_whole(false, events)["candidates"][0]["content"].clone();
        read(json!({ "contents": [{ "parts": [{ "text": "go" }] }, content] })).messages.pop().unwrap().parts.remove(0)
    };
    assert_eq!(sealed_by_claude(false), thought("", Some(("anthropic-messages", "S"))));
    let Part::Reasoning(redacted) = sealed_by_claude(true) else { panic!("a thought") };
    assert_eq!(redacted.redacted, Some(Sealed { maker: "anthropic-messages".into(), data: "R".into() }));
}

/// All of this was lost once, refused, or said in a way that means something else.
#[test]
fn what_only_this_protocol_knows_goes_back_where_it_was() {
    let body = json!({
        "contents": [
            { "role": "user", "parts": [
                { "inlineData": { "mimeType": "image/gif", "data": "AQID", "displayName": "a" }, "partMetadata": { "x": 1 } },
                { "fileData": { "fileUri": "https://x.test/y.png", "displayName": "b", "novelty": 2 } }] },
            { "role": "model", "parts": [
                { "text": "", "thoughtSignature": "VA==" },
                { "functionCall": { "id": "a", "name": "look", "args": {}, "willContinue": false },
                    "thoughtSignature": "Uw==", "partMetadata": { "x": 3 } },
                { "text": "", "thoughtSignature": "Vw==" }] },
            { "role": "user", "parts": [{ "functionResponse": { "id": "a", "name": "look", "scheduling": "SILENT",
                "response": { "image": { "$ref": "c" } },
                "parts": [{ "inlineData": { "mimeType": "image/png", "data": "AQID", "displayName": "c" } }] } }] },
        ],
        "tools": [{ "functionDeclarations": [{ "name": "look" }] }],
        "toolConfig": { "functionCallingConfig": { "mode": "AUTO", "novelty": 4 }, "retrievalConfig": { "languageCode": "de" } },
    });
    for thinking in [
        json!({ "thinkingBudget": 32_768, "includeThoughts": true }),
        json!({ "thinkingBudget": 1024 }),
        json!({ "thinkingBudget": -1, "includeThoughts": true }),
        json!({ "thinkingBudget": 0, "includeThoughts": true }),
        json!({ "thinkingLevel": "HIGH", "includeThoughts": true }),
        json!({ "thinkingLevel": "LOW", "novelty": 5 }),
    ] {
        let mut body = body.clone();
        body["generationConfig"] = json!({ "thinkingConfig": thinking });
        let (mut encoded, dropped) = encode(read(body.clone()));
        let said = encoded["generationConfig"]["thinkingConfig"].as_object_mut().unwrap();
        said.retain(|name, value| name != "includeThoughts" || value != false);
        assert_eq!(encoded, body);
        assert!(dropped.is_empty(), "{dropped:?}");
    }
    // Known of a model, its way of thinking holds.
    let config = json!({ "thinkingConfig": { "thinkingBudget": 32_768 } });
    let request = || read(body_with(json!({ "generationConfig": config })));
    let for_form = |form| encode_with("{}", request(), ModelFacts { reasoning: Some(form), ..no_facts() });
    let level = json!({ "thinkingConfig": { "thinkingLevel": "HIGH", "includeThoughts": false } });
    assert_eq!(for_form(ReasoningForm::Level).0["generationConfig"], level);
    assert_eq!(for_form(ReasoningForm::None).0.get("generationConfig"), None);
}
