//! Errors of the provider.

use super::*;
use pointsman_sdk::codec::provider::{Header, ReplyHead};

fn classify(status: u16, body: &str) -> Fault {
    Codec::classify("chat".into(), ReplyHead { status, headers: Vec::new() }, body.as_bytes().to_vec())
}

fn kind(status: u16, error_type: &str, code: Value, message: &str) -> FaultKind {
    let error = json!({"error": {"type": error_type, "code": code, "message": message, "param": null}});
    classify(status, &error.to_string()).kind
}

#[test]
fn by_code_before_status() {
    for (status, code, expected) in [
        (429, "insufficient_quota", FaultKind::QuotaExhausted),
        (429, "rate_limit_exceeded", FaultKind::RateLimited),
        (400, "context_length_exceeded", FaultKind::ContextTooLong),
        (400, "content_policy_violation", FaultKind::ContentPolicy),
        (400, "model_not_found", FaultKind::ModelNotFound),
        (400, "invalid_encrypted_content", FaultKind::Unsupported),
        (400, "previous_response_not_found", FaultKind::InvalidRequest),
        (400, "unknown_parameter", FaultKind::InvalidRequest),
        (503, "slow_down", FaultKind::Overloaded),
    ] {
        assert_eq!(kind(status, "x", code.into(), "m"), expected, "{code}");
    }
    assert_eq!(kind(429, "insufficient_quota", Value::Null, "m"), FaultKind::QuotaExhausted);
}

#[test]
fn by_status() {
    for (status, expected) in [
        (400, FaultKind::InvalidRequest),
        (401, FaultKind::Authentication),
        (402, FaultKind::QuotaExhausted),
        (403, FaultKind::Permission),
        (404, FaultKind::ModelNotFound),
        (408, FaultKind::TimedOut),
        (409, FaultKind::Unavailable),
        (413, FaultKind::TooLarge),
        (429, FaultKind::RateLimited),
        (500, FaultKind::ServerError),
        (503, FaultKind::Unavailable),
        (529, FaultKind::Overloaded),
        (302, FaultKind::Unavailable),
    ] {
        assert_eq!(classify(status, "").kind, expected, "{status}");
    }
}

#[test]
fn by_words_where_nothing_else_says_it() {
    let thought = "The encrypted content for item rs_1 could not be verified.";
    assert_eq!(kind(400, "invalid_request_error", Value::Null, thought), FaultKind::Unsupported);
    for alone in [
        "Item 'rs_1' of type 'reasoning' was provided without its required following item.",
        "Item 'fc_1' of type 'function_call' was provided without its required 'reasoning' item: 'rs_1'.",
    ] {
        assert_eq!(kind(400, "invalid_request_error", json!("input"), alone), FaultKind::Unsupported);
    }
    let item = "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false.";
    assert_eq!(kind(404, "invalid_request_error", Value::Null, item), FaultKind::InvalidRequest);
    assert_eq!(kind(503, "server_error", Value::Null, "The engine is overloaded"), FaultKind::Overloaded);
}

#[test]
fn what_a_person_reads() {
    let fault =
        classify(400, r#"{"error":{"message":"bad","type":"invalid_request_error","param":"input[0]","code":null}}"#);
    assert_eq!((fault.message.as_str(), fault.field.as_deref()), ("bad", Some("input[0]")));
    assert_eq!(fault.provider_code.as_deref(), Some("invalid_request_error"));
    assert_eq!(classify(502, "<html>").message, "HTTP 502 without a message");
    assert_eq!(classify(502, "gone").message, "HTTP 502: gone");
    let refused = classify(401, r#"{"error":{"message":"Incorrect key sk-abc given"}}"#);
    assert_eq!(refused.message, "Incorrect key sk-… given");
}

#[test]
fn how_long_to_wait() {
    let wait = |name: &str, value: &str| {
        let headers = vec![Header { name: name.into(), value: value.into() }];
        Codec::classify("chat".into(), ReplyHead { status: 429, headers }, Vec::new()).retry_after_ms
    };
    assert_eq!(wait("Retry-After", "1.5"), Some(1500));
    assert_eq!(wait("retry-after-ms", "20"), Some(20));
    assert_eq!(wait("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT"), None);
}

#[test]
fn one_requests_error_is_never_an_accounts_or_a_models_trouble() {
    let invalid = |status: u16, message: &str| kind(status, "invalid_request_error", Value::Null, message);
    for message in [
        "Invalid value: 'The encrypted content'. Supported values are: 'a'.",
        "Tool choice 'insufficient_quota billing' not found in 'tools' parameter.",
    ] {
        assert_eq!(invalid(400, message), FaultKind::InvalidRequest, "{message}");
    }
    for message in ["No such File object: file-x", "Conversation with id 'conv_1' not found.", "Item 'model' not found"]
    {
        assert_eq!(invalid(404, message), FaultKind::InvalidRequest, "{message}");
    }
    assert_eq!(invalid(404, "The model 'x' does not exist"), FaultKind::ModelNotFound);
    assert_eq!(kind(400, "x", "unsupported_parameter".into(), "m"), FaultKind::Unsupported);
    let lack = "Unsupported parameter: 'temperature' is not supported with this model.";
    assert_eq!(invalid(400, lack), FaultKind::Unsupported);
}

#[test]
fn who_knows_functions_only_says_so_of_the_request() {
    for message in ["Cannot determine type of 'item'", "1 validation error: Input should be 'function'"] {
        let body = json!({"error": {"type": "invalid_request_error", "code": 400, "message": message}});
        let fault = classify(400, &body.to_string());
        assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::Unsupported, Some("tools[].type")), "{message}");
    }
}

#[test]
fn a_request_above_a_minutes_limit_rests_no_key() {
    let message = "Request too large for gpt-4o in organization org-1 on tokens per min (TPM): Limit 30000, Requested 45000. \
                   The input or output tokens must be reduced in order to run successfully.";
    let error = json!({"error": {"message": message, "type": "tokens", "param": null, "code": "rate_limit_exceeded"}});
    for status in [429, 413] {
        assert_eq!(classify(status, &error.to_string()).kind, FaultKind::Unsupported, "{status}");
    }
}
