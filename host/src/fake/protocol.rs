//! What the fakes have in common, as seen by the server that carries them: the one place that knows all of them.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde_json::Value;

use super::reply::{Refused, Script, Sent};
use super::state::Seen;
use super::{anthropic, bedrock, gemini, ollama, openai, responses};

const SSE: &str = "text/event-stream; charset=utf-8";
const GARBAGE_EVENTS: &str = "data: {\"what\": [\n\ndata: }\n\n";

/// What a fake speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    OpenAiChat,
    OpenAiResponses,
    AnthropicMessages,
    Gemini,
    Bedrock,
    Ollama,
}

const NAMES: &[(Protocol, &str)] = &[
    (Protocol::OpenAiChat, "openai-chat"),
    (Protocol::OpenAiResponses, "openai-responses"),
    (Protocol::AnthropicMessages, "anthropic-messages"),
    (Protocol::Gemini, "gemini"),
    (Protocol::Bedrock, "bedrock"),
    (Protocol::Ollama, "ollama"),
];

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(protocol, _)| protocol == self).map(|(_, name)| *name);
        formatter.write_str(name.unwrap_or_default())
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = NAMES.iter().find(|(_, name)| *name == text).map(|(protocol, _)| *protocol);
        known.ok_or_else(|| {
            let names: Vec<_> = NAMES.iter().map(|(_, name)| *name).collect();
            format!("`{text}` is not a protocol: there are {}", names.join(", "))
        })
    }
}

impl Protocol {
    /// That of an adapter's provider; `settings` are the adapter's, in JSON. Absent: no fake speaks it.
    pub fn spoken(adapter: &str, settings: &str) -> Option<Protocol> {
        let settings: Value = serde_json::from_str(settings).unwrap_or_default();
        Some(match (adapter, settings["platform"].as_str()) {
            (_, Some("bedrock")) | ("bedrock-converse", _) => Protocol::Bedrock,
            (_, Some("vertex")) => Protocol::Gemini,
            ("anthropic-messages", _) => Protocol::AnthropicMessages,
            ("openai-chat" | "openai-responses", _) => Protocol::OpenAiChat,
            ("gemini", _) => Protocol::Gemini,
            ("ollama", _) => Protocol::Ollama,
            _ => return None,
        })
    }

    /// What a configuration gives as `base_url`.
    pub fn base_url(self, address: impl fmt::Display) -> String {
        match self {
            Protocol::OpenAiChat | Protocol::OpenAiResponses => format!("http://{address}/v1"),
            Protocol::AnthropicMessages | Protocol::Gemini | Protocol::Bedrock | Protocol::Ollama => {
                format!("http://{address}")
            }
        }
    }

    /// The model that a request names, in its path or in its body; empty if it names none.
    pub fn model(self, path: &str, body: &Value) -> String {
        let in_path = match self {
            Protocol::OpenAiChat => openai::deployment(path),
            Protocol::Gemini => gemini::model(path),
            Protocol::Bedrock => bedrock::model(path),
            Protocol::OpenAiResponses | Protocol::AnthropicMessages | Protocol::Ollama => None,
        };
        in_path.unwrap_or_else(|| body["model"].as_str().unwrap_or_default().to_owned())
    }

    /// OpenAI is one server with two protocols.
    pub fn of(self, seen: &Seen) -> Protocol {
        match self {
            Protocol::OpenAiChat if seen.bare_path().starts_with("/v1/responses") => Protocol::OpenAiResponses,
            protocol => protocol,
        }
    }

    pub fn script(self, seen: &Seen, body: &Value, number: usize) -> Result<Script, Refused> {
        match self.of(seen) {
            Protocol::OpenAiChat => openai::script(seen, body, number),
            Protocol::OpenAiResponses => responses::script(seen, body, number),
            Protocol::AnthropicMessages => anthropic::script(seen, body, number),
            Protocol::Gemini => gemini::script(seen, body, number),
            Protocol::Bedrock => bedrock::script(seen, body, number),
            Protocol::Ollama => ollama::script(seen, body, number),
        }
    }

    /// What the provider says with this status, or with the nearest that it has. How long to wait is said where this provider
    /// says it: in a header, in the body, or nowhere.
    pub fn failure(self, seen: &Seen, status: u16, retry_after_s: Option<u64>, number: usize) -> Refused {
        match self {
            Protocol::OpenAiChat | Protocol::OpenAiResponses => openai::failure(seen, status, retry_after_s),
            Protocol::AnthropicMessages => {
                Refused::new(status, anthropic::error_body(status, number)).with_retry_after(retry_after_s)
            }
            Protocol::Gemini => gemini::failure(seen, status, retry_after_s, number),
            Protocol::Bedrock => bedrock::failure(status),
            Protocol::Ollama => ollama::failure(status).with_retry_after(retry_after_s),
        }
    }

