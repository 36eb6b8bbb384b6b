//! Anthropic's Messages API, spoken to providers and to callers. One file for each direction: `encode` and `decode`
//! face the provider, `read` and `write` face the caller, `classify` and `refuse` are the two sides of errors, and
//! `platform` knows where Claude runs.

mod classify;
mod client;
mod decode;
mod encode;
mod ids;
mod platform;
mod read;
mod refuse;
mod settings;
mod usage;
mod write;

#[cfg(test)]
mod tests;

use platform::Platform;
use pointsman_sdk::codec::chat::{Event, Request};
use pointsman_sdk::codec::client_protocol::{Endpoint, Streaming};
use pointsman_sdk::codec::provider::{Call, Decoded, Encoded, Frame, ModelFacts, ReplyHead};
use pointsman_sdk::codec::{ClientProtocol, Fault, FaultKind, Provider, client_protocol, fault, provider};
use settings::Settings;

const PROTOCOL: &str = "anthropic-messages";
const COUNT_TOKENS: &str = "count-tokens";
/// A list, which the clouds want as a field of the body.
const BETA_HEADER: &str = "anthropic-beta";
const BETA_FIELD: &str = "anthropic_beta";

/// Before the kind in the name of the extra that holds a content block which only Anthropic knows.
const BLOCK: &str = "block.";
/// The id of the reply that a message thread goes on from: Anthropic keeps what came before it. The SDKs' tool runners use
/// threads without being asked to.
const THREAD: &str = "thread.previous_message_id";
/// The extra of a request that holds Claude Code's attribution line.
const ATTRIBUTION: &str = "system.attribution";

/// The codec of the protocol `anthropic-messages`.
pub struct Codec;

impl Provider for Codec {
    fn describe(settings: String) -> Result<provider::Description, String> {
        Ok(Settings::parse(&settings)?.platform.describe())
    }

    fn encode(settings: String, operation: String, request: Request, model: ModelFacts) -> Result<Encoded, Fault> {
        let settings = checked(&settings)?;
        let (body, dropped) = encode::body(&settings, &operation, &request, &model)?;
        let mut call = settings.platform.call(&operation, &request.model, request.stream);
        call.headers.extend(body.headers);
        Ok(Encoded { call, body: body.bytes, dropped })
    }

    fn forward(settings: String, operation: String, model: String, stream: bool) -> Result<Call, Fault> {
        match checked(&settings)?.platform {
            Platform::Anthropic => Ok(Platform::Anthropic.call(&operation, &model, stream)),
            // No caller speaks their protocols, so that nobody comes here.
            _ => Err(fault(FaultKind::AdapterFailed, "this platform takes no caller's body as it is")),
        }
    }

    fn classify(_operation: String, head: ReplyHead, body: Vec<u8>) -> Fault {
        classify::reply(&head, &body)
    }

    fn decode(operation: String, stream: bool, memory: Vec<u8>, frames: Vec<Frame>, ended: bool) -> Decoded {
        decode::frames(&operation, stream, &memory, &frames, ended)
    }
}

impl ClientProtocol for Codec {
    fn describe() -> client_protocol::Description {
        let endpoint = |path: &str, operation: &str, stream: Streaming| Endpoint {
            method: "POST".into(),
            path: path.into(),
            operation: operation.into(),
            model_field: "model".into(),
            stream,
            events_query: String::new(),
            pinning_fields: vec![THREAD.into()],
            // Claude Code names its session in `metadata.user_id`.
            conversation_fields: vec!["metadata".into()],
            turns_field: "messages".into(),
        };
        let endpoints = vec![
            endpoint("/v1/messages", "chat", Streaming::Field("stream".into())),
            endpoint("/v1/messages/count_tokens", COUNT_TOKENS, Streaming::Never),
        ];
        client_protocol::Description {
            protocol: PROTOCOL.into(),
            read_headers: vec![BETA_HEADER.into()],
            comments: true,
            endpoints,
        }
    }

    fn read(
        operation: String,
        headers: Vec<client_protocol::Header>,
        body: Vec<u8>,
    ) -> Result<client_protocol::Reading, Fault> {
        let (mut request, thinking) = read::request(&operation, &body)?;
        read::betas(&headers, &mut request.extras);
        let memory = write::beginning(thinking.wanted, thinking.budget_tokens.is_some());
        Ok(client_protocol::Reading { request, memory })
    }

    fn write(
        operation: String,
        stream: bool,
        memory: Vec<u8>,
        events: Vec<Event>,
        ended: bool,
    ) -> client_protocol::Written {
        write::events(&operation, stream, &memory, events, ended)
    }

    fn refuse(_operation: String, fault: Fault) -> client_protocol::HttpReply {
        refuse::reply(&fault)
    }
}

fn is_count(operation: &str) -> bool {
    operation == COUNT_TOKENS
}

/// The host has shown the settings to `describe`, so that an error here is nobody's but ours.
fn checked(settings: &str) -> Result<Settings, Fault> {
    Settings::parse(settings).map_err(|why| fault(FaultKind::AdapterFailed, format!("the provider's settings: {why}")))
}

pointsman_sdk::codec!(Codec);
