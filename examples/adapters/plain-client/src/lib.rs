//! An adapter in Rust: callers who speak `plain`, a made-up protocol, can be answered by a provider of any other.
//!
//! They ask `POST /plain/v1/say` with `{"model", "turns": [{"who", "text"}], "limit", "temperature", "stream"}`. The answer is
//! `{"text": "…", "end": "stop", "tokens": {"in": 3, "out": 2}}`; streamed, an event for each piece of it. When something is
//! wrong, it is `{"error": {"code", "message"}}`.
//!
//! It becomes one file of WebAssembly, which the gateway loads and calls like a function: sockets, keys and limits are the
//! gateway's.

mod reply;

#[cfg(test)]
mod tests;

use pointsman_adapter_sdk::chat::{Event, Message, OutputFormat, Part, Request, Role, Text};
use pointsman_adapter_sdk::client::{
    ClientProtocol, Description, Endpoint, Header, HttpReply, Reading, Streaming, Written,
};
use pointsman_adapter_sdk::json::{Fields, wrong};
use pointsman_adapter_sdk::{Fault, FaultKind, fault_at};

const PROTOCOL: &str = "plain";

pub struct Adapter;

impl ClientProtocol for Adapter {
    /// Where callers ask, and where in a request the gateway finds what it needs before it calls this plugin.
    fn describe() -> Description {
        let say = Endpoint {
            method: "POST".into(),
            path: "/plain/v1/say".into(),
            operation: "chat".into(),
            model_field: "model".into(),
            stream: Streaming::Field("stream".into()),
            events_query: String::new(),
            pinning_fields: Vec::new(),
            conversation_fields: Vec::new(),
            turns_field: "turns".into(),
        };
        Description { protocol: PROTOCOL.into(), read_headers: Vec::new(), comments: false, endpoints: vec![say] }
    }

    /// A caller's request in words that no provider owns. Its mistakes are told with the field's name.
    fn read(_operation: String, _headers: Vec<Header>, body: Vec<u8>) -> Result<Reading, Fault> {
        let mut top = Fields::parse(&body)?;
        let mut messages = Vec::new();
        for (at, turn) in top.array("turns")? {
            messages.push(message(Fields::new(at, turn)?)?);
        }
        if messages.is_empty() {
            return Err(wrong("turns", "at least one turn"));
        }
        let request = Request {
            model: top.string("model")?,
            protocol: PROTOCOL.into(),
            messages,
            tools: Vec::new(),
            tool_choice: None,
            parallel_tool_calls: None,
            output: OutputFormat::Text,
            max_output_tokens: top.u32("limit")?,
            temperature: top.f64("temperature")?,
            top_p: None,
            stop: Vec::new(),
            seed: None,
            reasoning_effort: None,
            reasoning_budget_tokens: None,
            stream: top.bool("stream")?.unwrap_or(false),
            user: None,
            extras: Vec::new(),
        };
        match top.rest().first() {
            Some(unknown) => Err(fault_at(FaultKind::InvalidRequest, &unknown.name, "there is no such field")),
            None => Ok(Reading { request, memory: Vec::new() }),
        }
    }

    /// The events of a reply as bytes for the caller, in one call or in many. `memory` is all that is remembered between two.
    fn write(_operation: String, stream: bool, memory: Vec<u8>, events: Vec<Event>, ended: bool) -> Written {
        reply::bytes(stream, &memory, events, ended)
    }

    /// An error before any byte of a reply.
    fn refuse(_operation: String, fault: Fault) -> HttpReply {
        let json = Header { name: "content-type".into(), value: "application/json".into() };
        HttpReply { status: reply::status(fault.kind), headers: vec![json], body: reply::error(&fault).into_bytes() }
    }
}

fn message(mut turn: Fields) -> Result<Message, Fault> {
    let role = match turn.string("who")?.as_str() {
        "system" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        _ => return Err(wrong(turn.at("who"), "system, user or assistant")),
    };
    let text = Part::Text(Text { text: turn.string("text")?, extras: Vec::new() });
    Ok(Message { role, parts: vec![text], extras: Vec::new() })
}

pointsman_adapter_sdk::client!(Adapter);
