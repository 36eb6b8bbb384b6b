//! An adapter in Rust: a provider whose API is `plain`, a made-up protocol, can answer callers of any other.
//!
//! Asked is `POST /v1/say` with `{"model", "turns": [{"who", "text"}], "limit", "temperature", "stream"}`. The answer is
//! `{"text": "…", "end": "stop", "tokens": {"in": 3, "out": 2}}`; streamed, an event for each piece of it. When something is
//! wrong, it is `{"error": {"code", "message"}}`.
//!
//! It becomes one file of WebAssembly, which the gateway loads and calls like a function: sockets, TLS, keys and timers are
//! the gateway's, and nothing here sees a secret.

mod reply;

#[cfg(test)]
mod tests;

use pointsman_adapter_sdk::chat::{Message, OutputFormat, Part, Request, Role};
use pointsman_adapter_sdk::provider::{
    Auth, Call, Decoded, Description, Encoded, Frame, Framing, HeaderAuth, ModelFacts, ReplyHead,
};
use pointsman_adapter_sdk::{Fault, FaultKind, Provider, fault_at};
use serde_json::{Map, Value, json};

pub struct Adapter;

impl Provider for Adapter {
    /// Once for each provider of the configuration that uses this adapter. A text refuses its `settings`, and is shown to the
    /// operator.
    fn describe(settings: String) -> Result<Description, String> {
        let settings: Map<String, Value> =
            serde_json::from_str(&settings).map_err(|_| "the settings must be a table")?;
        if let Some(name) = settings.keys().next() {
            return Err(format!("there is no setting `{name}`: this adapter has none"));
        }
        Ok(Description {
            protocol: "plain".into(),
            operations: vec!["chat".into()],
            default_base_url: None,
            auth: vec![Auth::Header(HeaderAuth { name: "authorization".into(), prefix: "Bearer ".into() })],
            forwarded_headers: Vec::new(),
            forwarded_query: Vec::new(),
            returned_headers: vec!["retry-after".into()],
            reply_model: Vec::new(),
            foreign_marks: Vec::new(),
            rate_limits: Vec::new(),
        })
    }

    /// A caller's request, in words that no provider owns, as a request of this API. What cannot be said without changing what
    /// is asked for is refused; what changes little is dropped, and the caller is told.
    fn encode(_settings: String, _operation: String, request: Request, model: ModelFacts) -> Result<Encoded, Fault> {
        let impossible = [
            ("tools", !request.tools.is_empty()),
            ("stop", !request.stop.is_empty()),
            ("output", request.output != OutputFormat::Text),
        ];
        if let Some((field, _)) = impossible.into_iter().find(|(_, is_asked_for)| *is_asked_for) {
            return Err(fault_at(FaultKind::Unsupported, field, "this provider knows only plain text"));
        }
        let mut dropped: Vec<String> = request.extras.iter().map(|extra| extra.name.clone()).collect();
        let unsaid = [
            ("top_p", request.top_p.is_some()),
            ("seed", request.seed.is_some()),
            ("reasoning_effort", request.reasoning_effort.is_some()),
            ("reasoning_budget_tokens", request.reasoning_budget_tokens.is_some()),
            ("user", request.user.is_some()),
        ];
        dropped.extend(unsaid.into_iter().filter(|(_, is_said)| *is_said).map(|(name, _)| name.to_owned()));
        let turns = request.messages.iter().enumerate().map(|(at, message)| turn(at, message));
        let turns: Vec<Value> = turns.collect::<Result<_, _>>()?;
        let limit = request.max_output_tokens.map(|limit| limit.min(model.output_tokens.unwrap_or(limit)));
        let mut body = json!({ "model": request.model, "turns": turns, "stream": request.stream });
        if let Some(limit) = limit {
            body["limit"] = limit.into();
        }
        if let Some(temperature) = request.temperature {
            body["temperature"] = temperature.into();
        }
        Ok(Encoded { call: call(request.stream), body: body.to_string().into_bytes(), dropped })
    }

    /// A caller who speaks this protocol, too: its body is forwarded as it is, to here.
    fn forward(_settings: String, _operation: String, _model: String, stream: bool) -> Result<Call, Fault> {
        Ok(call(stream))
    }

    /// What a reply means whose status is not 2xx: policies decide by the kind.
    fn classify(_operation: String, head: ReplyHead, body: Vec<u8>) -> Fault {
        reply::fault_of(head.status, &body)
    }

    /// The pieces of a reply as events, in one call or in many. `memory` is all that is remembered between two calls.
    fn decode(_operation: String, _stream: bool, memory: Vec<u8>, frames: Vec<Frame>, ended: bool) -> Decoded {
        reply::events(&memory, &frames, ended)
    }
}

fn call(stream: bool) -> Call {
    let framing = if stream { Framing::Sse } else { Framing::WholeBody };
    Call { method: "POST".into(), path: "/v1/say".into(), headers: Vec::new(), framing }
}

fn turn(at: usize, message: &Message) -> Result<Value, Fault> {
    let who = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    let mut text = String::new();
    for (position, part) in message.parts.iter().enumerate() {
        match part {
            Part::Text(part) => text.push_str(&part.text),
            // What a model thought before is of use to the model that thought it.
            Part::Reasoning(_) => {}
            Part::Media(_) | Part::ToolCall(_) | Part::ToolResult(_) => {
                let field = format!("messages[{at}].content[{position}]");
                return Err(fault_at(FaultKind::Unsupported, field, "this provider knows only plain text"));
            }
        }
    }
    Ok(json!({ "who": who, "text": text }))
}

pointsman_adapter_sdk::adapter!(Adapter);
