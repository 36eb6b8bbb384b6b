//! Replies and errors of the clouds.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pointsman_sdk::codec::provider::{Header, ReplyHead};

fn chunk(event: &Value) -> Frame {
    let data = json!({ "bytes": STANDARD.encode(event.to_string()), "p": "abcdef" });
    Frame { event: Some("chunk".into()), data: data.to_string().into_bytes() }
}

fn decode_frames(frames: Vec<Frame>) -> Vec<Event> {
    Codec::decode("chat".into(), true, Vec::new(), frames, true).events
}

fn stepwise(frames: Vec<Frame>) -> Vec<Event> {
    let mut memory = Vec::new();
    let mut events = Vec::new();
    for frame in frames {
        let decoded = Codec::decode("chat".into(), true, memory, vec![frame], false);
        memory = decoded.memory;
        events.extend(decoded.events);
    }
    events.extend(Codec::decode("chat".into(), true, memory, Vec::new(), true).events);
    events
}

#[test]
fn a_stream_of_chunks_says_what_events_say() {
    let mut data = super::decode::full_stream();
    let metrics = json!({ "inputTokenCount": 10, "outputTokenCount": 42 });
    data.last_mut().unwrap()["amazon-bedrock-invocationMetrics"] = metrics;
    let frames: Vec<_> = data.iter().map(chunk).collect();
    assert_eq!(decode_frames(frames.clone()), decode_stream(&data));
    assert_eq!(stepwise(frames.clone()), decode_stream(&data), "however it is cut");
    let cut = frames[..frames.len() - 2].to_vec();
    assert_eq!(failure(&decode_frames(cut)).kind, FaultKind::Truncated);
}

#[test]
fn chunks_that_are_none() {
    for data in ["{}", r#"{"bytes":"!"}"#, r#"{"bytes":"e30"#, r#"{"bytes":"bm8="}"#] {
        let frame = Frame { event: Some("chunk".into()), data: data.into() };
        assert_eq!(failure(&decode_frames(vec![frame])).kind, FaultKind::MalformedReply, "{data}");
    }
}

#[test]
fn exceptions_end_the_stream() {
    use FaultKind::*;
    let table = [
        ("throttlingException", json!({ "message": "Too many requests" }), RateLimited),
        ("throttlingException", json!({ "message": "Too many tokens per day" }), QuotaExhausted),
        ("serviceUnavailableException", json!({ "message": "busy" }), Unavailable),
        ("internalServerException", json!({ "message": "oh" }), ServerError),
        ("modelTimeoutException", json!({ "message": "slow" }), TimedOut),
        ("modelStreamErrorException", json!({ "originalStatusCode": 529, "originalMessage": "busy" }), Overloaded),
        ("modelStreamErrorException", json!({ "message": "oh" }), ServerError),
        ("validationException", json!({ "message": "Input is too long for requested model." }), ContextTooLong),
        ("validationException", json!({ "message": "messages: wrong" }), InvalidRequest),
        ("InternalFailure", json!({}), ServerError),
    ];
    for (name, body, kind) in table {
        let exception = Frame { event: Some(name.into()), data: body.to_string().into_bytes() };
        let frames = vec![chunk(&super::decode::message_start()), exception.clone(), exception];
        let events = stepwise(frames);
        let fault = failure(&events);
        assert_eq!((fault.kind, fault.provider_code.as_deref()), (kind, Some(name)), "{body}");
        assert_eq!(events.len(), 3, "nothing follows a failure");
    }
}

#[test]
fn error_replies_of_bedrock() {
    use FaultKind::*;
    let table = [
        (429, "ThrottlingException:http://internal.amazon.com/coral/", "Too many requests", RateLimited),
        (400, "ServiceQuotaExceededException", "quota", QuotaExhausted),
        (403, "AccessDeniedException", "You don't have access to the model", Permission),
        (403, "UnrecognizedClientException", "The security token is invalid.", Authentication),
        (403, "com.amazon#ExpiredTokenException", "expired", Authentication),
        (403, "InvalidSignatureException", "signature", Authentication),
        (404, "ResourceNotFoundException", "no such model", ModelNotFound),
        (400, "ValidationException", "The provided model identifier is invalid.", ModelNotFound),
        (400, "ValidationException", "prompt is too long: 3 tokens > 2 maximum", ContextTooLong),
        (400, "ValidationException", "max_tokens: wrong", InvalidRequest),
        (408, "ModelTimeoutException", "slow", TimedOut),
        (424, "ModelErrorException", "oh", ServerError),
        (429, "ModelNotReadyException", "wait", Unavailable),
        (500, "InternalServerException", "oh", ServerError),
        (503, "ServiceUnavailableException", "busy", Unavailable),
        (503, "NovelException", "busy", Unavailable),
    ];
    for (status, name, message, kind) in table {
        let headers = vec![Header { name: "x-amzn-ErrorType".into(), value: name.into() }];
        let body = json!({ "message": message }).to_string().into_bytes();
        let fault = Codec::classify("chat".into(), ReplyHead { status, headers }, body);
        assert_eq!((fault.kind, &*fault.message, fault.status), (kind, message, status), "{name}");
        let code = fault.provider_code.unwrap();
        assert!(name.contains(&code) && code.ends_with("Exception"), "{code}");
    }
    // Before any service of theirs is reached, there is no name.
    let body = br#"{"Message":"Authentication failed"}"#.to_vec();
    let fault = Codec::classify("chat".into(), ReplyHead { status: 403, headers: Vec::new() }, body);
    assert_eq!((fault.kind, &*fault.message, fault.provider_code), (Permission, "Authentication failed", None));
}

#[test]
fn error_replies_of_google() {
    use FaultKind::*;
    let table = [
        (400, "INVALID_ARGUMENT", InvalidRequest),
        (400, "FAILED_PRECONDITION", Permission),
        (401, "UNAUTHENTICATED", Authentication),
        (403, "PERMISSION_DENIED", Permission),
        (404, "NOT_FOUND", ModelNotFound),
        (429, "RESOURCE_EXHAUSTED", RateLimited),
        (499, "CANCELLED", Unavailable),
        (500, "INTERNAL", ServerError),
        (503, "UNAVAILABLE", Overloaded),
        (504, "DEADLINE_EXCEEDED", TimedOut),
        (502, "NOVEL", Unavailable),
    ];
    let classify = |status: u16, body: Value| {
        Codec::classify("chat".into(), ReplyHead { status, headers: Vec::new() }, body.to_string().into_bytes())
    };
    for (status, name, kind) in table {
        let body = json!({ "error": { "code": status, "message": "why", "status": name } });
        for body in [json!([body]), body] {
            let fault = classify(status, body);
            assert_eq!((fault.kind, &*fault.message, fault.provider_code.as_deref()), (kind, "why", Some(name)));
        }
    }
    let detail = json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s" });
    let busy = json!({ "error": { "message": "m", "status": "RESOURCE_EXHAUSTED", "details": [{ "x": 1 }, detail] } });
    assert_eq!(classify(429, busy).retry_after_ms, Some(17_000));
    let key = json!({ "error": { "message": "m", "status": "INVALID_ARGUMENT", "details": [{ "reason": "API_KEY_INVALID" }] } });
    assert_eq!(classify(400, key).kind, Authentication);
    // Claude's own errors come through as Anthropic writes them.
    let own = json!({ "type": "error", "error": { "type": "overloaded_error", "message": "busy" } });
    assert_eq!(classify(529, own).kind, Overloaded);
}
