//! OpenAI's Chat Completions, as spoken by OpenAI and by the many servers that copy it: vLLM, llama.cpp, Azure, Ollama
//! and others.
//!
//! Towards providers: `encode`, `decode`, `classify`. Towards callers: `read`, `write`. What becomes of each request
//! field is in the README beside this crate.

mod classify;
mod decode;
mod encode;
mod ids;
mod read;
mod write;

#[cfg(test)]
mod tests;

use pointsman_sdk::codec::chat::{Event, Request};
use pointsman_sdk::codec::client_protocol::{self, Endpoint, HttpReply, Reading, Written};
use pointsman_sdk::codec::provider::{self, Auth, Call, Decoded, Encoded, Frame, Framing, HeaderAuth, ReplyHead};
use pointsman_sdk::codec::{ClientProtocol, Fault, FaultKind, Provider, fault};

const PROTOCOL: &str = "openai-chat";
const CHAT: &str = "chat";

/// The component. Public so that native tests can call it.
pub struct Codec;

impl Provider for Codec {
    fn describe() -> provider::Description {
        provider::Description {
            protocol: PROTOCOL.into(),
            operations: vec![CHAT.into()],
            default_base_url: Some("https://api.openai.com/v1".into()),
            auth: Auth::Header(HeaderAuth { name: "authorization".into(), prefix: "Bearer ".into() }),
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
            ]),
            reply_model: names(&["model"]),
        }
    }

    fn encode(settings: String, operation: String, request: Request) -> Result<Encoded, Fault> {
        let settings = encode::Settings::parse(&settings)?;
        let call = call(&operation, request.stream)?;
        let (body, dropped) = encode::body(&settings, request)?;
        Ok(Encoded { call, body, dropped })
    }

    fn forward(settings: String, operation: String, _model: String, stream: bool) -> Result<Call, Fault> {
        encode::Settings::parse(&settings)?;
        call(&operation, stream)
    }

    fn classify(_operation: String, head: ReplyHead, body: Vec<u8>) -> Fault {
        classify::reply(&head, &body)
    }

    fn decode(_operation: String, stream: bool, memory: Vec<u8>, frames: Vec<Frame>, ended: bool) -> Decoded {
        decode::fold(stream, &memory, &frames, ended)
    }
}

impl ClientProtocol for Codec {
    fn describe() -> client_protocol::Description {
        let chat = Endpoint {
            method: "POST".into(),
            path: "/v1/chat/completions".into(),
            operation: CHAT.into(),
            model_field: "model".into(),
            stream_field: "stream".into(),
        };
        client_protocol::Description { protocol: PROTOCOL.into(), endpoints: vec![chat] }
    }

    fn read(_operation: String, _headers: Vec<client_protocol::Header>, body: Vec<u8>) -> Result<Reading, Fault> {
        read::body(&body)
    }

    fn write(_operation: String, stream: bool, memory: Vec<u8>, events: Vec<Event>, ended: bool) -> Written {
        write::fold(stream, &memory, events, ended)
    }

    fn refuse(_operation: String, fault: Fault) -> HttpReply {
        write::refuse(&fault)
    }
}

/// The base URL ends in `/v1`, as in every client of this API.
fn call(operation: &str, stream: bool) -> Result<Call, Fault> {
    if operation != CHAT {
        return Err(fault(FaultKind::Unsupported, format!("openai-chat has no operation `{operation}`, only `chat`")));
    }
    Ok(Call {
        method: "POST".into(),
        path: "/chat/completions".into(),
        headers: Vec::new(),
        framing: if stream { Framing::Sse } else { Framing::WholeBody },
    })
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| name.to_string()).collect()
}

pointsman_sdk::codec!(Codec);
