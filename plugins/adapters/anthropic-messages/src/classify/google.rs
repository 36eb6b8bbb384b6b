//! Errors of Google's own, in front of Claude on Vertex AI. Claude's errors come through there as Anthropic writes them.
//!
//! google.rpc.Code and google.rpc.RetryInfo: cloud.google.com/apis/design/errors

use super::{ErrorBody, by_sentence, by_status, milliseconds};
use pointsman_sdk::codec::FaultKind;
use pointsman_sdk::errors::Message;
use serde_json::Value;

/// `name` is the error's `status`, such as `RESOURCE_EXHAUSTED`.
pub fn kind(status: u16, name: &str, message: &str, error: &ErrorBody) -> FaultKind {
    match name {
        // A key that is wrong is an argument that is wrong, to Google.
        "INVALID_ARGUMENT" if details(error).iter().any(|detail| detail["reason"] == "API_KEY_INVALID") => {
            FaultKind::Authentication
        }
        "INVALID_ARGUMENT" | "OUT_OF_RANGE" => by_sentence(&Message::new(message)).unwrap_or(FaultKind::InvalidRequest),
        "UNAUTHENTICATED" => FaultKind::Authentication,
        // The region, the billing or the model's terms.
        "PERMISSION_DENIED" | "FAILED_PRECONDITION" => FaultKind::Permission,
        "NOT_FOUND" => match Message::new(message).not_found() {
            // The address of a request names the model and little else.
            FaultKind::Unsupported => FaultKind::ModelNotFound,
            kind => kind,
        },
        "RESOURCE_EXHAUSTED" => FaultKind::RateLimited,
        "UNAVAILABLE" => FaultKind::Overloaded,
        "DEADLINE_EXCEEDED" => FaultKind::TimedOut,
        "INTERNAL" | "UNKNOWN" => FaultKind::ServerError,
        "CANCELLED" | "ABORTED" => FaultKind::Unavailable,
        _ => by_status(status),
    }
}

/// `RetryInfo` says it as `17s`.
pub fn retry_after_ms(error: &ErrorBody) -> Option<u64> {
    let details = details(error);
    let delay = details.iter().find_map(|detail| detail["retryDelay"].as_str())?;
    milliseconds(delay.strip_suffix('s')?)
}

fn details(error: &ErrorBody) -> Vec<Value> {
    error.details.as_ref().and_then(|json| serde_json::from_str(json.get()).ok()).unwrap_or_default()
}
