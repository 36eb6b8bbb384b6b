//! Errors as callers of the Messages API know them.

use crate::THREAD;
use pointsman_sdk::codec::client_protocol::{Header, HttpReply};
use pointsman_sdk::codec::{Fault, FaultKind};
use serde_json::{Value, json};

/// An error before any byte of a reply.
pub fn reply(fault: &Fault) -> HttpReply {
    let (status, _) = if is_lost_thread(fault) { LOST_THREAD } else { status_and_type(fault.kind) };
    let headers = vec![Header { name: "content-type".into(), value: "application/json".into() }];
    HttpReply { status, headers, body: body(fault).to_string().into_bytes() }
}

/// The error object: the body of a refusal, and the data of an `error` event.
pub fn body(fault: &Fault) -> Value {
    if is_lost_thread(fault) {
        let (_, error_type) = LOST_THREAD;
        let details = json!({ "error_code": "thread_not_found" });
        let error = json!({ "type": error_type, "message": message(fault), "details": details });
        return json!({ "type": "error", "error": error });
    }
    let (_, error_type) = status_and_type(fault.kind);
    json!({ "type": "error", "error": { "type": error_type, "message": message(fault) } })
}

/// At these the SDKs send the whole conversation again, as a new thread (anthropic-python, `ThreadNotFoundErrorDetails`).
const LOST_THREAD: (u16, &str) = (404, "not_found_error");

/// Nobody who can be asked has the thread that the request goes on with.
fn is_lost_thread(fault: &Fault) -> bool {
    fault.kind == FaultKind::Unsupported && fault.field.as_deref() == Some(THREAD)
}

fn message(fault: &Fault) -> String {
    match &fault.field {
        Some(field) if !fault.message.contains(field.as_str()) => format!("{field}: {}", fault.message),
        _ => fault.message.clone(),
    }
}

fn status_and_type(kind: FaultKind) -> (u16, &'static str) {
    match kind {
        FaultKind::Overloaded | FaultKind::Busy => (529, "overloaded_error"),
        FaultKind::RateLimited | FaultKind::QuotaExhausted => (429, "rate_limit_error"),
        FaultKind::TimedOut => (504, "timeout_error"),
        FaultKind::Unavailable | FaultKind::Connection => (503, "api_error"),
        FaultKind::ServerError | FaultKind::MalformedReply | FaultKind::Truncated | FaultKind::AdapterFailed => {
            (500, "api_error")
        }
        FaultKind::Authentication => (401, "authentication_error"),
        FaultKind::Permission => (403, "permission_error"),
        FaultKind::ModelNotFound => (404, "not_found_error"),
        FaultKind::TooLarge => (413, "request_too_large"),
        FaultKind::InvalidRequest | FaultKind::ContextTooLong | FaultKind::ContentPolicy | FaultKind::Unsupported => {
            (400, "invalid_request_error")
        }
    }
}
