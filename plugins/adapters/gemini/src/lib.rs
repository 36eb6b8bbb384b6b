//! Google's Gemini API (`generateContent`), spoken to providers and to callers. One file for each direction: `encode`
//! and `decode` face the provider, `read` and `write` face the caller, `classify` and `refuse` are the two sides of
//! errors.

mod arguments;
mod classify;
mod decode;
mod encode;
mod names;
mod read;
mod refuse;
mod settings;
mod signature;
mod usage;
mod write;

#[cfg(test)]
mod tests;

use pointsman_sdk::codec::chat::{Event, Request};
use pointsman_sdk::codec::client_protocol::{Endpoint, Streaming};
use pointsman_sdk::codec::provider::{Call, Decoded, Encoded, Frame, ModelFacts, ReplyHead};
use pointsman_sdk::codec::{ClientProtocol, Fault, FaultKind, Provider, client_protocol, fault, provider};
use settings::Settings;

const PROTOCOL: &str = "gemini";

/// Operations of the contract: see `provider.description.operations`.
const COUNT_TOKENS: &str = "count-tokens";
const EMBEDDINGS: &str = "embeddings";
/// Vectors as this protocol's callers ask AI Studio for them: they go through, and to no other provider.
const EMBED_CONTENT: &str = "embed-content";
const BATCH_EMBED_CONTENTS: &str = "batch-embed-contents";

/// The extra of a caller of this protocol who wants to see thoughts although none are asked for, or the other way.
const INCLUDE_THOUGHTS: &str = "generationConfig.thinkingConfig.includeThoughts";

/// The codec of the protocol `gemini`.
pub struct Codec;

impl Provider for Codec {
    fn describe(settings: String) -> Result<provider::Description, String> {
        let settings = Settings::parse(&settings)?;
        Ok(provider::Description {
            protocol: PROTOCOL.into(),
            operations: settings.operations(),
            default_base_url: Some(settings.base_url()),
            auth: settings.auth(),
            forwarded_headers: words("x-goog-api-client user-agent"),
            // `alt` and `key` are the adapter's and the host's to set.
            forwarded_query: Vec::new(),
            returned_headers: words("server-timing x-gemini-service-tier"),
            reply_model: words("modelVersion"),
            foreign_marks: vec!["\"cG9pbnRzbWFu".into()],
            // Google tells no limits in headers.
            rate_limits: Vec::new(),
        })
    }

    fn encode(settings: String, operation: String, request: Request, model: ModelFacts) -> Result<Encoded, Fault> {
        let settings = parsed(&settings)?;
        let call = settings.call(&operation, &request.model, request.stream);
        let (body, dropped) = match operation.as_str() {
            EMBEDDINGS => encode::embeddings::body(&settings, &request)?,
            EMBED_CONTENT | BATCH_EMBED_CONTENTS => {
                return Err(fault(FaultKind::Unsupported, "vectors for this protocol's callers are only passed on"));
            }
            _ => encode::body(&settings, &operation, &request, &model)?,
        };
        Ok(Encoded { call, body, dropped })
    }

    fn forward(settings: String, operation: String, model: String, stream: bool) -> Result<Call, Fault> {
        Ok(parsed(&settings)?.call(&operation, &model, stream))
    }

    fn classify(_operation: String, head: ReplyHead, body: Vec<u8>) -> Fault {
        classify::reply(&head, &body)
    }

    fn decode(operation: String, _stream: bool, memory: Vec<u8>, frames: Vec<Frame>, ended: bool) -> Decoded {
        decode::frames(&operation, &memory, &frames, ended)
    }
}

impl ClientProtocol for Codec {
    fn describe() -> client_protocol::Description {
        let methods = [
            ("generateContent", "chat", Streaming::Never),
            ("streamGenerateContent", "chat", Streaming::Always),
            ("countTokens", COUNT_TOKENS, Streaming::Never),
            ("embedContent", EMBED_CONTENT, Streaming::Never),
            ("batchEmbedContents", BATCH_EMBED_CONTENTS, Streaming::Never),
        ];
        let endpoints = ["v1beta", "v1"].iter().flat_map(|version| {
            methods.iter().map(move |(method, operation, stream)| Endpoint {
                method: "POST".into(),
                path: format!("/{version}/models/{{model}}:{method}"),
                operation: (*operation).into(),
                model_field: String::new(),
                stream: stream.clone(),
                events_query: "alt=sse".into(),
                pinning_fields: words("cachedContent cached_content"),
                conversation_fields: Vec::new(),
                turns_field: "contents".into(),
            })
        });
        let endpoints = endpoints.collect();
        client_protocol::Description { protocol: PROTOCOL.into(), read_headers: Vec::new(), comments: false, endpoints }
    }

    fn read(
        operation: String,
        _headers: Vec<client_protocol::Header>,
        body: Vec<u8>,
    ) -> Result<client_protocol::Reading, Fault> {
        if matches!(operation.as_str(), EMBED_CONTENT | BATCH_EMBED_CONTENTS) {
            return Err(fault(FaultKind::Unsupported, "only a provider of this protocol can serve this request"));
        }
        let (request, thoughts_wanted) = read::request(&operation, &body)?;
        Ok(client_protocol::Reading { request, memory: write::beginning(thoughts_wanted) })
    }

    fn write(
        operation: String,
        stream: bool,
        memory: Vec<u8>,
        events: Vec<Event>,
        _ended: bool,
    ) -> client_protocol::Written {
        write::events(&operation, stream, &memory, events)
    }

    fn refuse(_operation: String, fault: Fault) -> client_protocol::HttpReply {
        refuse::reply(&fault)
    }
}

/// Settings that `describe` has accepted before.
fn parsed(settings: &str) -> Result<Settings, Fault> {
    Settings::parse(settings).map_err(|why| fault(FaultKind::AdapterFailed, format!("the provider's settings: {why}")))
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

pointsman_sdk::codec!(Codec);
