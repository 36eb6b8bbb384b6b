//! Failures, as callers are told.

use super::write::*;
use super::*;

#[test]
fn failures_after_the_beginning() {
    let fault = |kind| Event::Failed(pointsman_sdk::codec::fault(kind, "oh"));
    for (kind, code) in [
        (FaultKind::Overloaded, "server_error"),
        (FaultKind::RateLimited, "rate_limit_exceeded"),
        (FaultKind::QuotaExhausted, "insufficient_quota"),
        (FaultKind::ContextTooLong, "context_length_exceeded"),
        (FaultKind::ContentPolicy, "invalid_prompt"),
    ] {
        let events = vec![started(), Event::TextDelta(delta(0, "a")), fault(kind), finished(Finish::Stop)];
        let last = stream(&memory(json!({})), events).pop().unwrap();
        assert_eq!(last["type"], "response.failed");
        assert_eq!((&last["response"]["id"], &last["response"]["status"]), (&json!("resp_1"), &json!("failed")));
        assert_eq!(last["response"]["error"], json!({"code": code, "message": "oh"}));
    }
}

#[test]
fn a_failure_after_bytes_of_another() {
    let failed = Event::Failed(pointsman_sdk::codec::fault(FaultKind::Truncated, "oh"));
    let written = Codec::write("chat".into(), true, Vec::new(), vec![failed], true);
    let events = parse(&written.bytes);
    assert_eq!(kinds(&events), ["failed"]);
    // Greater than any that went before.
    assert!(events[0]["sequence_number"].as_u64().unwrap() > 1_000_000);
    assert_eq!(events[0]["response"]["error"]["message"], "oh");
}

/// Found by fuzzing: a ping before the beginning hid its id, when the events came one by one.
#[test]
fn a_failure_after_bytes_of_another_names_their_beginning() {
    let failed = Event::Failed(pointsman_sdk::codec::fault(FaultKind::Truncated, "oh"));
    let mut memory = Vec::new();
    for event in [Event::Ping, started()] {
        memory = Codec::write("chat".into(), true, memory, vec![event], false).memory;
    }
    let written = Codec::write("chat".into(), true, memory, vec![failed], true);
    assert_eq!(parse(&written.bytes)[0]["response"]["id"], "resp_1");
}

#[test]
fn an_end_without_an_end_is_a_failure() {
    let last = stream(&memory(json!({})), vec![started(), Event::TextDelta(delta(0, "a"))]).pop().unwrap();
    assert_eq!(last["type"], "response.failed");
    assert_eq!(whole(&memory(json!({})), vec![started()])["error"]["code"], "truncated");
}

#[test]
fn refusals_before_any_byte() {
    for (kind, status, code) in [
        (FaultKind::Overloaded, 503, json!("overloaded")),
        (FaultKind::RateLimited, 429, json!("rate_limit_exceeded")),
        (FaultKind::QuotaExhausted, 429, json!("insufficient_quota")),
        (FaultKind::Authentication, 401, json!("invalid_api_key")),
        (FaultKind::ModelNotFound, 404, json!("model_not_found")),
        (FaultKind::Unsupported, 400, json!("unsupported_parameter")),
        (FaultKind::InvalidRequest, 400, Value::Null),
        (FaultKind::TimedOut, 504, json!("timed-out")),
    ] {
        let fault = pointsman_sdk::codec::fault_at(kind, "input[0]", "oh");
        let reply = Codec::refuse("chat".into(), fault);
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(reply.status, status);
        assert_eq!((&body["error"]["code"], &body["error"]["param"]), (&code, &json!("input[0]")));
        assert_eq!(reply.headers[0].value, "application/json");
    }
}
