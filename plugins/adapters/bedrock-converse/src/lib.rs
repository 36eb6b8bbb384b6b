//! Amazon Bedrock's Converse API, which speaks for the models of many makers, spoken to providers. `encode` and
//! `decode` are the two directions, `classify` is what errors mean. Shapes are those of botocore's `bedrock-runtime`:
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>.

mod classify;
mod decode;
mod encode;
mod ids;
mod settings;

#[cfg(test)]
mod tests;

use pointsman_adapter_sdk::chat::Request;
use pointsman_adapter_sdk::provider::{
    Auth, AwsSigv4, Call, Decoded, Description, Encoded, Frame, Framing, HeaderAuth, ModelFacts, ReplyHead,
};
use pointsman_adapter_sdk::{Fault, FaultKind, Provider, fault};
use settings::Settings;

/// Operations of the contract: see `provider.description.operations`.
const CHAT: &str = "chat";
const COUNT_TOKENS: &str = "count-tokens";
const EMBEDDINGS: &str = "embeddings";

/// Claude signs its thoughts wherever it runs, and is the only one here that does: so says the contract's `sealed`.
const CLAUDE: &str = "anthropic-messages";

/// The adapter of the protocol `bedrock-converse`.
pub struct Adapter;

impl Provider for Adapter {
    fn describe(settings: String) -> Result<Description, String> {
        let Settings { region } = Settings::parse(&settings)?;
        Ok(Description {
            protocol: "bedrock-converse".into(),
            operations: vec![CHAT.into(), COUNT_TOKENS.into(), EMBEDDINGS.into()],
            default_base_url: Some(format!("https://bedrock-runtime.{region}.amazonaws.com")),
            auth: vec![
                Auth::AwsSigv4(AwsSigv4 { service: "bedrock".into(), region }),
                Auth::Header(HeaderAuth { name: "authorization".into(), prefix: "Bearer ".into() }),
            ],
            forwarded_headers: Vec::new(),
            forwarded_query: Vec::new(),
            returned_headers: vec!["x-amzn-requestid".into()],
            // Replies do not name the model.
            reply_model: Vec::new(),
            foreign_marks: Vec::new(),
            rate_limits: Vec::new(),
        })
    }

    fn encode(settings: String, operation: String, request: Request, model: ModelFacts) -> Result<Encoded, Fault> {
        let call = call(&settings, &operation, &request.model, request.stream)?;
        let (body, dropped) = match operation.as_str() {
            EMBEDDINGS => encode::embeddings::body(&request)?,
            _ => encode::body(&operation, request, &model)?,
        };
        Ok(Encoded { call, body, dropped })
    }

    fn forward(settings: String, operation: String, model: String, stream: bool) -> Result<Call, Fault> {
        call(&settings, &operation, &model, stream)
    }

    fn classify(_operation: String, head: ReplyHead, body: Vec<u8>) -> Fault {
        classify::reply(&head, &body)
    }

    fn decode(operation: String, stream: bool, memory: Vec<u8>, frames: Vec<Frame>, ended: bool) -> Decoded {
        decode::frames(&operation, stream, &memory, &frames, ended)
    }
}

fn call(settings: &str, operation: &str, model: &str, stream: bool) -> Result<Call, Fault> {
    Settings::parse(settings)
        .map_err(|why| fault(FaultKind::AdapterFailed, format!("the provider's settings: {why}")))?;
    let (verb, framing) = match (operation, stream) {
        (CHAT, true) => ("converse-stream", Framing::AwsEventStream),
        (CHAT, false) => ("converse", Framing::WholeBody),
        (COUNT_TOKENS, _) => ("count-tokens", Framing::WholeBody),
        // Converse has no word for them: each model has a body of its own.
        (EMBEDDINGS, _) => ("invoke", Framing::WholeBody),
        _ => {
            let message = format!("this adapter does not know the operation {operation}");
            return Err(fault(FaultKind::Unsupported, message));
        }
    };
    let path = format!("/model/{}/{verb}", ids::path_segment(model));
    Ok(Call { method: "POST".into(), path, headers: Vec::new(), framing })
}

pointsman_adapter_sdk::adapter!(Adapter);
