//! Errors as both of OpenAI's protocols have them: read from a provider, and told to a caller.

use crate::codec::client_protocol::{Header, HttpReply};
use crate::codec::{Fault, FaultKind};
use crate::errors::Message;
use serde_json::{Value, json};

/// Of a body that is not the protocol's.
const MESSAGE_CHARS_MAX: usize = 500;

/// The field of a fault that says: this server knows tools of the type `function` only.
const TOOL_TYPE: &str = "tools[].type";
/// What llama.cpp's messages begin with that refuse other types of tools and of calls; it says them with status 500.
const FUNCTIONS_ONLY: [&str; 2] =
    ["failed to parse tools: unsupported tool", "failed to parse messages: unsupported tool"];
/// The same at 400 and 422: llama.cpp's Responses, servers in Python (pydantic: vLLM, SGLang), servers in Rust (serde: DeepSeek),
/// and older versions of OpenAI's and Azure's API.
const FUNCTIONS_EXPECTED: [&str; 5] = [
    "cannot determine type of 'item'",
    "input should be 'function'",
    "expected `function`",
    "tool must be 'function'",
    "supported values are: 'function'",
];

/// What an error says. Empty where it says nothing.
#[derive(Default)]
pub struct Said {
    pub message: String,
    pub error_type: String,
    pub code: String,
    pub param: Option<String>,
}

impl Said {
    /// Is the code or the type one of these?
    pub fn is(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.code == *word || self.error_type == *word)
    }

    /// The message, to be compared with sentences that the provider is known to say.
    pub fn text(&self) -> Message {
        Message::new(&self.message)
    }

    /// The parameter, its value, or something else that this model lacks and others may have. `unsupported_parameter` and
    /// `unsupported_value` are OpenAI's codes for it; the servers that copy its API have the words alone.
    pub fn names_a_lack(&self) -> bool {
        self.is(&["unsupported_parameter", "unsupported_value", "not_supported_error"]) || self.text().names_a_lack()
    }

    /// The server refuses tools of other types than `function` (custom tools, hosted tools), their calls or their results. The
    /// fault's field says so: the host says the request once more, with functions in their place.
    pub fn refuses_tool_types(&mut self, status: u16) -> bool {
        let text = self.text();
        let refuses = match status {
            400 | 422 => text.begins(&FUNCTIONS_ONLY) || text.contains_alone(&FUNCTIONS_EXPECTED),
            500 | 501 => text.begins(&FUNCTIONS_ONLY),
            _ => false,
        };
        if refuses {
            self.param = Some(TOOL_TYPE.into());
        }
        refuses
    }

    /// One request alone is larger than all that the account may use in a minute: "Request too large for gpt-4o in organization … on
    /// tokens per min (TPM): Limit 30000, Requested 45000." (OpenAI with 429, Groq with 413). Waiting does not help it, and others
    /// are served.
    pub fn is_larger_than_a_limit(&self) -> bool {
        self.text().begins(&["request too large for "])
    }

    /// What a reply with this status means, where neither code nor message tells it better.
    pub fn kind(&self, status: u16) -> FaultKind {
        match status {
            401 => FaultKind::Authentication,
            402 => FaultKind::QuotaExhausted,
            403 => FaultKind::Permission,
            404 => self.text().not_found(),
            408 => FaultKind::TimedOut,
            // A conflict at the provider, which OpenAI's own clients try again.
            409 => FaultKind::Unavailable,
            413 => FaultKind::TooLarge,
            429 => FaultKind::RateLimited,
            529 => FaultKind::Overloaded,
            500.. if self.is_overloaded() => FaultKind::Overloaded,
            // Beyond 520: of the content delivery networks that stand before many providers.
            502..=504 | 520..=524 => FaultKind::Unavailable,
            500.. => FaultKind::ServerError,
            400 | 422 if self.names_a_lack() => FaultKind::Unsupported,
            400..=499 => FaultKind::InvalidRequest,
            // A redirection, say: nobody there speaks this protocol.
            _ => FaultKind::Unavailable,
        }
    }

    /// The status that an error inside a good reply stands for. Some servers put it into `code`.
    pub fn status(&self) -> u16 {
        if let Some(status) = self.code.parse().ok().filter(|status| (400..600).contains(status)) {
            return status;
        }
        match self.error_type.as_str() {
            "invalid_request_error" | "BadRequestError" => 400,
            _ if self.is_overloaded() => 529,
            "authentication_error" => 401,
            "permission_error" => 403,
            "requests" | "tokens" => 429,
            _ => 500,
        }
    }

    fn is_overloaded(&self) -> bool {
        self.is(&["slow_down"])
            || self.code.contains("overloaded")
            || self.error_type.contains("overloaded")
            || self.text().mentions(&["overloaded"])
    }

    /// The fault, which waits as long as the message asks for.
    pub fn fault(self, kind: FaultKind, status: u16) -> Fault {
        let message = if kind == FaultKind::Authentication { without_keys(&self.message) } else { self.message };
        let code = if self.code.is_empty() { self.error_type } else { self.code };
        let provider_code = Some(code).filter(|code| !code.is_empty());
        // Elsewhere the words may be quoted from the request.
        let waits = matches!(kind, FaultKind::RateLimited | FaultKind::Overloaded | FaultKind::Unavailable);
        let retry_after_ms = wait_in_words(&message).filter(|_| waits);
        Fault { kind, status, message, provider_code, field: self.param, retry_after_ms }
    }
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

