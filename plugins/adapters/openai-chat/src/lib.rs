//! OpenAI's Chat Completions, as spoken by OpenAI and by the many servers that copy it: vLLM, llama.cpp, Azure, Ollama
//! and others.
//!
//! Towards providers: `encode`, `decode`, `classify`. Towards callers: `read`, `write`. What becomes of each request
//! field is in the README beside this crate.

mod call;
mod classify;
mod decode;
mod encode;
mod ids;
mod read;
mod settings;
mod write;

#[cfg(test)]
mod tests;

use pointsman_sdk::codec::chat::{Event, Request};
use pointsman_sdk::codec::client_protocol::{self, Endpoint, HttpReply, Reading, Streaming, Written};
use pointsman_sdk::codec::provider::{self, Call, Decoded, Encoded, Frame, ModelFacts, ReplyHead};
use pointsman_sdk::codec::{ClientProtocol, Fault, FaultKind, Provider, fault_at};
use settings::Settings;

const PROTOCOL: &str = "openai-chat";
const CHAT: &str = "chat";
const EMBEDDINGS: &str = "embeddings";

/// The component. Public so that native tests can call it.
pub struct Codec;

impl Provider for Codec {
    fn describe(settings: String) -> Result<provider::Description, String> {
        let settings = Settings::parse(&settings)?;
        Ok(provider::Description {
            protocol: PROTOCOL.into(),
            operations: names(&[CHAT, EMBEDDINGS]),
            default_base_url: call::default_base_url(&settings),
            auth: vec![call::auth(&settings)],
            forwarded_headers: names(&[
                "openai-organization",
                "openai-project",
                "openai-beta",
                "idempotency-key",
                "user-agent",
                "x-stainless-*",
            ]),
            returned_headers: names(&[
                "x-request-id",
                "x-ratelimit-*",
                "x-should-retry",
                "openai-*",
                "retry-after",
                "retry-after-ms",
                // Azure's.
                "apim-request-id",
                "x-ms-region",
            ]),
            forwarded_query: Vec::new(),
            reply_model: names(&["model"]),
            foreign_marks: foreign_marks(&settings),
            rate_limits: ["requests", "tokens"]
                .map(|what| provider::RateLimit {
                    limit: format!("x-ratelimit-limit-{what}"),
                    remaining: format!("x-ratelimit-remaining-{what}"),
                    reset: format!("x-ratelimit-reset-{what}"),
                })
                .into(),
        })
    }

    fn encode(settings: String, operation: String, request: Request, model: ModelFacts) -> Result<Encoded, Fault> {
        let settings = loaded(&settings)?;
        let call = call::call(&settings, &operation, &request.model, request.stream)?;
        let (body, dropped) = match operation.as_str() {
            EMBEDDINGS => encode::embeddings::body(request)?,
            _ => encode::body(&settings, &model, request)?,
        };
        Ok(Encoded { call, body, dropped })
    }

    fn forward(settings: String, operation: String, model: String, stream: bool) -> Result<Call, Fault> {
        call::call(&loaded(&settings)?, &operation, &model, stream)
    }

    fn classify(_operation: String, head: ReplyHead, body: Vec<u8>) -> Fault {
        classify::reply(&head, &body)
    }

    fn decode(operation: String, stream: bool, memory: Vec<u8>, frames: Vec<Frame>, ended: bool) -> Decoded {
        match operation.as_str() {
            EMBEDDINGS => decode::embeddings(&memory, &frames, ended),
            _ => decode::fold(stream, &memory, &frames, ended),
        }
    }
}

impl ClientProtocol for Codec {
    fn describe() -> client_protocol::Description {
        let chat = Endpoint {
            method: "POST".into(),
            path: "/v1/chat/completions".into(),
            operation: CHAT.into(),
            model_field: "model".into(),
            stream: Streaming::Field("stream".into()),
            events_query: String::new(),
            pinning_fields: Vec::new(),
            conversation_fields: names(&["prompt_cache_key", "safety_identifier", "user"]),
            turns_field: "messages".into(),
        };
        let embeddings = Endpoint {
            path: "/v1/embeddings".into(),
            operation: EMBEDDINGS.into(),
            stream: Streaming::Never,
            turns_field: String::new(),
            ..chat.clone()
        };
        let endpoints = vec![chat, embeddings];
        client_protocol::Description { protocol: PROTOCOL.into(), read_headers: Vec::new(), comments: true, endpoints }
    }

    fn read(operation: String, _headers: Vec<client_protocol::Header>, body: Vec<u8>) -> Result<Reading, Fault> {
        match operation.as_str() {
            EMBEDDINGS => read::embeddings::body(&body),
            _ => read::body(&body),
        }
    }

    fn write(operation: String, stream: bool, memory: Vec<u8>, events: Vec<Event>, ended: bool) -> Written {
        match operation.as_str() {
            EMBEDDINGS => write::embeddings::fold(&memory, events),
            _ => write::fold(stream, &memory, events, ended),
        }
    }

    fn refuse(_operation: String, fault: Fault) -> HttpReply {
        write::refuse(&fault)
    }
}

/// `describe` checked them when the configuration was loaded.
fn loaded(settings: &str) -> Result<Settings, Fault> {
    Settings::parse(settings).map_err(|why| fault_at(FaultKind::AdapterFailed, "settings", why))
}

/// Thoughts, as other servers of this protocol give them and OpenAI refuses them: unless the server is known to want them.
fn foreign_marks(settings: &Settings) -> Vec<String> {
    match settings.reasoning_field {
        Some(_) => Vec::new(),
        None => names(&["\"reasoning_content\""]),
    }
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| name.to_string()).collect()
}

pointsman_sdk::codec!(Codec);
