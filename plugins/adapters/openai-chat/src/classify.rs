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
    fault.retry_after_ms = retry_after_ms(head).or(fault.retry_after_ms);
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
    /// OpenRouter's moderation found something in the prompt.
    is_flagged: bool,
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
        let is_flagged = metadata.get("flagged_input").is_some();
        Said { message, error_type: text(error, "type"), code: text(error, "code"), param, is_flagged }
    }

    fn fault(self, kind: FaultKind, status: u16, body: &[u8]) -> Fault {
        let message = if self.message.is_empty() { describe(status, body) } else { self.message };
        let message = if kind == FaultKind::Authentication { without_keys(&message) } else { message };
        let code = if self.code.is_empty() { self.error_type } else { self.code };
        let provider_code = Some(code).filter(|code| !code.is_empty());
        let retry_after_ms = wait_in_words(&message);
        Fault { kind, status, message, provider_code, field: self.param, retry_after_ms }
    }

    fn is(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.code == *word || self.error_type == *word)
    }

    fn mentions(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.message.contains(word))
    }

    fn says_overloaded(&self) -> bool {
        self.is(&["slow_down"])
            || self.code.contains("overloaded")
            || self.error_type.contains("overloaded")
            || self.mentions(&["overloaded"])
    }
}

/// Codes that mean one thing, whatever the status.
fn by_code(said: &Said) -> Option<FaultKind> {
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
    if said.is(&["content_filter", "content_policy_violation", "invalid_prompt"]) || said.is_flagged {
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
    format!("HTTP {status}: {}", short(text))
}

fn short(text: &str) -> String {
    text.chars().take(MESSAGE_CHARS_MAX).collect()
}

/// Azure's "Please retry after 20 seconds.", and Groq's and OpenAI's "Please try again in 7.66s" (or "120ms").
fn wait_in_words(message: &str) -> Option<u64> {
    let after = ["retry after ", "try again in "].iter().find_map(|words| message.split_once(words));
    let (_, after) = after?;
    let end = after.find(|char: char| !char.is_ascii_digit() && char != '.')?;
    let (number, unit) = after.split_at(end);
    let number: f64 = number.parse().ok()?;
    let unit = unit.trim_start();
    let ms = if unit.starts_with("ms") {
        number
    } else if unit.starts_with('s') {
        number * 1000.0
    } else {
        return None;
    };
    // The cast saturates.
    Some(ms.ceil() as u64)
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

/// Providers quote the key that they refuse.
fn without_keys(message: &str) -> String {
    let words: Vec<String> = message.split(' ').map(without_key).collect();
    words.join(" ")
}

fn without_key(word: &str) -> String {
    match ["sk-", "xai-", "gsk_"].iter().find(|start| word.starts_with(*start)) {
        Some(start) => format!("{start}…"),
        None => word.to_owned(),
    }
}

/// A string or a number as text; empty for anything else.
fn text(object: &Value, name: &str) -> String {
    match object.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}
