//! The body of a caller's `POST /v1/responses` -> a conversation that any provider may get.

mod content;
mod items;
mod tools;

use crate::{PROTOCOL, write};
use pointsman_sdk::codec::chat::{Extra, OutputFormat, Request};
use pointsman_sdk::codec::client_protocol::Reading;
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use pointsman_sdk::json::{self, Fields, wrong};
use serde_json::Value;

const EFFORTS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

pub fn body(body: &[u8]) -> Result<Reading, Fault> {
    let mut top = Fields::parse(body)?;
    refuse_what_others_cannot_do(&mut top)?;
    // Nothing is stored, and the answer says so.
    top.bool("store")?;
    let mut nested = Vec::new();
    // Both are read: the newer name of two wins.
    let (user, safety_identifier) = (top.optional_string("user")?, top.optional_string("safety_identifier")?);
    if let (Some(user), Some(_)) = (&user, &safety_identifier) {
        nested.push(Extra { name: "user".into(), value: Value::from(user.as_str()).to_string() });
    }
    let mut offer = tools::Offer::read(&mut top)?;
    let model = top.string("model")?;
    let messages = items::read(&mut top, &mut offer)?;
    let tool_choice = tools::choice(&mut top, &mut offer)?;
    let mut request = Request {
        model,
        protocol: PROTOCOL.into(),
        messages,
        tools: offer.tools,
        tool_choice,
        parallel_tool_calls: top.bool("parallel_tool_calls")?,
        output: output(&mut top, &mut nested)?,
        max_output_tokens: top.u32("max_output_tokens")?,
        temperature: temperature(&mut top)?,
        top_p: top.f64("top_p")?,
        stop: Vec::new(),
        seed: None,
        reasoning_effort: effort(&mut top, &mut nested)?,
        reasoning_budget_tokens: None,
        stream: top.bool("stream")?.unwrap_or(false),
        user: safety_identifier.or(user),
        extras: Vec::new(),
    };
    include(&mut top, request.reasoning_effort.as_deref(), &mut nested)?;
    request.extras = top.rest();
    request.extras.append(&mut nested);
    request.extras.append(&mut offer.hosted);
    Ok(Reading { request, memory: write::first_memory(body, offer.forms.sorted()) })
}

/// Fields whose loss would change what the answer is or how it looks. Their harmless values are taken and forgotten.
fn refuse_what_others_cannot_do(top: &mut Fields) -> Result<(), Fault> {
    for name in ["previous_response_id", "conversation"] {
        if top.take(name).is_some() {
            return Err(unsupported(name, format!("`{name}` names what only its own provider keeps: send all items")));
        }
    }
    if top.bool("background")?.unwrap_or(false) {
        return Err(unsupported("background", "a reply in the background stays with its own provider"));
    }
    if top.take("prompt").is_some() {
        return Err(unsupported("prompt", "prompts stored at OpenAI do not exist elsewhere"));
    }
    if top.u32("top_logprobs")?.is_some_and(|count| count > 0) {
        return Err(unsupported("top_logprobs", "other providers do not tell log probabilities"));
    }
    Ok(())
}

/// What else the caller wants to be told: only log probabilities would be missed in the answer. Where an effort is asked
/// for, encrypted thoughts come without a word.
fn include(top: &mut Fields, effort: Option<&str>, nested: &mut Vec<Extra>) -> Result<(), Fault> {
    let mut others = Vec::new();
    for (at, item) in top.array("include")? {
        match json::string(at.as_str(), item)?.as_str() {
            "reasoning.encrypted_content" if effort.is_some_and(|effort| effort != "none") => {}
            "message.output_text.logprobs" => {
                return Err(unsupported(at, "other providers do not tell log probabilities"));
            }
            other => others.push(Value::from(other)),
        }
    }
    if !others.is_empty() {
        nested.push(Extra { name: "include".into(), value: Value::from(others).to_string() });
    }
    Ok(())
}

fn output(top: &mut Fields, nested: &mut Vec<Extra>) -> Result<OutputFormat, Fault> {
    let Some(mut text) = top.object("text")? else { return Ok(OutputFormat::Text) };
    let format = tools::format(&mut text)?;
    nested.extend(below("text", text));
    Ok(format)
}

fn effort(top: &mut Fields, nested: &mut Vec<Extra>) -> Result<Option<String>, Fault> {
    let Some(mut reasoning) = top.object("reasoning")? else { return Ok(None) };
    let effort = reasoning.optional_string("effort")?;
    if effort.as_deref().is_some_and(|effort| !EFFORTS.contains(&effort)) {
        return Err(wrong(reasoning.at("effort"), &format!("one of {}", EFFORTS.join(", "))));
    }
    nested.extend(below("reasoning", reasoning));
    Ok(effort)
}

fn temperature(top: &mut Fields) -> Result<Option<f64>, Fault> {
    let temperature = top.f64("temperature")?;
    match temperature {
        Some(number) if !(0.0..=2.0).contains(&number) => Err(wrong("temperature", "from 0 to 2")),
        _ => Ok(temperature),
    }
}

/// What is left of an object: extras such as `reasoning.summary`.
fn below(path: &str, fields: Fields) -> impl Iterator<Item = Extra> {
    fields.rest().into_iter().map(move |extra| Extra { name: format!("{path}.{}", extra.name), ..extra })
}

fn unsupported(field: impl Into<String>, message: impl Into<String>) -> Fault {
    fault_at(FaultKind::Unsupported, field, message)
}