/// A message for a body that is not the protocol's: an HTML page is not worth showing, other text is.
pub fn describe(status: u16, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.is_empty() || text.starts_with('<') {
        return format!("HTTP {status} without a message");
    }
    format!("HTTP {status}: {}", short(text))
}

/// Its beginning.
pub fn short(text: &str) -> String {
    text.chars().take(MESSAGE_CHARS_MAX).collect()
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

/// The field, a string or a number, as text; empty for anything else.
pub fn text(object: &Value, name: &str) -> String {
    match object.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// An error before any byte of a reply.
pub fn refuse(fault: &Fault) -> HttpReply {
    let (status, _, _) = words(fault.kind);
    let json_type = Header { name: "content-type".into(), value: "application/json".into() };
    HttpReply { status, headers: vec![json_type], body: body(fault).to_string().into_bytes() }
}

/// The body of such an error.
pub fn body(fault: &Fault) -> Value {
    let (_, error_type, code) = words(fault.kind);
    json!({"error": {"message": fault.message, "type": error_type, "param": fault.field, "code": code}})
}

/// Status, type and code. Statuses decide whether OpenAI's clients try again: from 500 on and at 429 they do.
fn words(kind: FaultKind) -> (u16, &'static str, Option<&'static str>) {
    const INVALID: &str = "invalid_request_error";
    const SERVER: &str = "server_error";
    match kind {
        FaultKind::Overloaded => (503, SERVER, Some("overloaded")),
        FaultKind::Unavailable => (503, SERVER, Some("unavailable")),
        FaultKind::Connection => (503, SERVER, Some("connection")),
        FaultKind::Busy => (503, SERVER, Some("busy")),
        FaultKind::ServerError => (502, SERVER, Some("server-error")),
        FaultKind::MalformedReply => (502, SERVER, Some("malformed-reply")),
        FaultKind::Truncated => (502, SERVER, Some("truncated")),
        FaultKind::AdapterFailed => (502, SERVER, Some("adapter-failed")),
        FaultKind::TimedOut => (504, SERVER, Some("timed-out")),
        FaultKind::RateLimited => (429, "requests", Some("rate_limit_exceeded")),
        FaultKind::QuotaExhausted => (429, "insufficient_quota", Some("insufficient_quota")),
        FaultKind::Authentication => (401, INVALID, Some("invalid_api_key")),
        FaultKind::Permission => (403, INVALID, Some("permission_denied")),
        FaultKind::ModelNotFound => (404, INVALID, Some("model_not_found")),
        FaultKind::TooLarge => (413, INVALID, Some("request_too_large")),
        FaultKind::ContextTooLong => (400, INVALID, Some("context_length_exceeded")),
        FaultKind::ContentPolicy => (400, INVALID, Some("content_policy_violation")),
        FaultKind::Unsupported => (400, INVALID, Some("unsupported_parameter")),
        FaultKind::InvalidRequest => (400, INVALID, None),
    }
}
