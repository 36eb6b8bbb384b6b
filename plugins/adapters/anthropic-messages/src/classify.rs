//! What an error reply means. Decided by the error's `type` where it says something, else by the status; by words of
//! the message only where Anthropic gives two different faults the same type.

use pointsman_sdk::codec::provider::ReplyHead;
use pointsman_sdk::codec::{Fault, FaultKind};
use serde::Deserialize;

/// Of a body that is not the protocol's JSON so much is shown.
const SNIPPET_CHARS: usize = 200;

#[derive(Default, Deserialize)]
struct Body {
    error: Option<ErrorBody>,
}

/// The `error` object of a reply, and of an `error` event in a stream.
#[derive(Debug, Default, Deserialize)]
pub struct ErrorBody {
    #[serde(rename = "type")]
    kind: Option<String>,
    message: Option<String>,
}

/// The fault of a reply whose status is not 2xx.
pub fn reply(head: &ReplyHead, body: &[u8]) -> Fault {
    let error = serde_json::from_slice::<Body>(body).ok().and_then(|body| body.error);
    let message = match &error {
        Some(ErrorBody { message: Some(message), .. }) if !message.is_empty() => message.clone(),
        _ => describe_foreign(head.status, body),
    };
    let error_type = error.and_then(|error| error.kind);
    Fault {
        kind: kind(head.status, error_type.as_deref(), &message),
        status: head.status,
        message,
        provider_code: error_type,
        field: None,
        retry_after_ms: retry_after_ms(head),
    }
}

/// The fault of an error inside a reply that began with status 200.
pub fn in_reply(error: ErrorBody) -> Fault {
    let message = error.message.unwrap_or_else(|| "the provider reported an error without a message".into());
    Fault {
        kind: kind(0, error.kind.as_deref(), &message),
        status: 0,
        message,
        provider_code: error.kind,
        field: None,
        retry_after_ms: None,
    }
}

fn kind(status: u16, error_type: Option<&str>, message: &str) -> FaultKind {
    let callers_mistake = error_type == Some("invalid_request_error") || (400..500).contains(&status);
    if callers_mistake && let Some(kind) = by_words(message) {
        return kind;
    }
    match error_type {
        Some("overloaded_error") => FaultKind::Overloaded,
        Some("rate_limit_error") => FaultKind::RateLimited,
        Some("billing_error") => FaultKind::QuotaExhausted,
        Some("authentication_error") => FaultKind::Authentication,
        Some("permission_error") => FaultKind::Permission,
        Some("not_found_error") => FaultKind::ModelNotFound,
        Some("request_too_large") => FaultKind::TooLarge,
        Some("timeout_error") => FaultKind::TimedOut,
        Some("invalid_request_error") if status == 0 => FaultKind::InvalidRequest,
        _ => by_status(status),
    }
}

/// `invalid_request_error` is also Anthropic's word for faults that another provider would not have.
fn by_words(message: &str) -> Option<FaultKind> {
    let message = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&["credit balance", "usage limits", "billing"]) {
        Some(FaultKind::QuotaExhausted)
    } else if says(&["prompt is too long", "exceed context limit", "context window", "context length"]) {
        Some(FaultKind::ContextTooLong)
    } else if says(&["content filtering policy"]) {
        Some(FaultKind::ContentPolicy)
    } else if message.contains("signature") && message.contains("thinking") {
        // An earlier turn was another provider's, and so is the signature of its thinking. That provider, or one that
        // does not care, can still serve the conversation.
        Some(FaultKind::Unsupported)
    } else {
        None
    }
}

fn by_status(status: u16) -> FaultKind {
    match status {
        401 => FaultKind::Authentication,
        402 => FaultKind::QuotaExhausted,
        403 => FaultKind::Permission,
        404 => FaultKind::ModelNotFound,
        408 => FaultKind::TimedOut,
        413 => FaultKind::TooLarge,
        429 => FaultKind::RateLimited,
        529 => FaultKind::Overloaded,
        // 520 and following are Cloudflare's, which stands in front of the API.
        300..=399 | 502..=504 | 520..=530 => FaultKind::Unavailable,
        400..=499 => FaultKind::InvalidRequest,
        _ => FaultKind::ServerError,
    }
}

/// A page of whatever stands in front of the provider. HTML tells a person nothing; a short text might.
fn describe_foreign(status: u16, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * SNIPPET_CHARS)]);
    let text = text.trim();
    if text.is_empty() || text.starts_with('<') {
        return format!("the provider answered with status {status} and no error text");
    }
    let snippet: String = text.chars().take(SNIPPET_CHARS).collect();
    format!("the provider answered with status {status}: {snippet}")
}

/// Anthropic counts in seconds. A date is not ours to read: a plugin has no clock.
fn retry_after_ms(head: &ReplyHead) -> Option<u64> {
    let header = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("retry-after"))?;
    let seconds: f64 = header.value.trim().parse().ok()?;
    (seconds.is_finite() && seconds >= 0.0).then(|| (seconds * 1000.0).ceil() as u64)
}
