//! OpenAI's Responses API, spoken to providers and to callers. One file for each direction: `encode` and `decode` face
//! the provider, `read` and `write` face the caller, `classify` and `write/error` are the two sides of errors. What
//! becomes of each request field is in the README beside this crate.

mod classify;
mod client_tools;
mod decode;
mod encode;
mod forms;
mod ids;
mod read;
mod reasoning;
mod settings;
mod write;

#[cfg(test)]
mod tests;

use pointsman_sdk::codec::chat::{Event, Request};
use pointsman_sdk::codec::client_protocol::{self, Endpoint, HttpReply, Reading, Streaming, Written};
use pointsman_sdk::codec::provider::{self, Call, Decoded, Encoded, Frame, Framing, ModelFacts, ReplyHead};
use pointsman_sdk::codec::{ClientProtocol, Fault, FaultKind, Provider, fault};
use settings::Settings;

const PROTOCOL: &str = "openai-responses";
const CHAT: &str = "chat";
const COUNT_TOKENS: &str = "count-tokens";
/// A history is made short, into items that only its provider can read: <https://platform.openai.com/docs/api-reference/responses/compact>.
const COMPACT: &str = "compact";

/// Before the names of a text's extras that stand on the wire at its message, such as `phase`.
const OF_MESSAGE: &str = "message.";

/// The field of a call that names the namespace of its tool, and the extra of a tool that describes it.
const NAMESPACE: &str = "namespace";
/// A tool, and the only name that it has: the search for tools that are not offered yet.
const TOOL_SEARCH: &str = "tool_search";
/// The extra of an empty text that holds an item which only this protocol's provider understands.
const ITEM: &str = "item";
/// The extra of a tool that a search found: this protocol's provider knows it from the item of the search.
const FOUND: &str = "found";

/// The codec of the protocol `openai-responses`.
pub struct Codec;

impl Provider for Codec {
    fn describe(settings: String) -> Result<provider::Description, String> {
        let settings = Settings::parse(&settings)?;
        Ok(provider::Description {
            protocol: PROTOCOL.into(),
            operations: words("chat count-tokens compact"),
            default_base_url: Some("https://api.openai.com/v1".into()),
            auth: vec![settings.auth()],
            forwarded_headers: words(
                "openai-organization openai-project openai-beta idempotency-key user-agent x-stainless-*",
            ),
            forwarded_query: Vec::new(),
            returned_headers: words("x-request-id x-ratelimit-* x-should-retry openai-* retry-after retry-after-ms"),
            reply_model: words("model response.model"),
            foreign_marks: vec!["\"pointsman:".into()],
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
        checked(&settings)?;
        let call = call(&operation, request.stream)?;
        let (body, dropped) = encode::body(&operation, request, &model)?;
        Ok(Encoded { call, body, dropped })
    }

    fn forward(settings: String, operation: String, _model: String, stream: bool) -> Result<Call, Fault> {
        checked(&settings)?;
        call(&operation, stream)
    }

    fn classify(_operation: String, head: ReplyHead, body: Vec<u8>) -> Fault {
        classify::reply(&head, &body)
    }

    fn decode(operation: String, stream: bool, memory: Vec<u8>, frames: Vec<Frame>, ended: bool) -> Decoded {
        decode::fold(&operation, stream, &memory, &frames, ended)
    }
}

impl ClientProtocol for Codec {
    fn describe() -> client_protocol::Description {
        let endpoint = |path: &str, operation: &str, stream| Endpoint {
            method: "POST".into(),
            path: path.into(),
            operation: operation.into(),
            model_field: "model".into(),
            stream,
            events_query: String::new(),
            pinning_fields: words("previous_response_id conversation background"),
            conversation_fields: words("prompt_cache_key safety_identifier user"),
            turns_field: "input".into(),
        };
        let endpoints = vec![
            endpoint("/v1/responses", CHAT, Streaming::Field("stream".into())),
            endpoint("/v1/responses/input_tokens", COUNT_TOKENS, Streaming::Never),
            endpoint("/v1/responses/compact", COMPACT, Streaming::Never),
        ];
        client_protocol::Description { protocol: PROTOCOL.into(), read_headers: Vec::new(), comments: true, endpoints }
    }

    fn read(_operation: String, _headers: Vec<client_protocol::Header>, body: Vec<u8>) -> Result<Reading, Fault> {
        read::body(&body)
    }

    fn write(operation: String, stream: bool, memory: Vec<u8>, events: Vec<Event>, ended: bool) -> Written {
        write::fold(&operation, stream, &memory, events, ended)
    }

    fn refuse(_operation: String, fault: Fault) -> HttpReply {
        write::refuse(&fault)
    }
}

/// The base URL ends in `/v1`, as in every client of this API.
fn call(operation: &str, stream: bool) -> Result<Call, Fault> {
    let (path, framing) = match operation {
        CHAT if stream => ("/responses", Framing::Sse),
        CHAT => ("/responses", Framing::WholeBody),
        COUNT_TOKENS => ("/responses/input_tokens", Framing::WholeBody),
        COMPACT => ("/responses/compact", Framing::WholeBody),
        _ => return Err(fault(FaultKind::Unsupported, format!("{PROTOCOL} has no operation `{operation}`"))),
    };
    Ok(Call { method: "POST".into(), path: path.into(), headers: Vec::new(), framing })
}

fn checked(settings: &str) -> Result<(), Fault> {
    Settings::parse(settings).map(drop).map_err(|why| fault(FaultKind::AdapterFailed, why))
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

pointsman_sdk::codec!(Codec);
