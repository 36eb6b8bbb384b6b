//! What an error reply means. Decided by the error's own name where it has one, else by the status; by the sentence that the
//! message begins with where two different faults have the same name. Anthropic quotes names and ids of tools in its
//! messages, and callers choose those: words elsewhere in a message never count against a key or a model.

mod aws;
mod google;
mod regain;

pub use aws::exception;

use pointsman_sdk::codec::provider::ReplyHead;
use pointsman_sdk::codec::{Fault, FaultKind};
use pointsman_sdk::errors::{Message, retry_after_ms};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Of a body that is not the protocol's JSON so much is shown.
const SNIPPET_CHARS: usize = 200;

#[derive(Default, Deserialize)]
struct Body {
    error: Option<ErrorBody>,
}

/// The `error` object of a reply, and of an `error` event in a stream.
#[derive(Debug, Default, Deserialize)]
pub struct ErrorBody {
    /// Anthropic's name of the error.
    #[serde(rename = "type")]
    kind: Option<String>,
    message: Option<String>,
    /// Google's name of the error.
    status: Option<String>,
    /// Google's.
    details: Option<Box<RawValue>>,
}

/// The fault of a reply whose status is not 2xx.
pub fn reply(head: &ReplyHead, body: &[u8]) -> Fault {
    if let Some(fault) = aws::reply(head, body) {
        return fault;
    }
    let error = error(body).unwrap_or_default();
    let message = match &error.message {
        Some(message) if !message.is_empty() => message.clone(),
        _ => describe_foreign(head.status, body),
    };
    let retry_after_ms = retry_after_ms(head.headers.iter().map(|header| (&header.name, &header.value)))
        .or_else(|| google::retry_after_ms(&error))
        .or_else(|| regain::retry_after_ms(head, &message));
    fault(head.status, error, message, retry_after_ms)
}

/// The fault of an error inside a reply that began with status 200.
pub fn in_reply(mut error: ErrorBody) -> Fault {
    let message = error.message.take().unwrap_or_else(|| "the provider reported an error without a message".into());
    let retry_after_ms = google::retry_after_ms(&error);
    fault(0, error, message, retry_after_ms)
}

fn fault(status: u16, error: ErrorBody, message: String, retry_after_ms: Option<u64>) -> Fault {
    let kind = match &error.status {
        Some(name) if error.kind.is_none() => google::kind(status, name, &message, &error),
        _ => kind(status, error.kind.as_deref(), &message),
    };
    Fault { kind, status, message, provider_code: error.kind.or(error.status), field: None, retry_after_ms }
}

/// Google wraps the object in an array where a stream was asked for.
fn error(body: &[u8]) -> Option<ErrorBody> {
    match serde_json::from_slice::<Vec<Body>>(body) {
        Ok(list) => list.into_iter().next()?.error,
        Err(_) => serde_json::from_slice::<Body>(body).ok()?.error,
    }
}

fn kind(status: u16, error_type: Option<&str>, message: &str) -> FaultKind {
    let text = Message::new(message);
    let is_refusal = error_type == Some("invalid_request_error") || error_type.is_none() && matches!(status, 400 | 413);
    if is_refusal && let Some(kind) = by_sentence(&text) {
        return kind;
    }
    match error_type {
        Some("overloaded_error") => FaultKind::Overloaded,
        // Said of the request's length, and not of how many there were.
        Some("rate_limit_error") if text.begins(&LONG_CONTEXT) => FaultKind::Unsupported,
        Some("rate_limit_error") => FaultKind::RateLimited,
        Some("billing_error") => FaultKind::QuotaExhausted,
        Some("authentication_error") => FaultKind::Authentication,
        Some("permission_error") => FaultKind::Permission,
        Some("not_found_error") => text.not_found(),
        Some("request_too_large") => FaultKind::TooLarge,
        Some("timeout_error") => FaultKind::TimedOut,
        Some("invalid_request_error") if status == 0 => FaultKind::InvalidRequest,
        _ if status == 404 => text.not_found(),
        _ => by_status(status),
    }
}

/// The account has no more money, or may not spend more of it.
const NO_MONEY: [&str; 4] = [
    "your credit balance is too low",
    "you have reached your specified api usage limits",
    "you have reached your specified workspace api usage limits",
    "you're out of extra usage",
];
const DISABLED: [&str; 2] = ["this organization has been disabled", "your organization has been disabled"];
/// The account, or the model, takes no prompts of this length.
const LONG_CONTEXT: [&str; 3] = [
    "extra usage is required for long context",
    "the long context beta is not yet available",
    "this model does not support the long context beta",
];
const TOO_LONG: [&str; 3] =
    ["prompt is too long", "input is too long", "input length and `max_tokens` exceed context limit"];
/// An earlier turn was another provider's, and so is the signature of its thinking, or the turn has no thought at all. The
/// provider that made it, or one that does not care, can still serve the conversation.
const FOREIGN_THOUGHT: [&str; 5] = [
    "invalid `signature` in `thinking` block",
    "invalid `data` in `redacted_thinking` block",
    "expected `thinking` or `redacted_thinking`",
    "`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified",
    "when thinking is enabled, a final `assistant` message must start with a thinking block",
];

/// `invalid_request_error` is also Anthropic's name for faults that another provider would not have.
fn by_sentence(text: &Message) -> Option<FaultKind> {
    if text.begins(&NO_MONEY) {
        Some(FaultKind::QuotaExhausted)
    } else if text.begins(&DISABLED) {
        Some(FaultKind::Authentication)
    } else if text.begins(&TOO_LONG) || text.mentions(&["context window", "context length"]) {
        Some(FaultKind::ContextTooLong)
    } else if text.begins(&["output blocked by content filtering policy"]) {
        Some(FaultKind::ContentPolicy)
    } else if text.begins(&LONG_CONTEXT)
        || text.begins(&FOREIGN_THOUGHT)
        || text.begins(&["tools."]) && text.mentions(&["does not match any of the expected tags"])
        || text.names_a_lack()
    {
        // The tags: a type of tool that this server, or this cloud, does not have.
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
        // Bedrock's: the model failed.
        424 => FaultKind::ServerError,
        400..=499 => FaultKind::InvalidRequest,
        _ => FaultKind::ServerError,
    }
}

/// A page of whatever stands in front of the provider. HTML tells a person nothing; a short text might.
fn describe_foreign(status: u16, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..4 * SNIPPET_CHARS).unwrap_or(body));
    let text = text.trim();
    if text.is_empty() || text.starts_with('<') {
        return format!("the provider answered with status {status} and no error text");
    }
    let snippet: String = text.chars().take(SNIPPET_CHARS).collect();
    format!("the provider answered with status {status}: {snippet}")
}

fn milliseconds(seconds: &str) -> Option<u64> {
    let seconds: f64 = seconds.parse().ok()?;
    (seconds.is_finite() && seconds >= 0.0).then(|| (seconds * 1000.0).ceil() as u64)
}

fn header<'a>(head: &'a ReplyHead, name: &str) -> Option<&'a str> {
    let header = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
    Some(&header.value)
}
