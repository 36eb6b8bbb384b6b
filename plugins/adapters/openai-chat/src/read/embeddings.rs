//! The body of a caller's `POST /v1/embeddings`: each input is a message with a text.

use crate::write::embeddings;
use pointsman_sdk::codec::chat::{Message, OutputFormat, Part, Request, Role, Text};
use pointsman_sdk::codec::client_protocol::Reading;
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use pointsman_sdk::json::{Fields, items, wrong};
use serde_json::Value;

pub fn body(body: &[u8]) -> Result<Reading, Fault> {
    let mut top = Fields::parse(body)?;
    let base64 = match top.optional_string("encoding_format")?.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(wrong("encoding_format", "`float` or `base64`")),
    };
    let input = match top.required("input")? {
        Value::String(text) => vec![message(text)],
        list => items("input", list)?.into_iter().map(|(at, item)| one(at, item)).collect::<Result<Vec<_>, _>>()?,
    };
    if input.is_empty() {
        return Err(wrong("input", "a string, or a list that is not empty"));
    }
    let request = Request {
        model: top.string("model")?,
        protocol: crate::PROTOCOL.into(),
        messages: input,
        tools: Vec::new(),
        tool_choice: None,
        parallel_tool_calls: None,
        output: OutputFormat::Text,
        max_output_tokens: None,
        temperature: None,
        top_p: None,
        stop: Vec::new(),
        seed: None,
        reasoning_effort: None,
        reasoning_budget_tokens: None,
        stream: false,
        user: top.optional_string("user")?,
        extras: top.rest(),
    };
    let memory = embeddings::first_memory(base64, &request.model);
    Ok(Reading { request, memory })
}

fn one(at: String, item: Value) -> Result<Message, Fault> {
    match item {
        Value::String(text) => Ok(message(text)),
        // Numbers of one model's tokens mean nothing to another.
        Value::Number(_) | Value::Array(_) => {
            let text = format!("{at} holds tokens, which only OpenAI's own models can read");
            Err(fault_at(FaultKind::Unsupported, at, text))
        }
        _ => Err(wrong(at, "a string")),
    }
}

fn message(text: String) -> Message {
    let text = Part::Text(Text { text, extras: Vec::new() });
    Message { role: Role::User, parts: vec![text], extras: Vec::new() }
}
