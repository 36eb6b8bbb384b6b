//! Errors, from the provider and to the caller.

use super::*;
use pointsman_sdk::codec::fault;
use pointsman_sdk::codec::provider::{Header, ReplyHead};

fn reply(status: u16, body: &[u8]) -> Fault {
    let headers = vec![Header { name: "Retry-After".into(), value: "2".into() }];
    Codec::classify("chat".into(), ReplyHead { status, headers }, body.to_vec())
}

fn error(code: u16, status: &str, message: &str, details: Value) -> Fault {
    let error = json!({ "error": { "code": code, "message": message, "status": status, "details": details } });
    let alone = reply(code, error.to_string().as_bytes());
    // In the mode of arrays the same stands in a list.
    assert_eq!(reply(code, json!([error]).to_string().as_bytes()), alone);
    alone
}

#[test]
fn kinds() {
    let reason = |reason: &str| json!([{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason }]);
    let quota = |id: &str| json!([{ "@type": "t/google.rpc.QuotaFailure", "violations": [{ "quotaId": id }] }]);
    let table = [
        (400, "INVALID_ARGUMENT", "API key not valid.", reason("API_KEY_INVALID"), FaultKind::Authentication),
        (400, "INVALID_ARGUMENT", "API key expired.", json!([]), FaultKind::Authentication),
        (401, "UNAUTHENTICATED", "no", json!([]), FaultKind::Authentication),
        (403, "PERMISSION_DENIED", "no", json!([]), FaultKind::Permission),
        (403, "PERMISSION_DENIED", "no", reason("BILLING_DISABLED"), FaultKind::QuotaExhausted),
        (400, "FAILED_PRECONDITION", "User location is not supported.", json!([]), FaultKind::Permission),
        (400, "FAILED_PRECONDITION", "Please enable billing.", json!([]), FaultKind::QuotaExhausted),
        (400, "FAILED_PRECONDITION", "The File is not ACTIVE.", json!([]), FaultKind::InvalidRequest),
        (404, "NOT_FOUND", "models/x is not found", json!([]), FaultKind::ModelNotFound),
        (429, "RESOURCE_EXHAUSTED", "quota", quota("RequestsPerMinutePerProject"), FaultKind::RateLimited),
        (
            429,
            "RESOURCE_EXHAUSTED",
            "quota",
            quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"),
            FaultKind::QuotaExhausted,
        ),
        (429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted.", json!([]), FaultKind::QuotaExhausted),
        (429, "RESOURCE_EXHAUSTED", "Resource exhausted.", json!([]), FaultKind::RateLimited),
        (499, "CANCELLED", "x", json!([]), FaultKind::Unavailable),
        (500, "INTERNAL", "x", json!([]), FaultKind::ServerError),
        (501, "UNIMPLEMENTED", "x", json!([]), FaultKind::Unsupported),
        (503, "UNAVAILABLE", "The model is overloaded.", json!([]), FaultKind::Overloaded),
        (504, "DEADLINE_EXCEEDED", "x", json!([]), FaultKind::TimedOut),
        (400, "INVALID_ARGUMENT", "Unknown name \"x\"", json!([]), FaultKind::InvalidRequest),
        (
            400,
            "INVALID_ARGUMENT",
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            json!([]),
            FaultKind::ContextTooLong,
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "Request payload size exceeds the limit: 20971520 bytes.",
            json!([]),
            FaultKind::TooLarge,
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "Function call is missing a thought_signature in functionCall parts.",
            json!([]),
            FaultKind::Unsupported,
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "Function calling with a response mime type: 'application/json' is unsupported",
            json!([]),
            FaultKind::Unsupported,
        ),
    ];
    for (code, status, message, details, expected) in table {
        let fault = error(code, status, message, details);
        assert_eq!(fault.kind, expected, "{status} {message}");
        assert_eq!((fault.status, fault.provider_code.as_deref()), (code, Some(status)));
        assert_eq!(fault.message, message);
    }
}

#[test]
fn how_long_to_wait() {
    let wait = |delay: Value| {
        let details = json!([{ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay }]);
        error(429, "RESOURCE_EXHAUSTED", "slow", details).retry_after_ms
    };
    assert_eq!(wait(json!("17s")), Some(17_000));
    assert_eq!(wait(json!("0.25s")), Some(250));
    assert_eq!(wait(json!({ "seconds": 3, "nanos": 500_000_000 })), Some(3500));
    // The header is of whatever stands in front.
    for nonsense in [json!("soon"), json!("-1s"), json!(7), json!("NaNs")] {
        assert_eq!(wait(nonsense), Some(2000));
    }
    let header = |name: &str, value: &str| Header { name: name.into(), value: value.into() };
    let headers = vec![header("retry-after", "7"), header("retry-after-ms", "312")];
    let fault = Codec::classify("chat".into(), ReplyHead { status: 429, headers }, Vec::new());
    assert_eq!(fault.retry_after_ms, Some(312));
}

#[test]
fn bodies_that_are_not_googles() {
    assert_eq!(reply(502, b"<html>").kind, FaultKind::Unavailable);
    assert_eq!(reply(503, b"").kind, FaultKind::Unavailable);
    assert_eq!(reply(401, b"{}").kind, FaultKind::Authentication);
    assert_eq!(reply(429, b"[]").kind, FaultKind::RateLimited);
    assert_eq!(reply(413, b"\xff\xfe").kind, FaultKind::TooLarge);
    assert_eq!(reply(418, br#"{"error":{"code":"x"}}"#).kind, FaultKind::InvalidRequest);
    assert_eq!(reply(500, br#"{"error":"teapot"}"#).message, "teapot");
    let long = reply(500, "ä".repeat(5000).as_bytes());
    assert!(long.message.chars().count() < 300);
}

#[test]
fn refusals() {
    let table = [
        (FaultKind::Overloaded, 503, "UNAVAILABLE"),
        (FaultKind::RateLimited, 429, "RESOURCE_EXHAUSTED"),
        (FaultKind::QuotaExhausted, 429, "RESOURCE_EXHAUSTED"),
        (FaultKind::ServerError, 500, "INTERNAL"),
        (FaultKind::Unavailable, 503, "UNAVAILABLE"),
        (FaultKind::TimedOut, 504, "DEADLINE_EXCEEDED"),
        (FaultKind::Connection, 503, "UNAVAILABLE"),
        (FaultKind::MalformedReply, 500, "INTERNAL"),
        (FaultKind::Truncated, 500, "INTERNAL"),
        (FaultKind::Authentication, 401, "UNAUTHENTICATED"),
        (FaultKind::Permission, 403, "PERMISSION_DENIED"),
        (FaultKind::ModelNotFound, 404, "NOT_FOUND"),
        (FaultKind::InvalidRequest, 400, "INVALID_ARGUMENT"),
        (FaultKind::ContextTooLong, 400, "INVALID_ARGUMENT"),
        (FaultKind::ContentPolicy, 400, "INVALID_ARGUMENT"),
        (FaultKind::TooLarge, 413, "INVALID_ARGUMENT"),
        (FaultKind::Unsupported, 400, "INVALID_ARGUMENT"),
        (FaultKind::AdapterFailed, 500, "INTERNAL"),
    ];
    for (kind, code, status) in table {
        let refusal = Codec::refuse("chat".into(), fault(kind, "why"));
        let body: Value = serde_json::from_slice(&refusal.body).unwrap();
        assert_eq!(refusal.status, code);
        assert_eq!(body, json!({ "error": { "code": code, "message": "why", "status": status } }));
    }
}

#[test]
fn a_refusal_says_how_long_to_wait_and_what_is_wrong() {
    let slow = Fault { retry_after_ms: Some(17_050), ..fault(FaultKind::RateLimited, "slow") };
    let body: Value = serde_json::from_slice(&Codec::refuse("chat".into(), slow).body).unwrap();
    assert_eq!(body["error"]["details"][0]["retryDelay"], "17.050s");
    let wrong = Fault { field: Some("contents[0]".into()), ..fault(FaultKind::InvalidRequest, "odd") };
    let body: Value = serde_json::from_slice(&Codec::refuse("chat".into(), wrong).body).unwrap();
    assert_eq!(body["error"]["message"], "contents[0]: odd");
}

#[test]
fn one_requests_error_is_never_an_accounts_or_a_models_trouble() {
    for (code, status, message, expected) in [
        (400, "INVALID_ARGUMENT", "Invalid function name: 'api key not valid'", FaultKind::InvalidRequest),
        (400, "INVALID_ARGUMENT", "Unknown name \"is not supported\"", FaultKind::InvalidRequest),
        // Google says this of models without access, and of files: other requests tell which.
        (404, "NOT_FOUND", "Requested entity was not found.", FaultKind::ModelNotFound),
        (404, "NOT_FOUND", "File files/abc not found", FaultKind::InvalidRequest),
        (403, "PERMISSION_DENIED", "CachedContent not found (or permission denied)", FaultKind::InvalidRequest),
        (
            403,
            "PERMISSION_DENIED",
            "You do not have permission to access the File abc or it may not exist.",
            FaultKind::InvalidRequest,
        ),
        (404, "NOT_FOUND", "models/gemini-9 is not found for API version v1beta", FaultKind::ModelNotFound),
    ] {
        assert_eq!(error(code, status, message, json!([])).kind, expected, "{message}");
    }
}
