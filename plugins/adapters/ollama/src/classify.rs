//! What an error means. Ollama has no codes, only a text: `{"error": "…"}`. The status decides, and words of the text
//! where one status stands for several faults.

use pointsman_adapter_sdk::errors::{Message, retry_after_ms};
use pointsman_adapter_sdk::provider::ReplyHead;
use pointsman_adapter_sdk::{Fault, FaultKind};
use serde_json::Value;

/// Of a body that is not the protocol's JSON so much is shown.
const SNIPPET_CHARS: usize = 200;

/// The fault of a reply whose status is not 2xx.
pub fn reply(head: &ReplyHead, body: &[u8]) -> Fault {
    let body_json: Option<Value> = serde_json::from_slice(body).ok();
    let text = body_json.as_ref().and_then(|body| error_text(body.get("error")?));
    let message = text.unwrap_or_else(|| describe_foreign(head.status, body));
    Fault {
        retry_after_ms: retry_after_ms(head.headers.iter().map(|header| (&header.name, &header.value))),
        ..of(head.status, message)
    }
}

/// The fault of a line with an `error` in a reply that began well. Some versions add the status that it would have had.
pub fn in_reply(error: &Value, status: Option<u16>) -> Fault {
    let message = error_text(error).unwrap_or_else(|| "the provider reported an error without a message".into());
    of(status.unwrap_or(0), message)
}

/// A text; an object with a `message` comes from proxies.
fn error_text(error: &Value) -> Option<String> {
    let text = error.as_str().or_else(|| error.get("message")?.as_str())?;
    (!text.trim().is_empty()).then(|| text.to_owned())
}

fn of(status: u16, message: String) -> Fault {
    let text = Message::new(&message);
    let kind = by_words(status, &text).unwrap_or_else(|| by_status(status, &text));
    Fault { kind, status, message, provider_code: None, field: None, retry_after_ms: None }
}

/// Ollama quotes names of tools and values of the request: what counts against the target or its model is read only with the
/// status that Ollama says it with, and outside of quotes.
fn by_words(status: u16, text: &Message) -> Option<FaultKind> {
    // Capabilities of the model: tools, thinking, vision; and a `think` that it does not know.
    if text.mentions(&["does not support", "think value", "only supports one image"]) {
        Some(FaultKind::Unsupported)
    } else if text.mentions(&["context length", "context size", "context window"]) {
        Some(FaultKind::ContextTooLong)
    } else if status == 400 {
        None
    } else if text.mentions(&["server busy", "maximum pending requests"]) {
        Some(FaultKind::Overloaded)
    } else if text.begins(&["model"]) && text.mentions(&["not found", "try pulling"]) {
        Some(FaultKind::ModelNotFound)
    } else if text.mentions(&["runner", "system memory", "out of memory"]) {
        Some(FaultKind::ServerError)
    } else {
        None
    }
}

/// 0 stands for an error inside a reply whose status was 200: the server failed while it answered.
fn by_status(status: u16, text: &Message) -> FaultKind {
    match status {
        401 => FaultKind::Authentication,
        402 => FaultKind::QuotaExhausted,
        403 => FaultKind::Permission,
        404 => text.not_found(),
        408 => FaultKind::TimedOut,
        413 => FaultKind::TooLarge,
        429 => FaultKind::RateLimited,
        // Ollama's queue is full.
        503 => FaultKind::Overloaded,
        300..=399 | 502 | 504 | 520..=530 => FaultKind::Unavailable,
        // Ollama's word for a request that was cancelled on the way.
        499 => FaultKind::ServerError,
        400..=498 => FaultKind::InvalidRequest,
        _ => FaultKind::ServerError,
    }
}

/// A page of whatever stands in front of the provider. HTML tells a person nothing; a short text might.
fn describe_foreign(status: u16, body: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(body).trim().chars().take(SNIPPET_CHARS).collect();
    if text.is_empty() || text.starts_with('<') {
        return format!("the provider answered with status {status} and no error text");
    }
    format!("the provider answered with status {status}: {text}")
}
