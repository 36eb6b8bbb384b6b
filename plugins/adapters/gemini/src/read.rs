//! A caller's request, in the contract's words. It comes here only when it cannot go on untouched.

mod calls;
mod config;
mod content;
mod media;
mod schema;
pub mod tools;

use crate::{COUNT_TOKENS, PROTOCOL};
use pointsman_sdk::codec::chat::{Extra, Message, Part, Request, Role};
use pointsman_sdk::codec::{Fault, FaultKind, fault, fault_at};
use pointsman_sdk::json::{self, Fields};
use serde_json::{Map, Value};

/// The request, and whether the caller asked to see thoughts.
pub fn request(operation: &str, body: &[u8]) -> Result<(Request, bool), Fault> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| fault(FaultKind::InvalidRequest, format!("the body is not valid JSON: {error}")))?;
    if !body.is_object() {
        return Err(fault(FaultKind::InvalidRequest, "the body must be a JSON object"));
    }
    let mut top = fields("", body)?;
    if operation == COUNT_TOKENS
        && let Some(whole) = top.take("generateContentRequest")
    {
        top = fields("generateContentRequest", whole)?;
    }
    // It stands in the path; in the body only where a request is counted.
    let model = top.optional_string("model")?.unwrap_or_default();
    unsupported_if_there(&mut top, "cachedContent")?;

    let mut messages = Vec::from_iter(instruction(&mut top)?);
    messages.extend(content::contents(&mut top)?);
    let mut hosted = Vec::new();
    let mut offered = tools::tools(&mut top, &mut hosted)?;
    let (tool_choice, tool_extras) = tools::choice(&mut top, &mut offered)?;
    let config = top.take("generationConfig").map(|value| fields(top.at("generationConfig"), value)).transpose()?;
    let config = config.map_or(Ok(config::Config::default()), config::read)?;
    let mut extras = config.extras;
    extras.extend(tool_extras);
    extras.extend(hosted);
    extras.extend(top.rest());
    let request = Request {
        model,
        protocol: PROTOCOL.into(),
        messages,
        tools: offered,
        tool_choice,
        parallel_tool_calls: None,
        output: config.output,
        max_output_tokens: config.max_output_tokens,
        temperature: config.temperature,
        top_p: config.top_p,
        stop: config.stop,
        seed: config.seed,
        reasoning_effort: config.thinking.effort,
        reasoning_budget_tokens: config.thinking.budget_tokens,
        stream: false,
        user: None,
        extras,
    };
    Ok((request, config.thinking.thoughts_wanted))
}

/// An object whose fields may be written as `camelCase` or as `snake_case`: Google takes both. Errors and extras name
/// them in the first way.
fn fields(path: impl Into<String>, value: Value) -> Result<Fields, Fault> {
    let value = match value {
        Value::Object(map) => Value::Object(map.into_iter().map(|(name, value)| (camel_case(&name), value)).collect()),
        other => other,
    };
    Fields::new(path, value)
}

fn object(parent: &mut Fields, name: &str) -> Result<Option<Fields>, Fault> {
    parent.take(name).map(|value| fields(parent.at(name), value)).transpose()
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

/// `systemInstruction`: a content whose role does not matter. Some callers send its text alone.
fn instruction(top: &mut Fields) -> Result<Option<Message>, Fault> {
    let Some(value) = top.take("systemInstruction") else { return Ok(None) };
    let path = top.at("systemInstruction");
    let value = match value {
        Value::String(text) => text_content(text),
        other => other,
    };
    let mut content = fields(path, value)?;
    content.take("role");
    let mut parts = Vec::new();
    for (path, value) in content.array("parts")? {
        let mut part = fields(path, value)?;
        let text = part.string("text")?;
        if !text.is_empty() {
            parts.push(Part::Text(pointsman_sdk::codec::chat::Text { text, extras: part.rest() }));
        }
    }
    Ok((!parts.is_empty()).then_some(Message { role: Role::System, parts, extras: Vec::new() }))
}

fn text_content(text: String) -> Value {
    let part = Map::from_iter([("text".into(), Value::String(text))]);
    Value::Object(Map::from_iter([("parts".into(), Value::Array(vec![part.into()]))]))
}

fn strings(fields: &mut Fields, name: &str) -> Result<Vec<String>, Fault> {
    fields.array(name)?.into_iter().map(|(path, value)| json::string(path, value)).collect()
}

/// What nobody took of an object, named with the object's name.
fn below(name: &str, fields: Fields) -> impl Iterator<Item = Extra> {
    fields.rest().into_iter().map(move |extra| Extra { name: format!("{name}.{}", extra.name), ..extra })
}

/// A field whose loss would give the caller something else than it asked for.
fn unsupported_if_there(fields: &mut Fields, name: &str) -> Result<(), Fault> {
    match fields.take(name) {
        Some(value) if value != Value::Bool(false) => Err(unsupported(fields.at(name))),
        _ => Ok(()),
    }
}

fn unsupported(path: String) -> Fault {
    let message = format!("{path} is known to Gemini alone, and this request goes elsewhere");
    fault_at(FaultKind::Unsupported, path, message)
}
