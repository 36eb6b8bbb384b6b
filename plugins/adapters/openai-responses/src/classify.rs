//! Errors of the provider -> faults: as an HTTP status with a body, or inside a reply that began well.

use pointsman_sdk::codec::provider::ReplyHead;
use pointsman_sdk::codec::{Fault, FaultKind};
use serde_json::Value;

/// Of a body that is not the protocol's.
const MESSAGE_CHARS_MAX: usize = 500;

/// A reply whose status is not 2xx.
pub fn reply(head: &ReplyHead, body: &[u8]) -> Fault {
    let said = Said::read(&serde_json::from_slice(body).unwrap_or_default());
    let kind = by_code(&said).unwrap_or_else(|| by_status(head.status, &said));
    let message = if said.message.is_empty() { describe(head.status, body) } else { said.message.clone() };
    let mut fault = said.fault(kind, head.status, message);
    fault.retry_after_ms = retry_after_ms(head);
    fault
}

/// An error inside a reply whose status was 200: an `error` event in either of its shapes, or the `error` of a response
/// that failed. Some servers put the status that they meant in `code`.
pub fn inside(error: &Value) -> Fault {
    let said = Said::read(error);
    let meant = said.code.parse().ok().filter(|status| (400..600).contains(status));
    let kind = by_code(&said).or(meant.map(|status| by_status(status, &said))).unwrap_or_else(|| by_type(&said));
    let message = if said.message.is_empty() { "the provider's reply failed".into() } else { said.message.clone() };
    said.fault(kind, 200, message)
}

/// What an error says. Empty where it says nothing.
#[derive(Default)]
struct Said {
    message: String,
    error_type: String,
    code: String,
    param: Option<String>,
}

impl Said {
    fn read(value: &Value) -> Self {
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

    fn fault(self, kind: FaultKind, status: u16, message: String) -> Fault {
        let message = if kind == FaultKind::Authentication { without_keys(&message) } else { message };
        let code = if self.code.is_empty() { self.error_type } else { self.code };
        let provider_code = Some(code).filter(|code| !code.is_empty());
        Fault { kind, status, message, provider_code, field: self.param, retry_after_ms: None }
    }

    fn is(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.code == *word || self.error_type == *word)
    }

    fn mentions(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.message.contains(word))
    }

    fn says_overloaded(&self) -> bool {
        self.is(&["slow_down", "unavailable_error"])
            || self.code.contains("overloaded")
            || self.error_type.contains("overloaded")
            || self.mentions(&["overloaded", "Loading model"])
    }
}

/// Codes that mean one thing, whatever the status. Those of a failed response are listed in the official SDKs as
/// `ResponseError.code`.
fn by_code(said: &Said) -> Option<FaultKind> {
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
        "vector_store_timeout" => FaultKind::TimedOut,
        // Thoughts of another account or model: another target may know them.
        "invalid_encrypted_content" => FaultKind::Unsupported,
        "previous_response_not_found" | "failed_to_download_image" => FaultKind::InvalidRequest,
        code if code.contains("_image") || code.starts_with("image_") => FaultKind::InvalidRequest,
        _ if said.is(&["insufficient_quota"]) => FaultKind::QuotaExhausted,
        _ => return None,
    })
}

fn by_status(status: u16, said: &Said) -> FaultKind {
    match status {
        400 if said.mentions(&["encrypted content"]) => FaultKind::Unsupported,
        // The servers that have no code for it say so in these words.
        400 | 422 if said.mentions(&["maximum context length", "maximum model length", "context window"]) => {
            FaultKind::ContextTooLong
        }
        401 => FaultKind::Authentication,
        402 => FaultKind::QuotaExhausted,
        403 => FaultKind::Permission,
        // An item or a response that is not stored, and not the model.
        404 if said.mentions(&["Item with id", "Response with id"]) => FaultKind::InvalidRequest,
        404 => FaultKind::ModelNotFound,
        408 => FaultKind::TimedOut,
        // A conflict at the provider, which OpenAI's own clients try again.
        409 => FaultKind::Unavailable,
        413 => FaultKind::TooLarge,
        429 => FaultKind::RateLimited,
        529 => FaultKind::Overloaded,
        500.. if said.says_overloaded() => FaultKind::Overloaded,
        // Beyond 520: of the content delivery networks that stand before many providers.
        502..=504 | 520..=524 => FaultKind::Unavailable,
        500.. => FaultKind::ServerError,
        400..=499 => FaultKind::InvalidRequest,
        // A redirection, say: nobody there speaks this protocol.
        _ => FaultKind::Unavailable,
    }
}

fn by_type(said: &Said) -> FaultKind {
    if said.says_overloaded() {
        return FaultKind::Overloaded;
    }
    match said.error_type.as_str() {
        "invalid_request_error" | "BadRequestError" => by_status(400, said),
        "authentication_error" => FaultKind::Authentication,
        "permission_error" => FaultKind::Permission,
        "requests" | "tokens" => FaultKind::RateLimited,
        _ => FaultKind::ServerError,
    }
}

/// A date is passed over: nobody here knows the time.
fn retry_after_ms(head: &ReplyHead) -> Option<u64> {
    let number = |name: &str| {
        let header = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        header.value.trim().parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
    };
    let ms = number("retry-after-ms").or_else(|| number("retry-after").map(|seconds| seconds * 1000.0))?;
    // The cast saturates.
    Some(ms.ceil() as u64)
}

/// A body that is not the protocol's: an HTML page is not worth showing, other text is.
fn describe(status: u16, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.is_empty() || text.starts_with('<') {
        return format!("HTTP {status} without a message");
    }
    let short: String = text.chars().take(MESSAGE_CHARS_MAX).collect();
    format!("HTTP {status}: {short}")
}

/// Providers quote the key that they refuse.
fn without_keys(message: &str) -> String {
    let words: Vec<&str> = message.split(' ').map(|word| if word.starts_with("sk-") { "sk-…" } else { word }).collect();
    words.join(" ")
}

/// A string or a number as text; empty for anything else.
fn text(object: &Value, name: &str) -> String {
    match object.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}
