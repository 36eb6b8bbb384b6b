//! Errors of the provider -> faults: as an HTTP status with a body, or inside a reply that began well.

use pointsman_sdk::codec::provider::ReplyHead;
use pointsman_sdk::codec::{Fault, FaultKind};
use pointsman_sdk::errors::retry_after_ms;
use pointsman_sdk::openai::{Said, describe, text};
use serde_json::Value;

/// A reply whose status is not 2xx.
pub fn reply(head: &ReplyHead, body: &[u8]) -> Fault {
    let mut said = read(&serde_json::from_slice(body).unwrap_or_default());
    let kind = match said.refuses_tool_types(head.status) {
        true => FaultKind::Unsupported,
        false => by_code(&said).unwrap_or_else(|| by_status(head.status, &said)),
    };
    if said.message.is_empty() {
        said.message = describe(head.status, body);
    }
    let mut fault = said.fault(kind, head.status);
    fault.retry_after_ms =
        retry_after_ms(head.headers.iter().map(|header| (&header.name, &header.value))).or(fault.retry_after_ms);
    fault
}

/// An error inside a reply whose status was 200: an `error` event in either of its shapes, or the `error` of a response
/// that failed.
pub fn inside(error: &Value) -> Fault {
    let mut said = read(error);
    let kind = by_code(&said).unwrap_or_else(|| by_status(said.status(), &said));
    if said.message.is_empty() {
        said.message = "the provider's reply failed".into();
    }
    said.fault(kind, 200)
}

fn read(value: &Value) -> Said {
    let error = match value.get("error") {
        Some(Value::String(message)) => return Said { message: message.clone(), ..Said::default() },
        Some(error @ Value::Object(_)) => error,
        _ => value,
    };
    let message = match text(error, "message") {
        // FastAPI's word for it, which several servers are written with.
        message if message.is_empty() => text(error, "detail"),
        message => message,
    };
    // In the flat shape of the `error` event, the type is the event's.
    let error_type = Some(text(error, "type")).filter(|kind| kind != "error").unwrap_or_default();
    let param = Some(text(error, "param")).filter(|param| !param.is_empty());
    Said { message, error_type, code: text(error, "code"), param }
}

/// Codes that mean one thing, whatever the status. Those of a failed response are listed in the official SDKs as
/// `ResponseError.code`.
fn by_code(said: &Said) -> Option<FaultKind> {
    if said.is_larger_than_a_limit() {
        return Some(FaultKind::Unsupported);
    }
    let code = if said.code.is_empty() { said.error_type.as_str() } else { said.code.as_str() };
    Some(match code {
        "insufficient_quota" | "billing_hard_limit_reached" | "billing_not_active" => FaultKind::QuotaExhausted,
        "rate_limit_exceeded" | "rate_limit_error" | "too_many_requests" => FaultKind::RateLimited,
        "context_length_exceeded" | "exceed_context_size_error" => FaultKind::ContextTooLong,
        "content_filter"
        | "content_policy_violation"
        | "invalid_prompt"
        | "bio_policy"
        | "cyber_policy"
        | "misalignment_policy_violation"
        | "image_content_policy_violation" => FaultKind::ContentPolicy,
        "model_not_found" | "DeploymentNotFound" => FaultKind::ModelNotFound,
        "invalid_api_key" => FaultKind::Authentication,
        // llama.cpp's, while it loads its model.
        "unavailable_error" => FaultKind::Unavailable,
        "vector_store_timeout" => FaultKind::TimedOut,
        // Thoughts of another account or model: another target may know them.
        "invalid_encrypted_content" => FaultKind::Unsupported,
        // What this model lacks, another may have.
        "unsupported_parameter" | "unsupported_value" => FaultKind::Unsupported,
        "previous_response_not_found" | "failed_to_download_image" => FaultKind::InvalidRequest,
        code if code.contains("_image") || code.starts_with("image_") => FaultKind::InvalidRequest,
        _ if said.is(&["insufficient_quota"]) => FaultKind::QuotaExhausted,
        _ => return None,
    })
}

fn by_status(status: u16, said: &Said) -> FaultKind {
    let text = said.text();
    match status {
        400 if text.begins(&["the encrypted content", "encrypted content"]) => FaultKind::Unsupported,
        // A thought and what it led to stand together: `read` and `encode` see to it, but a caller whose reply broke off keeps one
        // of them and sends it back (openai/codex#1227).
        400 if text.mentions(&["was provided without its required"]) => FaultKind::Unsupported,
        // The servers that have no code for it say so in these words.
        400 | 422 if text.mentions(&["maximum context length", "maximum model length", "context window"]) => {
            FaultKind::ContextTooLong
        }
        status => said.kind(status),
    }
}
