//! Errors of the provider -> faults: as an HTTP status with a body, or inside a reply that began well. Codes and statuses
//! decide, and sentences that a server is known to begin its message with; words that may be quoted from the request count
//! against no key and no model.

use pointsman_sdk::codec::provider::ReplyHead;
use pointsman_sdk::codec::{Fault, FaultKind};
use pointsman_sdk::errors::retry_after_ms;
use pointsman_sdk::openai::{Said, describe, short, text};
use serde_json::Value;

/// A reply whose status is not 2xx.
pub fn reply(head: &ReplyHead, body: &[u8]) -> Fault {
    let mut fault = fault(body, head.status, |_| head.status);
    fault.retry_after_ms =
        retry_after_ms(head.headers.iter().map(|header| (&header.name, &header.value))).or(fault.retry_after_ms);
    fault
}

/// An error inside a reply whose status was 200.
pub fn in_stream(data: &[u8]) -> Fault {
    fault(data, 200, Said::status)
}

fn fault(body: &[u8], status: u16, meant: impl FnOnce(&Said) -> u16) -> Fault {
    let Read { mut said, is_flagged, behind } = read(body);
    let status_meant = meant(&said);
    let kind = said
        .refuses_tool_types(status_meant)
        .then_some(FaultKind::Unsupported)
        .or_else(|| by_code(&said, is_flagged, status_meant))
        .or_else(|| behind.and_then(|behind| of_the_request(&behind, status_meant)))
        .unwrap_or_else(|| by_status(status_meant, &said));
    if said.message.is_empty() {
        said.message = describe(status, body);
    }
    said.fault(kind, status)
}

/// What a body says.
struct Read {
    said: Said,
    /// OpenRouter's moderation found something in the prompt.
    is_flagged: bool,
    /// What the provider behind OpenRouter said, where that is JSON.
    behind: Option<Said>,
}

/// In whichever of its shapes.
fn read(body: &[u8]) -> Read {
    let mut body: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut said = error_fields(error(&mut body));
    let metadata = error(&mut body).get("metadata").cloned().unwrap_or_default();
    let mut behind = None;
    if let Some(raw) = metadata.get("raw").and_then(Value::as_str) {
        said.message = format!("{}: {}", said.message, short(raw));
        let inner = serde_json::from_str(raw).ok();
        behind = inner.map(|mut inner: Value| error_fields(error(&mut inner)));
    }
    Read { said, is_flagged: metadata.get("flagged_input").is_some(), behind }
}

/// The object that tells of the error.
fn error(body: &mut Value) -> &Value {
    // Google's copy of this protocol puts the error into a list.
    if let Value::Array(items) = body
        && !items.is_empty()
    {
        *body = items.swap_remove(0);
    }
    match body.get("error") {
        Some(error @ Value::Object(_)) => error,
        // vLLM's older shape has no `error` around it; xAI and Ollama have a text there, with the code beside it.
        _ => body,
    }
}

fn error_fields(error: &Value) -> Said {
    let param = Some(text(error, "param")).filter(|param| !param.is_empty());
    Said { message: words(error), error_type: text(error, "type"), code: text(error, "code"), param }
}

/// What the provider behind a router says of the request. Its account there is not ours: what it says of that is passed over.
fn of_the_request(behind: &Said, status: u16) -> Option<FaultKind> {
    let kind = by_code(behind, false, status).unwrap_or_else(|| by_status(status, behind));
    matches!(kind, FaultKind::ContextTooLong | FaultKind::ContentPolicy | FaultKind::Unsupported).then_some(kind)
}

/// Codes that mean one thing, whatever the status.
fn by_code(said: &Said, is_flagged: bool, status: u16) -> Option<FaultKind> {
    let text = said.text();
    if said.is(&["insufficient_quota", "billing_hard_limit_reached", "billing_not_active"]) {
        return Some(FaultKind::QuotaExhausted);
    }
    // xAI has no code for it: "Your team … has either used all available credits or reached its monthly spending limit."
    if matches!(status, 403 | 429) && text.begins(&["your team "]) && text.mentions(&["used all available credits"]) {
        return Some(FaultKind::QuotaExhausted);
    }
    if said.is_larger_than_a_limit() {
        return Some(FaultKind::Unsupported);
    }
    if said.is(&["rate_limit_exceeded", "rate_limit_error"]) {
        return Some(FaultKind::RateLimited);
    }
    if said.is(&["context_length_exceeded", "exceed_context_size_error"]) {
        return Some(FaultKind::ContextTooLong);
    }
    if said.is(&["content_filter", "content_policy_violation", "invalid_prompt"]) || is_flagged {
        return Some(FaultKind::ContentPolicy);
    }
    if said.is(&["model_not_found", "DeploymentNotFound"]) {
        return Some(FaultKind::ModelNotFound);
    }
    // What this model or this server was not made for, another may do: OpenAI's codes, llama.cpp's code and words (it says some
    // of them with status 500), vLLM's words.
    if said.is(&["unsupported_parameter", "unsupported_value", "not_supported_error"])
        || text.mentions(&["mmproj", "unsupported content[].type", "--enable-auto-tool-choice"])
    {
        return Some(FaultKind::Unsupported);
    }
    // llama.cpp's, with status 500; but the history and the tools are the caller's.
    if text.begins(&["failed to parse tool call arguments", "failed to parse messages: ", "failed to parse tools: "]) {
        return Some(FaultKind::InvalidRequest);
    }
    // llama.cpp's, while it loads its model.
    if said.is(&["unavailable_error"]) {
        return Some(FaultKind::Unavailable);
    }
    // xAI says it with status 400.
    let is_key = said.is(&["invalid_api_key"]) || text.begins(&["incorrect api key provided"]);
    is_key.then_some(FaultKind::Authentication)
}

/// The servers that have no code for a prompt that is too long say it in one of these ways: vLLM and DeepSeek, vLLM
/// again, llama.cpp, and xAI. Together's begins with what it quotes.
const TOO_LONG: [&str; 5] = [
    "maximum context length",
    "maximum model length",
    "the model's context length is only",
    "available context size",
    "maximum prompt length",
];
const TOO_LONG_AT_TOGETHER: [&str; 1] = ["`inputs` tokens + `max_new_tokens` must be"];

fn by_status(status: u16, said: &Said) -> FaultKind {
    let text = said.text();
    match status {
        400 | 422 if text.mentions(&TOO_LONG) || text.begins(&TOO_LONG_AT_TOGETHER) => FaultKind::ContextTooLong,
        status => said.kind(status),
    }
}

/// The message, wherever it stands: FastAPI, which several servers are written with, says `detail`, a text or a list of
/// mistakes with a `msg` each; Mistral puts that into its message.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let all: Vec<String> = items.iter().map(words).filter(|text| !text.is_empty()).collect();
            all.join("; ")
        }
        Value::Object(fields) => {
            let named = ["message", "detail", "msg", "error"].iter().filter_map(|name| fields.get(*name));
            named.map(words).find(|text| !text.is_empty()).unwrap_or_default()
        }
        _ => String::new(),
    }
}
