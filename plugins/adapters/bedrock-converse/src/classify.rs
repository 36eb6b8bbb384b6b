//! What an error means. Bedrock names its errors in a header, in the body, or as the type of a frame in a stream; the
//! status decides where it does not. `ValidationException` is its word for many things, told apart by the sentence that the
//! text begins with: it quotes names that callers chose, and those never count against a key or a model.

use pointsman_adapter_sdk::errors::{Message, retry_after_ms};
use pointsman_adapter_sdk::provider::ReplyHead;
use pointsman_adapter_sdk::{Fault, FaultKind};
use serde::Deserialize;

/// Of a body that is not the protocol's JSON so much is shown.
const SNIPPET_CHARS: usize = 200;

#[derive(Default, Deserialize)]
struct Body {
    /// Gateways in front of Bedrock write it large.
    #[serde(alias = "Message")]
    message: Option<String>,
    #[serde(rename = "__type")]
    name: Option<String>,
    /// What the model's own server said, in errors of the model.
    #[serde(rename = "originalMessage")]
    original: Option<String>,
}

/// The fault of a reply whose status is not 2xx.
pub fn reply(head: &ReplyHead, body: &[u8]) -> Fault {
    let body_json: Body = serde_json::from_slice(body).unwrap_or_default();
    let name = header(head, "x-amzn-errortype").map(str::to_owned).or(body_json.name);
    let message = [body_json.message, body_json.original].into_iter().flatten().find(|text| !text.is_empty());
    let message = message.unwrap_or_else(|| describe_foreign(head.status, body));
    Fault {
        retry_after_ms: retry_after_ms(head.headers.iter().map(|header| (&header.name, &header.value))),
        ..of(head.status, name.as_deref(), message)
    }
}

/// The fault of an exception in a stream that began well. `data` is a JSON object with a message, or empty.
pub fn in_reply(name: &str, data: &[u8]) -> Fault {
    let body: Body = serde_json::from_slice(data).unwrap_or_default();
    let message = [body.message, body.original].into_iter().flatten().find(|text| !text.is_empty());
    of(0, Some(name), message.unwrap_or_else(|| format!("the provider reported {name} without a message")))
}

/// Frames that are errors: exceptions of the API, and codes of the layer below it, such as `InternalFailure`.
pub fn is_error(event: &str) -> bool {
    ["Exception", "Error", "Failure", "Unavailable", "Throttling"].iter().any(|ending| event.ends_with(ending))
}

fn of(status: u16, name: Option<&str>, message: String) -> Fault {
    let name = name.map(bare);
    let kind = name.and_then(|name| by_name(name, &message)).unwrap_or_else(|| by_status(status, &message));
    let provider_code = name.map(str::to_owned);
    Fault { kind, status, message, provider_code, field: None, retry_after_ms: None }
}

/// `com.amazon.coral.service#Name:http://…` is `Name`.
fn bare(name: &str) -> &str {
    let name = name.split_once(':').map_or(name, |(name, _)| name);
    name.rsplit_once('#').map_or(name, |(_, name)| name).trim()
}

/// Exceptions begin with a small letter in a stream, with a large one elsewhere.
fn by_name(name: &str, message: &str) -> Option<FaultKind> {
    let name = name.to_ascii_lowercase();
    Some(match name.strip_suffix("exception").unwrap_or(&name) {
        // The daily quota does not lift while anybody waits.
        "throttling" | "toomanyrequests" if message.contains("per day") => FaultKind::QuotaExhausted,
        "throttling" | "toomanyrequests" => FaultKind::RateLimited,
        "servicequotaexceeded" => FaultKind::QuotaExhausted,
        "serviceunavailable" => FaultKind::Overloaded,
        // The model is being loaded.
        "modelnotready" => FaultKind::Unavailable,
        "modeltimeout" | "requesttimeout" => FaultKind::TimedOut,
        "modelerror" | "modelstreamerror" | "internalserver" | "internalservererror" | "internalfailure" => {
            FaultKind::ServerError
        }
        "unrecognizedclient"
        | "invalidsignature"
        | "signaturedoesnotmatch"
        | "incompletesignature"
        | "expiredtoken"
        | "invalidclienttokenid"
        | "missingauthenticationtoken" => FaultKind::Authentication,
        // A bearer key that is wrong comes under this name too.
        "accessdenied" if message.contains("API Key") || message.contains("security token") => {
            FaultKind::Authentication
        }
        "accessdenied" => FaultKind::Permission,
        "resourcenotfound" => Message::new(message).not_found(),
        "requestentitytoolarge" => FaultKind::TooLarge,
        "validation" => by_words(message).unwrap_or(FaultKind::InvalidRequest),
        _ => return None,
    })
}

/// The model exists, but not under this name, in this region or any more: the target is configured wrongly.
const WRONG_MODEL: [&str; 3] = [
    "invocation of model id",
    "the provided model identifier is invalid",
    "this model version has reached the end of its life",
];
/// A thought that another model signed, or a turn without one.
const FOREIGN_THOUGHT: [&str; 3] = [
    "invalid `signature` in `thinking` block",
    "expected `thinking` or `redacted_thinking`",
    "`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified",
];

/// What a request that Bedrock refuses would meet elsewhere.
fn by_words(message: &str) -> Option<FaultKind> {
    let text = Message::new(message);
    if text.begins(&["input is too long", "prompt is too long", "too many input tokens", "too many tokens"])
        || text.mentions(&["context limit", "context window", "context length", "maximum tokens you requested exceeds"])
    {
        Some(FaultKind::ContextTooLong)
    } else if text.begins(&WRONG_MODEL) {
        Some(FaultKind::ModelNotFound)
    } else if text.begins(&["operation not allowed"]) {
        Some(FaultKind::Permission)
    } else if text.begins(&["output blocked by content filtering policy"]) {
        Some(FaultKind::ContentPolicy)
    } else if text.begins(&FOREIGN_THOUGHT)
        || text.names_a_lack()
        || text.mentions(&["doesn't support", "does not support", "unsupported model"])
    {
        Some(FaultKind::Unsupported)
    } else {
        None
    }
}

fn by_status(status: u16, message: &str) -> FaultKind {
    match status {
        401 => FaultKind::Authentication,
        403 => FaultKind::Permission,
        404 => Message::new(message).not_found(),
        408 => FaultKind::TimedOut,
        413 => FaultKind::TooLarge,
        424 => FaultKind::ServerError,
        429 => FaultKind::RateLimited,
        503 => FaultKind::Overloaded,
        300..=399 | 502 | 504 | 520..=530 => FaultKind::Unavailable,
        400..=499 => by_words(message).unwrap_or(FaultKind::InvalidRequest),
        _ => FaultKind::ServerError,
    }
}

/// A page of whatever stands in front of the provider. HTML tells a person nothing; a short text might.
fn describe_foreign(status: u16, body: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(body).trim().chars().take(SNIPPET_CHARS).collect();
    if text.is_empty() || text.starts_with(['<', '{']) {
        return format!("the provider answered with status {status} and no error text");
    }
    format!("the provider answered with status {status}: {text}")
}

fn header<'a>(head: &'a ReplyHead, name: &str) -> Option<&'a str> {
    let header = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
    Some(header.value.as_str())
}
