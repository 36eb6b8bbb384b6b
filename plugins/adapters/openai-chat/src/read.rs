//! The body of a caller's `POST /v1/chat/completions` -> a conversation that any provider may get.

mod content;
pub mod embeddings;
mod messages;
mod tools;

use crate::write;
use pointsman_sdk::codec::chat::{Extra, Request};
use pointsman_sdk::codec::client_protocol::Reading;
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use pointsman_sdk::freeform;
use pointsman_sdk::json::{self, Fields, wrong};
use serde_json::{Map, Value};

const EFFORTS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

pub fn body(body: &[u8]) -> Result<Reading, Fault> {
    let mut top = Fields::parse(body)?;
    refuse_what_others_cannot_do(&mut top)?;
    let stream = top.bool("stream")?.unwrap_or(false);
    let mut left = Vec::new();
    let include_usage = match top.object("stream_options")? {
        Some(mut options) => {
            let include_usage = options.bool("include_usage")?.unwrap_or(false);
            left.extend(left_of("stream_options", options));
            include_usage
        }
        None => false,
    };
    // Both are read, so that neither is left over: the newer name of two wins.
    let (max_tokens, max_completion_tokens) = (top.u32("max_tokens")?, top.u32("max_completion_tokens")?);
    let (user, safety_identifier) = (top.optional_string("user")?, top.optional_string("safety_identifier")?);
    if let (Some(user), Some(_)) = (&user, &safety_identifier) {
        left.push(Extra { name: "user".into(), value: Value::from(user.as_str()).to_string() });
    }
    let mut tools = tools::list(&mut top)?;
    let tool_choice = tools::choice(&mut top, &mut tools)?;
    let mut request = Request {
        model: top.string("model")?,
        protocol: crate::PROTOCOL.into(),
        messages: messages::read(&mut top)?,
        tools,
        tool_choice,
        parallel_tool_calls: top.bool("parallel_tool_calls")?,
        output: tools::output(&mut top)?,
        max_output_tokens: max_completion_tokens.or(max_tokens),
        temperature: temperature(&mut top)?,
        top_p: top.f64("top_p")?,
        stop: stops(&mut top)?,
        seed: top.i64("seed")?,
        reasoning_effort: effort(&mut top)?,
        reasoning_budget_tokens: None,
        stream,
        user: safety_identifier.or(user),
        extras: top.rest(),
    };
    request.extras.append(&mut left);
    let custom = request.tools.iter().filter(|tool| freeform::is_marked(&tool.extras));
    let memory = write::first_memory(include_usage, custom.map(|tool| tool.name.clone()).collect());
    Ok(Reading { request, memory })
}

/// Fields whose loss would change what the answer is or how it looks. Their harmless values are taken and forgotten.
fn refuse_what_others_cannot_do(top: &mut Fields) -> Result<(), Fault> {
    if top.u32("n")?.is_some_and(|n| n != 1) {
        return Err(unsupported("n", "other providers give one answer"));
    }
    if top.bool("logprobs")?.unwrap_or(false) {
        return Err(unsupported("logprobs", "other providers do not tell log probabilities"));
    }
    if top.u32("top_logprobs")?.is_some_and(|count| count > 0) {
        return Err(unsupported("top_logprobs", "other providers do not tell log probabilities"));
    }
    if top.array("modalities")?.iter().any(|(_, modality)| modality != "text") {
        return Err(unsupported("modalities", "other providers answer in text only"));
    }
    if top.object("logit_bias")?.is_some_and(|bias| !bias.rest().is_empty()) {
        return Err(unsupported("logit_bias", "tokens have other numbers at other providers"));
    }
    for name in ["audio", "prediction", "web_search_options"] {
        if top.take(name).is_some() {
            return Err(unsupported(name, format!("only OpenAI serves `{name}`")));
        }
    }
    for name in ["functions", "function_call"] {
        if top.take(name).is_some() {
            return Err(unsupported(name, format!("`{name}` is obsolete: use `tools` and `tool_choice`")));
        }
    }
    Ok(())
}

fn temperature(top: &mut Fields) -> Result<Option<f64>, Fault> {
    let temperature = top.f64("temperature")?;
    match temperature {
        Some(number) if !(0.0..=2.0).contains(&number) => Err(wrong("temperature", "from 0 to 2")),
        _ => Ok(temperature),
    }
}

fn stops(top: &mut Fields) -> Result<Vec<String>, Fault> {
    match top.take("stop") {
        None => Ok(Vec::new()),
        Some(Value::String(stop)) => Ok(vec![stop]),
        Some(Value::Array(items)) => {
            let items = json::items("stop", Value::Array(items))?;
            items.into_iter().map(|(at, item)| json::string(at, item)).collect()
        }
        Some(_) => Err(wrong("stop", "a string or an array of strings")),
    }
}

fn effort(top: &mut Fields) -> Result<Option<String>, Fault> {
    let effort = top.optional_string("reasoning_effort")?;
    match &effort {
        Some(level) if !EFFORTS.contains(&level.as_str()) => {
            Err(wrong("reasoning_effort", &format!("one of {}", EFFORTS.join(", "))))
        }
        _ => Ok(effort),
    }
}

/// What nobody took of an object inside another, as one extra of its name.
fn left_of(name: &str, inner: Fields) -> Option<Extra> {
    let fields =
        inner.rest().into_iter().filter_map(|Extra { name, value }| Some((name, serde_json::from_str(&value).ok()?)));
    let fields: Map<String, Value> = fields.collect();
    (!fields.is_empty()).then(|| Extra { name: name.into(), value: Value::Object(fields).to_string() })
}

fn unsupported(field: impl Into<String>, message: impl Into<String>) -> Fault {
    fault_at(FaultKind::Unsupported, field, message)
}
