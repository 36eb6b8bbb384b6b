//! Faults in the words of a response that failed; before a reply they are told in those of all of OpenAI's protocols.

use pointsman_sdk::codec::{Fault, FaultKind};
use serde_json::{Value, json};

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