    /// The status of a provider that has too much to do.
    pub fn overloaded(self) -> u16 {
        match self {
            Protocol::AnthropicMessages => 529,
            Protocol::OpenAiChat
            | Protocol::OpenAiResponses
            | Protocol::Gemini
            | Protocol::Bedrock
            | Protocol::Ollama => 503,
        }
    }

    /// Of every reply, good or bad.
    pub fn headers(self, seen: &Seen, number: usize, status: u16) -> Vec<(&'static str, String)> {
        match self {
            Protocol::OpenAiChat | Protocol::OpenAiResponses => openai::headers(seen, number, status),
            Protocol::AnthropicMessages => anthropic::headers(number, status),
            Protocol::Gemini => gemini::headers(),
            Protocol::Bedrock => bedrock::headers(number),
            Protocol::Ollama => Vec::new(),
        }
    }

    /// The content type of a streamed reply.
    pub fn stream_type(self, seen: &Seen) -> &'static str {
        match self {
            Protocol::OpenAiChat | Protocol::OpenAiResponses | Protocol::AnthropicMessages => SSE,
            Protocol::Gemini => gemini::stream_type(seen),
            Protocol::Bedrock => "application/vnd.amazon.eventstream",
            Protocol::Ollama => "application/x-ndjson",
        }
    }

    /// The error that may come after a 200.
    pub fn error_event(self, seen: &Seen, sent: Sent, number: usize) -> Bytes {
        match self.of(seen) {
            Protocol::OpenAiChat => openai::error_event().into(),
            Protocol::OpenAiResponses => responses::error_event(&seen.model, sent, number).into(),
            Protocol::AnthropicMessages => anthropic::error_event().into(),
            Protocol::Gemini => gemini::error_event(seen, sent).into(),
            Protocol::Bedrock => bedrock::error_event(),
            Protocol::Ollama => ollama::error_event().into(),
        }
    }

    /// What says in a stream that it goes on, where the protocol has something for it.
    pub fn ping(self) -> Option<Bytes> {
        match self {
            Protocol::AnthropicMessages => Some("event: ping\ndata: {\"type\": \"ping\"}\n\n".into()),
            Protocol::OpenAiChat | Protocol::OpenAiResponses | Protocol::Gemini => Some(": ping\n\n".into()),
            Protocol::Bedrock | Protocol::Ollama => None,
        }
    }

    /// A stream that is none.
    pub fn garbage(self) -> Bytes {
        match self {
            Protocol::OpenAiChat | Protocol::OpenAiResponses | Protocol::AnthropicMessages | Protocol::Gemini => {
                GARBAGE_EVENTS.into()
            }
            Protocol::Bedrock => bedrock::garbage(),
            Protocol::Ollama => "{\"what\": [\n}\n".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for (protocol, name) in NAMES {
            assert_eq!((name.parse(), protocol.to_string().as_str()), (Ok(*protocol), *name));
        }
        assert!("openai".parse::<Protocol>().is_err_and(|text| text.contains("bedrock, ollama")));
    }

    #[test]
    fn models_are_named_in_paths_too() {
        let body = serde_json::json!({ "model": "in-body" });
        for (protocol, path, model) in [
            (Protocol::OpenAiChat, "/v1/chat/completions", "in-body"),
            (Protocol::OpenAiChat, "/openai/deployments/my%20one/chat/completions?api-version=2024-10-21", "my one"),
            (Protocol::OpenAiChat, "/openai/v1/chat/completions", "in-body"),
            (Protocol::Gemini, "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse", "gemini-2.5-pro"),
            (Protocol::Gemini, "/v1beta/models/fault%2F429%3A7:generateContent", "fault/429:7"),
            (
                Protocol::Gemini,
                "/v1/projects/p/locations/global/publishers/google/models/gemini-3-pro:countTokens",
                "gemini-3-pro",
            ),
            (
                Protocol::Gemini,
                "/v1/projects/p/locations/global/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict",
                "claude-sonnet-4-5@20250929",
            ),
            (
                Protocol::Gemini,
                "/v1/projects/p/locations/global/publishers/anthropic/models/count-tokens:rawPredict",
                "in-body",
            ),
            (
                Protocol::Bedrock,
                "/model/us.anthropic.claude-sonnet-4-v1%3A0/converse",
                "us.anthropic.claude-sonnet-4-v1:0",
            ),
            (Protocol::Ollama, "/api/chat", "in-body"),
        ] {
            assert_eq!(protocol.model(path, &body), model, "{path}");
        }
    }
}
