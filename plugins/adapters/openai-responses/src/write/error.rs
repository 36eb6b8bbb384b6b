//! Faults in OpenAI's words: before a reply as status and body, inside a stream as the error of a failed response.

use pointsman_sdk::codec::client_protocol::{Header, HttpReply};
use pointsman_sdk::codec::{Fault, FaultKind};
use serde_json::{Value, json};

pub fn refuse(fault: &Fault) -> HttpReply {
    let (status, _, _) = words(fault.kind);
    let json_type = Header { name: "content-type".into(), value: "application/json".into() };
    HttpReply { status, headers: vec![json_type], body: body(fault).to_string().into_bytes() }
}

pub fn body(fault: &Fault) -> Value {
    let (_, error_type, code) = words(fault.kind);
    json!({"error": {"message": fault.message, "type": error_type, "param": fault.field, "code": code}})
}

/// The `error` of a response. Callers branch on its code, and know few: those of the SDKs' `ResponseError.code`, and the
/// two that an `error` event or a refusal would have.
pub fn of_response(fault: &Fault) -> Value {
    let code = match fault.kind {
        FaultKind::RateLimited => "rate_limit_exceeded",
        FaultKind::QuotaExhausted => "insufficient_quota",
        FaultKind::ContextTooLong => "context_length_exceeded",
        FaultKind::ContentPolicy | FaultKind::InvalidRequest | FaultKind::Unsupported | FaultKind::TooLarge => {
            "invalid_prompt"
        }
        FaultKind::Overloaded
        | FaultKind::Busy
        | FaultKind::ServerError
        | FaultKind::Unavailable
        | FaultKind::TimedOut
        | FaultKind::Connection
        | FaultKind::MalformedReply
        | FaultKind::Truncated
        | FaultKind::Authentication
        | FaultKind::Permission
        | FaultKind::ModelNotFound
        | FaultKind::AdapterFailed => "server_error",
    };
    json!({"code": code, "message": fault.message})
}

/// Status, type and code. Statuses decide whether OpenAI's clients try again: from 500 on and at 429 they do.
fn words(kind: FaultKind) -> (u16, &'static str, Option<&'static str>) {
    const INVALID: &str = "invalid_request_error";
    const SERVER: &str = "server_error";
    match kind {
        FaultKind::Overloaded => (503, SERVER, Some("overloaded")),
        FaultKind::Unavailable => (503, SERVER, Some("unavailable")),
        FaultKind::Connection => (503, SERVER, Some("connection")),
        FaultKind::Busy => (503, SERVER, Some("busy")),
        FaultKind::ServerError => (502, SERVER, Some("server-error")),
        FaultKind::MalformedReply => (502, SERVER, Some("malformed-reply")),
        FaultKind::Truncated => (502, SERVER, Some("truncated")),
        FaultKind::AdapterFailed => (502, SERVER, Some("adapter-failed")),
        FaultKind::TimedOut => (504, SERVER, Some("timed-out")),
        FaultKind::RateLimited => (429, "requests", Some("rate_limit_exceeded")),
        FaultKind::QuotaExhausted => (429, "insufficient_quota", Some("insufficient_quota")),
        FaultKind::Authentication => (401, INVALID, Some("invalid_api_key")),
        FaultKind::Permission => (403, INVALID, Some("permission_denied")),
        FaultKind::ModelNotFound => (404, INVALID, Some("model_not_found")),
        FaultKind::TooLarge => (413, INVALID, Some("request_too_large")),
        FaultKind::ContextTooLong => (400, INVALID, Some("context_length_exceeded")),
        FaultKind::ContentPolicy => (400, INVALID, Some("content_policy_violation")),
        FaultKind::Unsupported => (400, INVALID, Some("unsupported_parameter")),
        FaultKind::InvalidRequest => (400, INVALID, None),
    }
}
