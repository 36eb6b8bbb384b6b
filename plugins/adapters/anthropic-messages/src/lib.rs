//! Anthropic's Messages API, spoken to providers and to callers. One file for each direction: `encode` and `decode`
//! face the provider, `read` and `write` face the caller, `classify` and `refuse` are the two sides of errors.

mod classify;
mod decode;
mod encode;
mod ids;
mod read;
mod refuse;
mod settings;
mod usage;
mod write;

#[cfg(test)]
mod tests;

use pointsman_sdk::codec::chat::{Event, Request};
use pointsman_sdk::codec::provider::{Auth, Call, Decoded, Encoded, Frame, Framing, HeaderAuth, ReplyHead};
use pointsman_sdk::codec::{ClientProtocol, Fault, Provider, client_protocol, provider};
use settings::Settings;

const PROTOCOL: &str = "anthropic-messages";

/// The last version that takes sampling parameters: `2026-10-21` refuses them even at their default values. A caller of
/// the same protocol brings a version of its own, which the host forwards instead.
const VERSION: &str = "2023-06-01";

/// The codec of the protocol `anthropic-messages`.
pub struct Codec;

impl Provider for Codec {
    fn describe() -> provider::Description {
        provider::Description {
            protocol: PROTOCOL.into(),
            operations: vec!["chat".into()],
            default_base_url: Some("https://api.anthropic.com".into()),
            auth: Auth::Header(HeaderAuth { name: "x-api-key".into(), prefix: String::new() }),
            forwarded_headers: words("anthropic-version anthropic-beta user-agent x-app x-stainless-*"),
            returned_headers: words("request-id anthropic-* retry-after x-should-retry"),
            reply_model: words("model message.model"),
        }
    }

    fn encode(settings: String, _operation: String, request: Request) -> Result<Encoded, Fault> {
        let settings = Settings::parse(&settings)?;
        let stream = request.stream;
        let (body, dropped) = encode::body(&settings, request)?;
        Ok(Encoded { call: call(stream), body, dropped })
    }

    fn forward(settings: String, _operation: String, _model: String, stream: bool) -> Result<Call, Fault> {
        Settings::parse(&settings)?;
        Ok(call(stream))
    }

    fn classify(_operation: String, head: ReplyHead, body: Vec<u8>) -> Fault {
        classify::reply(&head, &body)
    }

    fn decode(_operation: String, stream: bool, memory: Vec<u8>, frames: Vec<Frame>, ended: bool) -> Decoded {
        decode::frames(stream, &memory, &frames, ended)
    }
}

impl ClientProtocol for Codec {
    fn describe() -> client_protocol::Description {
        let endpoint = client_protocol::Endpoint {
            method: "POST".into(),
            path: "/v1/messages".into(),
            operation: "chat".into(),
            model_field: "model".into(),
            stream_field: "stream".into(),
        };
        client_protocol::Description { protocol: PROTOCOL.into(), endpoints: vec![endpoint] }
    }

    fn read(
        _operation: String,
        _headers: Vec<client_protocol::Header>,
        body: Vec<u8>,
    ) -> Result<client_protocol::Reading, Fault> {
        let (request, thinking_wanted) = read::request(&body)?;
        Ok(client_protocol::Reading { request, memory: write::beginning(thinking_wanted) })
    }

    fn write(
        _operation: String,
        stream: bool,
        memory: Vec<u8>,
        events: Vec<Event>,
        ended: bool,
    ) -> client_protocol::Written {
        write::events(stream, &memory, events, ended)
    }

    fn refuse(_operation: String, fault: Fault) -> client_protocol::HttpReply {
        refuse::reply(&fault)
    }
}

fn call(stream: bool) -> Call {
    let version = provider::Header { name: "anthropic-version".into(), value: VERSION.into() };
    let framing = if stream { Framing::Sse } else { Framing::WholeBody };
    Call { method: "POST".into(), path: "/v1/messages".into(), headers: vec![version], framing }
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

pointsman_sdk::codec!(Codec);
