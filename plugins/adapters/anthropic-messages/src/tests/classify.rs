//! Error replies, and how the caller is told of faults.

use super::*;
use pointsman_sdk::codec::provider::{Header, ReplyHead};
use pointsman_sdk::codec::{fault, fault_at};

fn classify(status: u16, body: &str) -> Fault {
    Codec::classify("chat".into(), ReplyHead { status, headers: Vec::new() }, body.as_bytes().to_vec())
}

fn error(kind: &str, message: &str) -> String {
    json!({ "type": "error", "error": { "type": kind, "message": message }, "request_id": "req_1" }).to_string()
}

#[test]
fn errors_of_the_provider() {
    use FaultKind::*;
    let table = [
        (400, "invalid_request_error", "messages: at least one message is required", InvalidRequest),
        (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API.", QuotaExhausted),
        (400, "invalid_request_error", "You have reached your specified API usage limits.", QuotaExhausted),
        (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", ContextTooLong),
        (400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 3", ContextTooLong),
        (400, "invalid_request_error", "Output blocked by content filtering policy", ContentPolicy),
        (400, "invalid_request_error", "messages.1.content.0: Invalid `signature` in `thinking` block", Unsupported),
        (401, "authentication_error", "invalid x-api-key", Authentication),
        (402, "billing_error", "pay", QuotaExhausted),
        (403, "permission_error", "no", Permission),
        (404, "not_found_error", "model: claude-9", ModelNotFound),
        (413, "request_too_large", "big", TooLarge),
        (429, "rate_limit_error", "slow down", RateLimited),
        (500, "api_error", "Internal server error", ServerError),
        (503, "api_error", "down", Unavailable),
        (504, "timeout_error", "slow", TimedOut),
        (529, "overloaded_error", "Overloaded", Overloaded),
        (500, "overloaded_error", "Overloaded", Overloaded),
        (429, "invalid_request_error", "a proxy's own words", RateLimited),
    ];
    for (status, kind, message, expected) in table {
        let fault = classify(status, &error(kind, message));
        assert_eq!(fault.kind, expected, "{status} {kind}: {message}");
        assert_eq!((fault.message.as_str(), fault.provider_code.as_deref()), (message, Some(kind)));
        assert_eq!(fault.status, status);
    }
}

#[test]
fn a_spend_limit_says_in_words_when_it_ends() {
    let of = |message: &str, date: Option<&str>| {
        let date = date.map(|date| Header { name: "Date".into(), value: date.into() });
        let head = ReplyHead { status: 400, headers: date.into_iter().collect() };
        let fault = Codec::classify("chat".into(), head, error("invalid_request_error", message).into_bytes());
        (fault.kind, fault.retry_after_ms)
    };
    let limit = "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.";
    let date = "Mon, 30 Nov 2026 22:00:00 GMT";
    assert_eq!(of(limit, Some(date)), (FaultKind::QuotaExhausted, Some(7_200_000)));
    assert_eq!(of(limit, None), (FaultKind::QuotaExhausted, None));
    assert_eq!(of(limit, Some("Tue, 01 Dec 2026 22:00:00 GMT")), (FaultKind::QuotaExhausted, None), "it is past");
    let other = limit.replace("UTC", "PST");
    assert_eq!(of(&other, Some(date)), (FaultKind::QuotaExhausted, None));
}

#[test]
fn pages_of_what_stands_in_front() {
    let html = "<html><head><title>502 Bad Gateway</title></head></html>";
    let table = [
        (413, html, FaultKind::TooLarge),
        (502, html, FaultKind::Unavailable),
        (503, "", FaultKind::Unavailable),
        (522, html, FaultKind::Unavailable),
        (529, "", FaultKind::Overloaded),
        (500, "{\"error\":\"boom\"}", FaultKind::ServerError),
        (418, "\u{fffd}", FaultKind::InvalidRequest),
    ];
    for (status, body, expected) in table {
        let fault = classify(status, body);
        assert_eq!(fault.kind, expected, "{status} {body}");
        assert!(!fault.message.contains('<'), "{}", fault.message);
    }
    assert!(classify(500, "upstream gone").message.ends_with("upstream gone"));
    assert!(classify(500, &"ü".repeat(5000)).message.chars().count() < 300);
}

#[test]
fn the_wait_is_read_in_seconds() {
    let header = |name: &str, value: &str| Header { name: name.into(), value: value.into() };
    let finer = vec![header("retry-after", "7"), header("retry-after-ms", "312.4")];
    let fault = Codec::classify("chat".into(), ReplyHead { status: 429, headers: finer }, Vec::new());
    assert_eq!(fault.retry_after_ms, Some(313), "milliseconds come first, as in the official SDKs");
    let wait = |value: &str| {
        let headers = vec![header("Retry-After", value)];
        Codec::classify("chat".into(), ReplyHead { status: 429, headers }, Vec::new()).retry_after_ms
    };
    assert_eq!(wait("7"), Some(7000));
    assert_eq!(wait(" 0.25 "), Some(250));
    for nonsense in ["-1", "NaN", "inf", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", ""] {
        assert_eq!(wait(nonsense), None, "{nonsense}");
    }
}

#[test]
fn refusals_are_in_the_callers_protocol() {
    let table = [
        (FaultKind::Overloaded, 529, "overloaded_error"),
        (FaultKind::QuotaExhausted, 429, "rate_limit_error"),
        (FaultKind::TimedOut, 504, "timeout_error"),
        (FaultKind::Truncated, 500, "api_error"),
        (FaultKind::Connection, 503, "api_error"),
        (FaultKind::Authentication, 401, "authentication_error"),
        (FaultKind::ModelNotFound, 404, "not_found_error"),
        (FaultKind::TooLarge, 413, "request_too_large"),
        (FaultKind::ContextTooLong, 400, "invalid_request_error"),
    ];
    for (kind, status, name) in table {
        let reply = Codec::refuse("chat".into(), fault(kind, "why"));
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(reply.status, status);
        assert_eq!(body, json!({ "type": "error", "error": { "type": name, "message": "why" } }));
        assert_eq!(reply.headers[0].value, "application/json");
    }
}

#[test]
fn a_refusal_names_the_field_once() {
    let told = |message: &str| {
        let reply = Codec::refuse("chat".into(), fault_at(FaultKind::InvalidRequest, "max_tokens", message));
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        body["error"]["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(told("must be positive"), "max_tokens: must be positive");
    assert_eq!(told("max_tokens is required"), "max_tokens is required");
}

/// Anthropic quotes ids and names of tools, and those are the caller's words.
#[test]
fn the_callers_words_count_against_no_key_and_no_model() {
    for message in [
        "Tool 'billing_report' not found in provided tools",
        "messages.2: `tool_use` ids were found without `tool_result` blocks: toolu_billing_usage limits credit balance",
        "tools.0.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$', not 'credit balance'",
        "Tool 'Your credit balance is too low' not found in provided tools",
        "Tool 'prompt is too long' not found in provided tools",
        "x-anthropic-billing-header is a reserved keyword and may not be used in the system prompt.",
    ] {
        for status in [400, 413] {
            assert_ne!(classify(status, &error("invalid_request_error", message)).kind, FaultKind::QuotaExhausted);
        }
        assert_eq!(
            classify(400, &error("invalid_request_error", message)).kind,
            FaultKind::InvalidRequest,
            "{message}"
        );
    }
}

#[test]
fn a_404_is_about_the_model_only_if_it_says_so() {
    for (message, expected) in [
        ("model: claude-9", FaultKind::ModelNotFound),
        ("Not Found", FaultKind::ModelNotFound),
        ("File not found: file_011CNha8iCJcU1wXNR6q4V8w", FaultKind::InvalidRequest),
        ("Thread `thread_01` not found or expired", FaultKind::InvalidRequest),
        ("Container container_01 not found", FaultKind::InvalidRequest),
        ("Skill skill_model_x not found", FaultKind::InvalidRequest),
    ] {
        assert_eq!(classify(404, &error("not_found_error", message)).kind, expected, "{message}");
    }
}

#[test]
fn what_this_model_or_account_lacks_another_may_have() {
    for (status, kind, message) in [
        (429, "rate_limit_error", "Extra usage is required for long context requests."),
        (400, "invalid_request_error", "The long context beta is not yet available for this subscription."),
        (400, "invalid_request_error", "adaptive thinking is not supported on this model"),
        (400, "invalid_request_error", "thinking.type: 'enabled' is not supported for this model. Use 'adaptive'."),
        (400, "invalid_request_error", "role 'system' is not supported on this model"),
        (400, "invalid_request_error", "`temperature` is deprecated for this model."),
        (400, "invalid_request_error", "This model does not support assistant message prefill."),
        (
            400,
            "invalid_request_error",
            "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`.",
        ),
    ] {
        assert_eq!(classify(status, &error(kind, message)).kind, FaultKind::Unsupported, "{message}");
    }
}
