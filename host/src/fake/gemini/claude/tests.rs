use bytes::Bytes;
use serde_json::{Value, json};

use super::super::super::reply::Piece;
use super::super::{error_event, failure, model, script};
use super::*;

const MODELS: &str = "/v1/projects/p/locations/us-central1/publishers/anthropic/models";

fn seen(place: &str, headers: &[(&str, &str)]) -> Seen {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let path = format!("{MODELS}/{place}");
    Seen { method: "POST".into(), path, headers, body: Bytes::new(), model: String::new(), ..Seen::default() }
}

fn ask_with(beta: &str, place: &str, body: &Value) -> Result<Script, Refused> {
    let headers = [("authorization", "Bearer token"), ("anthropic-beta", beta)];
    script(&seen(place, &headers), body, 1)
}

fn ask(method: &str, body: &Value) -> Result<Script, Refused> {
    ask_with("", &format!("claude-sonnet-4-5@20250929:{method}"), body)
}

/// A good request with some fields changed; null takes a field away.
fn with(fields: Value) -> Value {
    let mut body = json!({
        "anthropic_version": "vertex-2023-10-16", "max_tokens": 100, "messages": [{ "role": "user", "content": "hi" }],
    });
    if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
        body.extend(fields);
        body.retain(|_, value| !value.is_null());
    }
    body
}

/// Anthropic's words.
fn message(answer: Result<Script, Refused>) -> String {
    let refused = answer.err().expect("a refusal");
    let error = &refused.body["error"];
    assert_eq!((refused.status, &refused.body["type"]), (400, &json!("error")), "{}", refused.body);
    assert_eq!(error["type"], "invalid_request_error");
    error["message"].as_str().expect("a message").to_owned()
}

#[test]
fn bodies_are_the_messages_apis_but_for_the_envelope() {
    let document = json!({ "type": "document", "source": { "type": "url", "url": "https://a.test/b.pdf" } });
    let result = json!({ "type": "tool_result", "tool_use_id": "t", "content": [document] });
    let user = |block: &Value| json!([{ "role": "user", "content": [{ "type": "text", "text": "a" }, block] }]);
    for (fields, expected) in [
        (json!({ "model": "claude-sonnet-4-5" }), "model: Extra inputs are not permitted"),
        (json!({ "anthropic_version": null }), "anthropic_version: Field required"),
        (json!({ "anthropic_version": "2023-06-01" }), "anthropic_version: Input should be 'vertex-2023-10-16'"),
        (json!({ "anthropic_version": "bedrock-2023-05-31" }), "anthropic_version: Input should be"),
        (json!({ "service_tier": "auto" }), "service_tier: Extra inputs are not permitted"),
        (json!({ "anthropic_beta": ["context-1m-2025-08-07"] }), "anthropic_beta: Extra inputs are not permitted"),
        (json!({ "context_management": { "edits": [] } }), "context_management: Extra inputs are not permitted"),
        (json!({ "n": 1 }), "n: Extra inputs are not permitted"),
        (json!({ "messages": [] }), "at least one message is required"),
        (json!({ "max_tokens": 64_001 }), "64001 > 64000"),
        (json!({ "stream": true }), "stream: Input should be false for rawPredict"),
        (
            json!({ "messages": user(&document) }),
            "messages.0.content.1.image.source.base64.data: URL sources are not supported",
        ),
        (json!({ "messages": user(&result) }), "URL sources are not supported"),
    ] {
        let given = message(ask("rawPredict", &with(fields)));
        assert!(given.contains(expected), "{given}");
    }
    assert!(message(ask("rawPredict", &json!("text"))).contains("not valid JSON"));
    assert!(message(ask("streamRawPredict", &with(json!({})))).contains("should be true for streamRawPredict"));
}

#[test]
fn betas_stand_in_a_header() {
    let place = "claude-sonnet-4-5@20250929:rawPredict";
    let managed = with(json!({ "context_management": { "edits": [] } }));
    let known = "context-1m-2025-08-07, context-management-2025-06-27";
    assert_eq!(ask_with(known, place, &managed).err(), None);
    let given = message(ask_with("effort-2025-11-24,context-1m-2025-08-07,oauth-2025-04-20", place, &with(json!({}))));
    let expected = "Unexpected value(s) `effort-2025-11-24`, `oauth-2025-04-20` for the `anthropic-beta` header.";
    assert!(given.starts_with(expected), "{given}");
}

