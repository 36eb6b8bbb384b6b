//! Bedrock's errors: the name stands in a header, or is the name of a message in the stream.
//!
//! docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html

use super::{by_sentence, by_status, describe_foreign, header};
use pointsman_sdk::codec::provider::ReplyHead;
use pointsman_sdk::codec::{Fault, FaultKind};
use pointsman_sdk::errors::{Message, retry_after_ms};
use serde::Deserialize;

#[derive(Default, Deserialize)]
struct Body {
    #[serde(alias = "Message")]
    message: Option<String>,
    /// Of `modelStreamErrorException`: what the model's own server said.
    #[serde(rename = "originalStatusCode")]
    original_status: Option<u16>,
    #[serde(rename = "originalMessage")]
    original_message: Option<String>,
}

/// None for a reply that is not Bedrock's.
pub fn reply(head: &ReplyHead, body: &[u8]) -> Option<Fault> {
    let name = header(head, "x-amzn-errortype");
    let parsed: Option<Body> = serde_json::from_slice(body).ok();
    let message = parsed.and_then(|body| body.message).filter(|message| !message.is_empty());
    if name.is_none() && message.is_none() {
        return None;
    }
    let message = message.unwrap_or_else(|| describe_foreign(head.status, body));
    let fault = fault(name.unwrap_or_default(), head.status, message);
    Some(Fault {
        retry_after_ms: retry_after_ms(head.headers.iter().map(|header| (&header.name, &header.value))),
        ..fault
    })
}

/// The fault of a message in a stream that is no chunk, such as `throttlingException`.
pub fn exception(name: &str, body: &[u8]) -> Fault {
    let body: Body = serde_json::from_slice(body).unwrap_or_default();
    let message = body.message.or(body.original_message).unwrap_or_else(|| format!("the provider reported {name}"));
    let fault = fault(name, 0, message);
    match body.original_status {
        // What failed was the model; how, its own server knows.
        Some(status) if fault.kind == FaultKind::ServerError => Fault { kind: by_status(status), ..fault },
        _ => fault,
    }
}

fn fault(name: &str, status: u16, message: String) -> Fault {
    let name = plain(name);
    let kind = kind(name, status, &message);
    let provider_code = (!name.is_empty()).then(|| name.to_owned());
    Fault { kind, status, message, provider_code, field: None, retry_after_ms: None }
}

/// `com.amazon#ThrottlingException:http://internal.amazon.com/…` is called `ThrottlingException`.
fn plain(name: &str) -> &str {
    let name = name.split(':').next().unwrap_or(name);
    name.rsplit('#').next().unwrap_or(name)
}

/// The model's name, or how it may be called, is the configuration's and not the caller's.
const WRONG_MODEL: [&str; 3] = [
    "the provided model identifier is invalid",
    "invocation of model id",
    "this model version has reached the end of its life",
];

fn kind(name: &str, status: u16, message: &str) -> FaultKind {
    let text = Message::new(message);
    // Messages in a stream begin with a small letter.
    match name.to_ascii_lowercase().trim_end_matches("exception") {
        "throttling" if text.mentions(&["per day"]) => FaultKind::QuotaExhausted,
        "throttling" => FaultKind::RateLimited,
        "servicequotaexceeded" => FaultKind::QuotaExhausted,
        "modelnotready" | "serviceunavailable" => FaultKind::Unavailable,
        "modeltimeout" => FaultKind::TimedOut,
        "modelerror" | "modelstreamerror" | "internalserver" | "internalfailure" => FaultKind::ServerError,
        "accessdenied" => FaultKind::Permission,
        "unrecognizedclient"
        | "invalidsignature"
        | "expiredtoken"
        | "incompletesignature"
        | "missingauthenticationtoken" => FaultKind::Authentication,
        "resourcenotfound" => text.not_found(),
        "validation" if text.begins(&WRONG_MODEL) => FaultKind::ModelNotFound,
        "validation" => by_sentence(&text).unwrap_or(FaultKind::InvalidRequest),
        _ if status == 404 => text.not_found(),
        _ if matches!(status, 400 | 413) => by_sentence(&text).unwrap_or(by_status(status)),
        _ => by_status(status),
    }
}
