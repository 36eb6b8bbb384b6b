//! What an error means. Google's errors say a canonical status and typed details (<https://google.aip.dev/193>);
//! words of the message decide only where one status stands for faults that call for different things.

mod details;

use details::Details;
use pointsman_sdk::codec::provider::ReplyHead;
use pointsman_sdk::codec::{Fault, FaultKind};
use pointsman_sdk::errors::{Message, retry_after_ms};
use serde::Deserialize;
use serde_json::Value;

/// Of a body that is not the protocol's JSON so much is shown.
const SNIPPET_CHARS: usize = 200;

/// The `error` object of a reply, and of a chunk in a stream.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ErrorBody {
    code: Option<u16>,
    message: Option<String>,
    status: Option<String>,
    details: Vec<Value>,
}

impl ErrorBody {
    /// The `error` field of a body: an object, or a list of one in replies that would have been streamed as an array.
    pub fn of(body: &Value) -> Option<ErrorBody> {
        let body = body.as_array().and_then(|list| list.first()).unwrap_or(body);
        let error = body.get("error")?;
        // Whatever stands in front of Google may write an error as it likes.
        Some(
            serde_json::from_value(error.clone())
                .unwrap_or_else(|_| ErrorBody { message: error.as_str().map(str::to_owned), ..ErrorBody::default() }),
        )
    }
}

/// The fault of a reply whose status is not 2xx.
pub fn reply(head: &ReplyHead, body: &[u8]) -> Fault {
    let error = serde_json::from_slice(body).ok().and_then(|body: Value| ErrorBody::of(&body));
    let error = error.unwrap_or_default();
    let message = match &error.message {
        Some(message) if !message.is_empty() => message.clone(),
        _ => describe_foreign(head.status, body),
    };
    let fault = in_words(&error, head.status, message);
    let retry_after_ms = fault
        .retry_after_ms
        .or_else(|| retry_after_ms(head.headers.iter().map(|header| (&header.name, &header.value))));
    Fault { status: head.status, retry_after_ms, ..fault }
}

/// The fault of an error inside a reply that began with status 200.
pub fn in_reply(error: &ErrorBody) -> Fault {
    let message = error.message.clone().filter(|message| !message.is_empty());
    let message = message.unwrap_or_else(|| "the provider reported an error without a message".into());
    in_words(error, error.code.unwrap_or(0), message)
}

/// `http_status` decides only where the error does not say its own.
fn in_words(error: &ErrorBody, http_status: u16, message: String) -> Fault {
    let details = Details::read(&error.details);
    let kind = kind(error.status.as_deref().unwrap_or_default(), http_status, &details, &Message::new(&message));
    let provider_code = error.status.clone();
    Fault { kind, status: 0, message, provider_code, field: None, retry_after_ms: details.retry_after_ms }
}

/// Google quotes names and values of the request: what counts against the key or the model is read from the status, from
/// typed details, or from the sentence that the message begins with.
fn kind(status: &str, http_status: u16, details: &Details, text: &Message) -> FaultKind {
    // A wrong key is a 400 INVALID_ARGUMENT here.
    if details.has_reason("API_KEY_") || text.begins(&["api key not valid", "api key expired", "api key not found"]) {
        return FaultKind::Authentication;
    }
    if details.has_reason("BILLING_DISABLED") {
        return FaultKind::QuotaExhausted;
    }
    match status {
        "RESOURCE_EXHAUSTED" => exhausted(details, text),
        "FAILED_PRECONDITION" if text.mentions(&["billing"]) => FaultKind::QuotaExhausted,
        "FAILED_PRECONDITION" if text.mentions(&["file"]) => FaultKind::InvalidRequest,
        // A place where the API is not served: another provider may be.
        "FAILED_PRECONDITION" => FaultKind::Permission,
        "INVALID_ARGUMENT" | "OUT_OF_RANGE" => callers_mistake(text),
        "UNAUTHENTICATED" => FaultKind::Authentication,
        // A file or a cache that is gone, or another account's.
        "PERMISSION_DENIED" if text.begins(&NOT_YOURS) => FaultKind::InvalidRequest,
        "PERMISSION_DENIED" => FaultKind::Permission,
        "NOT_FOUND" => not_found(text),
        "UNAVAILABLE" => FaultKind::Overloaded,
        "DEADLINE_EXCEEDED" => FaultKind::TimedOut,
        "CANCELLED" | "ABORTED" => FaultKind::Unavailable,
        "INTERNAL" | "UNKNOWN" | "DATA_LOSS" => FaultKind::ServerError,
        "UNIMPLEMENTED" => FaultKind::Unsupported,
        _ => by_http_status(http_status, details, text),
    }
}

const NOT_YOURS: [&str; 2] = ["cachedcontent not found", "you do not have permission to access the file"];

/// The address of a request names the model and little else.
fn not_found(text: &Message) -> FaultKind {
    match text.not_found() {
        FaultKind::Unsupported => FaultKind::ModelNotFound,
        kind => kind,
    }
}

/// The same status for a minute's limit and for a day's, for too little money and for none.
fn exhausted(details: &Details, text: &Message) -> FaultKind {
    if details.quota_is_daily || text.mentions(&["credits are depleted", "spending cap", "spend cap", "limit: 0,"]) {
        FaultKind::QuotaExhausted
    } else {
        FaultKind::RateLimited
    }
}

fn callers_mistake(text: &Message) -> FaultKind {
    if text.mentions(&["token"]) && text.mentions(&["exceeds the maximum", "exceeds the limit", "exceed the limit"]) {
        FaultKind::ContextTooLong
    } else if text.mentions(&["request payload size exceeds", "payload size exceeds the limit"]) {
        FaultKind::TooLarge
    } else if text.mentions(&["thought signature", "thought_signature", "thoughtsignature"]) {
        // An earlier turn was another provider's. That provider, or one that does not care, can still serve it.
        FaultKind::Unsupported
    } else if text.names_a_lack() || text.mentions(&["is unsupported", "is not supported", "is not enabled for"]) {
        // Such as tools together with a JSON answer: not of this model, but of others.
        FaultKind::Unsupported
    } else {
        FaultKind::InvalidRequest
    }
}

fn by_http_status(status: u16, details: &Details, text: &Message) -> FaultKind {
    match status {
        0 => FaultKind::ServerError,
        401 => FaultKind::Authentication,
        402 => FaultKind::QuotaExhausted,
        403 => FaultKind::Permission,
        404 => not_found(text),
        408 => FaultKind::TimedOut,
        413 => FaultKind::TooLarge,
        429 => exhausted(details, text),
        499 | 300..=399 | 502..=504 => FaultKind::Unavailable,
        400..=498 => callers_mistake(text),
        _ => FaultKind::ServerError,
    }
}

/// A page of whatever stands in front of the provider. HTML tells a person nothing; a short text might.
fn describe_foreign(status: u16, body: &[u8]) -> String {
    let beginning = body.get(..4 * SNIPPET_CHARS).unwrap_or(body);
    let text = String::from_utf8_lossy(beginning);
    let text = text.trim();
    if text.is_empty() || text.starts_with('<') {
        return format!("the provider answered with status {status} and no error text");
    }
    let snippet: String = text.chars().take(SNIPPET_CHARS).collect();
    format!("the provider answered with status {status}: {snippet}")
}
