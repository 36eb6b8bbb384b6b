//! Replies that fail, break off, or are none.

use super::decode::*;
use super::{decode, *};

#[test]
fn failures_inside_a_stream() {
    let failed = |error: Value| {
        let mut response = response("failed", json!([]));
        response["error"] = error;
        event("response.failed", json!({"response": response}))
    };
    let quota = json!({"type": "insufficient_quota", "code": "insufficient_quota", "message": "pay", "param": null});
    for (frame, kind, message) in [
        (failed(json!({"code": "rate_limit_exceeded", "message": "slow"})), FaultKind::RateLimited, "slow"),
        (failed(json!({"code": "invalid_prompt", "message": "no"})), FaultKind::ContentPolicy, "no"),
        (failed(json!({"code": "image_too_large", "message": "big"})), FaultKind::InvalidRequest, "big"),
        (failed(Value::Null), FaultKind::ServerError, "the provider's reply failed"),
        (event("error", json!({"code": "server_error", "message": "oh", "param": null})), FaultKind::ServerError, "oh"),
        (event("error", json!({"error": quota})), FaultKind::QuotaExhausted, "pay"),
        (event("error", json!({"code": "503", "message": "overloaded"})), FaultKind::Overloaded, "overloaded"),
        (json!({"error": {"message": "x", "type": "overloaded_error"}}), FaultKind::Overloaded, "x"),
        (
            event("response.failed", json!({"response": response("cancelled", json!([]))})),
            FaultKind::ServerError,
            "the provider cancelled the reply",
        ),
    ] {
        let events = decode(&[created(), frame, completed(json!([]))]);
        assert_eq!(events.len(), 2);
        assert_eq!(events[0], started());
        assert_eq!((failure(&events).kind, failure(&events).message.as_str()), (kind, message));
    }
}

#[test]
fn an_end_without_an_end_is_truncated() {
    let stream = full_stream();
    for length in 0..stream.len() - 1 {
        assert_eq!(failure(&decode(&stream[..length])).kind, FaultKind::Truncated);
    }
    let none = Codec::decode("chat".into(), false, Vec::new(), Vec::new(), true).events;
    assert_eq!(failure(&none).kind, FaultKind::Truncated);
}

#[test]
fn whole_replies_that_are_none() {
    for body in [json!([]), json!({"id": "resp_1"}), json!({"status": "completed"}), response("in_progress", json!([]))]
    {
        assert_eq!(failure(&decode_whole(&body)).kind, FaultKind::MalformedReply);
    }
    let mut failed = response("failed", json!([]));
    failed["error"] = json!({"code": "server_error", "message": "oh"});
    assert_eq!(failure(&decode_whole(&failed)).message, "oh");
    let events = decode_whole(&json!({"error": {"message": "busy", "type": "overloaded_error"}}));
    assert_eq!(failure(&events).kind, FaultKind::Overloaded);
    let frame = Frame { event: None, data: b"<html>".to_vec() };
    let events = Codec::decode("chat".into(), true, Vec::new(), vec![frame], true).events;
    assert_eq!(failure(&events).kind, FaultKind::MalformedReply);
}

#[test]
fn nothing_comes_after_the_end() {
    let first = Codec::decode("chat".into(), true, Vec::new(), vec![frame(&completed(json!([])))], false);
    let again = Codec::decode("chat".into(), true, first.memory, vec![frame(&created())], true);
    assert!(again.events.is_empty());
}
