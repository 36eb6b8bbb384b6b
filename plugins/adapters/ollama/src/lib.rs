//! Ollama's own chat API, spoken to providers; callers who like Ollama use its OpenAI-shaped API. `encode` and `decode`
//! are the two directions, `classify` is what errors mean. The API: <https://docs.ollama.com/api/chat>.

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

/// The adapter of the protocol `ollama`.
pub struct Adapter;

impl Provider for Adapter {
    fn describe(settings: String) -> Result<Description, String> {
        let settings = Settings::parse(&settings)?;
        let bearer = || Auth::Header(HeaderAuth { name: "authorization".into(), prefix: "Bearer ".into() });
        Ok(Description {
            protocol: PROTOCOL.into(),
            operations: vec!["chat".into()],
            default_base_url: Some("http://127.0.0.1:11434".into()),
            auth: settings.auth.then(bearer).into_iter().collect(),
            forwarded_headers: Vec::new(),
            forwarded_query: Vec::new(),
            returned_headers: vec!["retry-after".into()],
            reply_model: vec!["model".into()],
            foreign_marks: Vec::new(),
        })
    }

    fn encode(settings: String, operation: String, request: Request, model: ModelFacts) -> Result<Encoded, Fault> {
        let settings = checked(&settings, &operation)?;
        let stream = request.stream;
        let (body, dropped) = encode::body(&settings, request, &model)?;
        Ok(Encoded { call: call(stream), body, dropped })
    }

    fn forward(settings: String, operation: String, _model: String, stream: bool) -> Result<Call, Fault> {
        checked(&settings, &operation)?;
        Ok(call(stream))
    }

    fn classify(_operation: String, head: ReplyHead, body: Vec<u8>) -> Fault {
        classify::reply(&head, &body)
    }

    fn decode(_operation: String, _stream: bool, memory: Vec<u8>, frames: Vec<Frame>, ended: bool) -> Decoded {
        decode::frames(&memory, &frames, ended)
    }
}

fn checked(settings: &str, operation: &str) -> Result<Settings, Fault> {
    if operation != "chat" {
        return Err(fault(FaultKind::Unsupported, format!("this adapter does not know the operation {operation}")));
    }
    Settings::parse(settings).map_err(|why| fault(FaultKind::AdapterFailed, format!("the provider's settings: {why}")))
}

fn call(stream: bool) -> Call {
    let framing = if stream { Framing::Ndjson } else { Framing::WholeBody };
    Call { method: "POST".into(), path: "/api/chat".into(), headers: Vec::new(), framing }
}

pointsman_adapter_sdk::adapter!(Adapter);
