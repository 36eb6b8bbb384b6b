//! Errors of the provider -> faults: as an HTTP status with a body, or inside a reply that began well.

use pointsman_sdk::codec::provider::ReplyHead;
use pointsman_sdk::codec::{Fault, FaultKind};
use serde_json::Value;

/// Of a body that is not the protocol's.
const MESSAGE_CHARS_MAX: usize = 500;

/// A reply whose status is not 2xx.
pub fn reply(head: &ReplyHead, body: &[u8]) -> Fault {
    let said = Said::read(body);
    let kind = by_code(&said).unwrap_or_else(|| by_status(head.status, &said));
    let mut fault = said.fault(kind, head.status, body);
    fault.retry_after_ms = retry_after_ms(head);
    fault
}

/// An error inside a reply whose status was 200. Some servers put the status that they meant in `code`.
pub fn in_stream(data: &[u8]) -> Fault {
    let said = Said::read(data);
    let meant = said.code.parse().ok().filter(|status| (400..600).contains(status));
    let kind = by_code(&said).or(meant.map(|status| by_status(status, &said))).unwrap_or_else(|| by_type(&said));
    said.fault(kind, 200, data)
}

/// What the body says, in whichever of its shapes. Empty where it says nothing.
#[derive(Default)]
struct Said {
    message: String,
    error_type: String,
    code: String,
    param: Option<String>,
}

impl Said {
    fn read(body: &[u8]) -> Self {
        let mut body: Value = serde_json::from_slice(body).unwrap_or_default();
        // Google's copy of this protocol puts the error into a list.
        if let Value::Array(items) = &mut body
            && !items.is_empty()
        {
            body = items.swap_remove(0);
        }
        let error = match body.get("error") {
            Some(Value::String(message)) => return Said { message: message.clone(), ..Said::default() },
            Some(error @ Value::Object(_)) => error,
            // vLLM's older shape has no `error` around it.
            _ => &body,
        };
        let message = match text(error, "message") {
            // FastAPI's word for it, which several servers are written with.
            message if message.is_empty() => text(error, "detail"),
            message => message,
        };
        let param = Some(text(error, "param")).filter(|param| !param.is_empty());
        Said { message, error_type: text(error, "type"), code: text(error, "code"), param }
    }

    fn fault(self, kind: FaultKind, status: u16, body: &[u8]) -> Fault {
        let message = if self.message.is_empty() { describe(status, body) } else { self.message };
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

/// Codes that mean one thing, whatever the status.
fn by_code(said: &Said) -> Option<FaultKind> {
    if said.is(&["insufficient_quota", "billing_hard_limit_reached", "billing_not_active"]) {
        return Some(FaultKind::QuotaExhausted);
    }
    if said.is(&["rate_limit_exceeded", "rate_limit_error"]) {
        return Some(FaultKind::RateLimited);
    }
    if said.is(&["context_length_exceeded", "exceed_context_size_error"]) {
        return Some(FaultKind::ContextTooLong);
    }
    if said.is(&["content_filter", "content_policy_violation", "invalid_prompt"]) {
        return Some(FaultKind::ContentPolicy);
    }
    if said.is(&["model_not_found", "DeploymentNotFound"]) {
        return Some(FaultKind::ModelNotFound);
    }
    said.is(&["invalid_api_key"]).then_some(FaultKind::Authentication)
}

fn by_status(status: u16, said: &Said) -> FaultKind {
    match status {
        // The servers that have no code for it say so in these words.
        400 | 422 if said.mentions(&["maximum context length", "maximum model length", "available context size"]) => {
            FaultKind::ContextTooLong
        }
        401 => FaultKind::Authentication,
        402 => FaultKind::QuotaExhausted,
        403 => FaultKind::Permission,
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