#[test]
fn google_stands_in_front() {
    let token = ("authorization", "Bearer token");
    let refusal = |place: &str, headers: &[(&str, &str)], body: Value| {
        script(&seen(place, headers), &body, 1).err().expect("a refusal")
    };
    for headers in [&[][..], &[("x-api-key", "key")], &[("authorization", "Bearer bad-token")]] {
        let refused = refusal("m:rawPredict", headers, with(json!({ "model": "m" })));
        assert_eq!((refused.status, &refused.body["error"]["status"]), (401, &json!("UNAUTHENTICATED")));
        let streamed = refusal("m:streamRawPredict", headers, with(json!({})));
        assert_eq!(streamed.body, json!([refused.body]));
    }
    let unknown = refusal("no-such-model@20250929:rawPredict", &[token], with(json!({})));
    let given = unknown.body["error"]["message"].as_str().unwrap_or_default();
    let name = "projects/p/locations/us-central1/publishers/anthropic/models/no-such-model@20250929";
    assert!(unknown.status == 404 && given.starts_with(&format!("Publisher Model `{name}` was not found")), "{given}");
    for method in ["generateContent", "countTokens", "predict"] {
        assert_eq!(refusal(&format!("m:{method}"), &[token], with(json!({}))).status, 404, "{method}");
    }
}

#[test]
fn failures_are_anthropics_or_googles() {
    let failed = |method: &str, status| failure(&seen(&format!("m:{method}"), &[]), status, Some(7), 1);
    for (status, name) in [(529, "overloaded_error"), (500, "api_error"), (413, "request_too_large")] {
        let refused = failed("streamRawPredict", status);
        assert_eq!((refused.status, &refused.body["error"]["type"]), (status, &json!(name)));
        assert_eq!(refused.headers, [("retry-after", "7".to_owned())]);
    }
    for (status, name) in [(429, "RESOURCE_EXHAUSTED"), (403, "PERMISSION_DENIED"), (503, "UNAVAILABLE")] {
        assert_eq!(failed("rawPredict", status).body["error"]["status"], name);
        assert_eq!(failed("streamRawPredict", status).body[0]["error"]["status"], name);
    }
}

#[test]
fn replies_are_the_messages_apis() {
    let Ok(Script::Whole { body, .. }) = ask("rawPredict", &with(json!({ "stream": false }))) else {
        panic!("a whole reply")
    };
    assert_eq!((&body["type"], &body["model"]), (&json!("message"), &json!("claude-sonnet-4-5-20250929")));
    let said = body["content"][0]["text"].as_str().unwrap_or_default();
    assert!(said.contains("claude-sonnet-4-5@20250929: you said: hi"), "{said}");
    let Ok(Script::Stream(pieces)) = ask("streamRawPredict", &with(json!({ "stream": true }))) else {
        panic!("a stream")
    };
    let name =
        |piece: &Piece| piece.text().strip_prefix("event: ").and_then(|text| text.lines().next().map(str::to_owned));
    let mut names: Vec<String> = pieces.iter().filter_map(name).collect();
    assert_eq!(names.len(), pieces.len());
    names.dedup();
    let expected = [
        "message_start",
        "vertex_event",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(names, expected);
    assert!(pieces[1].part == Part::Opening && pieces[1].text().contains("\"cache_read_input_tokens\":null"));
    let event = error_event(&seen("m:streamRawPredict", &[]), super::super::Sent::default());
    assert!(event.starts_with("event: error\ndata: {") && event.contains("overloaded_error"), "{event}");
}

#[test]
fn tokens_are_counted_for_the_model_in_the_body() {
    let place = "count-tokens:rawPredict";
    let body = with(json!({ "model": "claude-sonnet-4-5@20250929", "max_tokens": null }));
    for body in [&body, &json!({ "model": "m", "messages": body["messages"] })] {
        let Ok(Script::Whole { body, .. }) = ask_with("", place, body) else { panic!("a count") };
        assert!(body["input_tokens"].as_u64() > Some(0));
    }
    assert!(message(ask_with("", place, &with(json!({ "max_tokens": null })))).contains("model: Field required"));
    assert!(message(ask_with("", place, &with(json!({ "model": "m" })))).starts_with("max_tokens: Extra inputs"));
    assert!(message(ask_with("context-1m-2025-08-07", place, &body)).contains("Unexpected value(s)"));
    assert_eq!(model(&format!("{MODELS}/{place}")), None);
}
