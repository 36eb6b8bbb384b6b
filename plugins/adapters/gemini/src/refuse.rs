//! Errors as callers of the Gemini API know them: <https://google.aip.dev/193>.

use pointsman_sdk::codec::client_protocol::{Header, HttpReply};
use pointsman_sdk::codec::{Fault, FaultKind};
use serde_json::{Value, json};

/// An error before any byte of a reply.
pub fn reply(fault: &Fault) -> HttpReply {
    let (status, _) = code_and_status(fault.kind);
    let headers = vec![Header { name: "content-type".into(), value: "application/json; charset=UTF-8".into() }];
    HttpReply { status, headers, body: body(fault).to_string().into_bytes() }
}

/// The error object: the body of a refusal, and the last data of a stream that failed.
pub fn body(fault: &Fault) -> Value {
    let (code, status) = code_and_status(fault.kind);
    let mut error = json!({ "code": code, "message": message(fault), "status": status });
    if let Some(wait_ms) = fault.retry_after_ms {
        // Google sends no Retry-After: its SDKs look here.
        let delay = format!("{}.{:03}s", wait_ms / 1000, wait_ms % 1000);
        error["details"] = json!([{ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay }]);
    }
    json!({ "error": error })
}

fn message(fault: &Fault) -> String {
    match &fault.field {
        Some(field) if !fault.message.contains(field.as_str()) => format!("{field}: {}", fault.message),
        _ => fault.message.clone(),
    }
}

fn code_and_status(kind: FaultKind) -> (u16, &'static str) {
    match kind {
        FaultKind::RateLimited | FaultKind::QuotaExhausted => (429, "RESOURCE_EXHAUSTED"),
        FaultKind::Overloaded | FaultKind::Busy | FaultKind::Unavailable | FaultKind::Connection => {
            (503, "UNAVAILABLE")
        }
        FaultKind::TimedOut => (504, "DEADLINE_EXCEEDED"),
        FaultKind::ServerError | FaultKind::MalformedReply | FaultKind::Truncated | FaultKind::AdapterFailed => {
            (500, "INTERNAL")
        }
        FaultKind::Authentication => (401, "UNAUTHENTICATED"),
        FaultKind::Permission => (403, "PERMISSION_DENIED"),
        FaultKind::ModelNotFound => (404, "NOT_FOUND"),
        FaultKind::TooLarge => (413, "INVALID_ARGUMENT"),
        FaultKind::InvalidRequest | FaultKind::ContextTooLong | FaultKind::ContentPolicy | FaultKind::Unsupported => {
            (400, "INVALID_ARGUMENT")
        }
    }
}
