//! Ollama's own chat API, spoken to providers; callers who like Ollama use its OpenAI-shaped API. `encode` and `decode`
//! are the two directions, `classify` is what errors mean. The API: <https://docs.ollama.com/api/chat>, and
//! <https://docs.ollama.com/api/embed> for embeddings.

mod classify;
mod decode;
mod encode;
mod settings;

#[cfg(test)]
mod tests;

use pointsman_adapter_sdk::chat::Request;
use pointsman_adapter_sdk::provider::{
    Auth, Call, Decoded, Description, Encoded, Frame, Framing, HeaderAuth, ModelFacts, ReplyHead,
};
use pointsman_adapter_sdk::{Fault, FaultKind, Provider, fault};
use settings::Settings;

/// Also the maker of what this adapter seals.
const PROTOCOL: &str = "ollama";

/// Operations of the contract: see `provider.description.operations`.
const CHAT: &str = "chat";
const EMBEDDINGS: &str = "embeddings";

/// The adapter of the protocol `ollama`.
pub struct Adapter;

impl Provider for Adapter {
    fn describe(settings: String) -> Result<Description, String> {
        let settings = Settings::parse(&settings)?;
        let bearer = || Auth::Header(HeaderAuth { name: "authorization".into(), prefix: "Bearer ".into() });
        Ok(Description {
            protocol: PROTOCOL.into(),
            operations: vec![CHAT.into(), EMBEDDINGS.into()],
            default_base_url: Some("http://127.0.0.1:11434".into()),
            auth: settings.auth.then(bearer).into_iter().collect(),
            forwarded_headers: Vec::new(),
            forwarded_query: Vec::new(),
            returned_headers: vec!["retry-after".into(), "retry-after-ms".into()],
            reply_model: vec!["model".into()],
            foreign_marks: Vec::new(),
            rate_limits: Vec::new(),
        })
    }

    fn encode(settings: String, operation: String, request: Request, model: ModelFacts) -> Result<Encoded, Fault> {
        let settings = checked(&settings, &operation)?;
        let call = call(&operation, request.stream);
        let (body, dropped) = match operation.as_str() {
            EMBEDDINGS => encode::embeddings::body(&settings, &request)?,
            _ => encode::body(&settings, request, &model)?,
        };
        Ok(Encoded { call, body, dropped })
    }

    fn forward(settings: String, operation: String, _model: String, stream: bool) -> Result<Call, Fault> {
        checked(&settings, &operation)?;
        Ok(call(&operation, stream))
    }

    fn classify(_operation: String, head: ReplyHead, body: Vec<u8>) -> Fault {
        classify::reply(&head, &body)
    }

    fn decode(operation: String, _stream: bool, memory: Vec<u8>, frames: Vec<Frame>, ended: bool) -> Decoded {
        decode::frames(&operation, &memory, &frames, ended)
    }
}

fn checked(settings: &str, operation: &str) -> Result<Settings, Fault> {
    if ![CHAT, EMBEDDINGS].contains(&operation) {
        return Err(fault(FaultKind::Unsupported, format!("this adapter does not know the operation {operation}")));
    }
    Settings::parse(settings).map_err(|why| fault(FaultKind::AdapterFailed, format!("the provider's settings: {why}")))
}

fn call(operation: &str, stream: bool) -> Call {
    let (path, framing) = match (operation, stream) {
        (EMBEDDINGS, _) => ("/api/embed", Framing::WholeBody),
        (_, true) => ("/api/chat", Framing::Ndjson),
        (_, false) => ("/api/chat", Framing::WholeBody),
    };
    Call { method: "POST".into(), path: path.into(), headers: Vec::new(), framing }
}

pointsman_adapter_sdk::adapter!(Adapter);
