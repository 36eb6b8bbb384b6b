//! Errors of the provider -> faults: as an HTTP status with a body, or inside a reply that began well.

use pointsman_sdk::codec::provider::ReplyHead;
use pointsman_sdk::codec::{Fault, FaultKind};
use pointsman_sdk::openai::{Said, describe, retry_after_ms, short, text};
use serde_json::Value;

/// A reply whose status is not 2xx.
pub fn reply(head: &ReplyHead, body: &[u8]) -> Fault {
    let mut fault = fault(body, head.status, |_| head.status);
    fault.retry_after_ms = retry_after_ms(head).or(fault.retry_after_ms);
    fault
}

/// An error inside a reply whose status was 200.
pub fn in_stream(data: &[u8]) -> Fault {
    fault(data, 200, Said::status)
}

fn fault(body: &[u8], status: u16, meant: impl FnOnce(&Said) -> u16) -> Fault {
    let (mut said, is_flagged) = read(body);
    let kind = by_code(&said, is_flagged).unwrap_or_else(|| by_status(meant(&said), &said));
    if said.message.is_empty() {
        said.message = describe(status, body);
    }
    said.fault(kind, status)
}

/// What the body says, in whichever of its shapes, and whether OpenRouter's moderation found something in the prompt.
fn read(body: &[u8]) -> (Said, bool) {
    let mut body: Value = serde_json::from_slice(body).unwrap_or_default();
    // Google's copy of this protocol puts the error into a list.
    if let Value::Array(items) = &mut body
        && !items.is_empty()
    {
        body = items.swap_remove(0);
    }
    let error = match body.get("error") {
        Some(error @ Value::Object(_)) => error,
        // vLLM's older shape has no `error` around it; xAI and Ollama have a text there, with the code beside it.
        _ => &body,
    };
    let mut message = words(error);
    // OpenRouter's: what the provider behind it said.
    let metadata = error.get("metadata").unwrap_or(&Value::Null);
    if let Some(raw) = metadata.get("raw").and_then(Value::as_str) {
        message = format!("{message}: {}", short(raw));
    }
    let param = Some(text(error, "param")).filter(|param| !param.is_empty());
    let said = Said { message, error_type: text(error, "type"), code: text(error, "code"), param };
    (said, metadata.get("flagged_input").is_some())
}

/// Codes that mean one thing, whatever the status.
fn by_code(said: &Said, is_flagged: bool) -> Option<FaultKind> {
    // xAI has no code for it.
    if said.is(&["insufficient_quota", "billing_hard_limit_reached", "billing_not_active"])
        || said.mentions(&["used all available credits"])
    {
        return Some(FaultKind::QuotaExhausted);
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
    // What this server was not started for, another may do: llama.cpp's code and words (it says some of them with status
    // 500), vLLM's words.
    if said.is(&["not_supported_error"])
        || said.mentions(&["mmproj", "unsupported content[].type", "--enable-auto-tool-choice"])
    {
        return Some(FaultKind::Unsupported);
    }
    // llama.cpp's, with status 500; but the history is the caller's.
    if said.mentions(&["Failed to parse tool call arguments"]) {
        return Some(FaultKind::InvalidRequest);
    }
    // llama.cpp's, while it loads its model.
    if said.is(&["unavailable_error"]) {
        return Some(FaultKind::Unavailable);
    }
    // xAI says it with status 400.
    let is_key = said.is(&["invalid_api_key"]) || said.mentions(&["Incorrect API key"]);
    is_key.then_some(FaultKind::Authentication)
}

/// The servers that have no code for a prompt that is too long say it in one of these ways: vLLM and DeepSeek, vLLM
/// again, llama.cpp, xAI, and Together.
const TOO_LONG: [&str; 6] = [
    "maximum context length",
    "maximum model length",
    "the model's context length is only",
    "available context size",
    "maximum prompt length",
    "`max_new_tokens` must be",
];

fn by_status(status: u16, said: &Said) -> FaultKind {
    match status {
        400 | 422 if said.mentions(&TOO_LONG) => FaultKind::ContextTooLong,
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
