//! A conversation -> the body of `POST /chat/completions`. Mostly it comes from another protocol; one from this same
//! protocol gets its extras back.

pub mod embeddings;
mod extras;
mod media;
mod messages;
mod reasoning;
mod replay;
mod tools;

use crate::settings::Settings;
use crate::{PROTOCOL, ids};
use pointsman_sdk::codec::chat::{Extra, Message, Request, Role};
use pointsman_sdk::codec::provider::ModelFacts;
use pointsman_sdk::codec::{Fault, FaultKind, fault, fault_at};
use reasoning::{put_thoughts, takes_thought};
use serde_json::{Map, Value, json};

const STOPS_MAX: usize = 4;
/// Like `temperature`, refused by models that reason.
const PENALTIES: [&str; 2] = ["frequency_penalty", "presence_penalty"];

/// What the target takes, and whether the caller speaks its protocol.
struct Terms<'a> {
    settings: &'a Settings,
    model: &'a ModelFacts,
    is_own: bool,
}

/// The body, and the names of the fields that it does not say.
pub fn body(settings: &Settings, model: &ModelFacts, request: Request) -> Result<(Vec<u8>, Vec<String>), Fault> {
    let terms = &Terms { settings, model, is_own: request.protocol == PROTOCOL };
    let mut dropped = Vec::new();
    let effort = reasoning::effort(terms, &request, &mut dropped)?;
    let (extras, stream) = (request.extras, request.stream);
    let mut body = Body(Map::new());
    body.put("model", Some(request.model));
    body.put("messages", Some(wire_messages(terms, request.messages)?));

    // OpenAI refuses an empty list, and every word about tools where there are none.
    let choice = tools::choice(request.tool_choice, &request.tools, terms.is_own)?;
    if !request.tools.is_empty() {
        body.put("tools", Some(tools::list(terms, request.tools)?));
        body.put("tool_choice", choice);
        body.put("parallel_tool_calls", request.parallel_tool_calls);
    }
    body.put("response_format", tools::response_format(terms, request.output)?);

    let most = model.output_tokens.unwrap_or(u32::MAX);
    body.put(settings.max_tokens_field, request.max_output_tokens.map(|tokens| tokens.min(most)));
    let sampling = settings.sampling && model.sampling != Some(false);
    let temperature = request.temperature.map(|temperature| temperature.clamp(0.0, 2.0));
    body.put_where(sampling, "temperature", temperature, &mut dropped);
    body.put_where(sampling, "top_p", request.top_p, &mut dropped);
    body.put("reasoning_effort", effort);
    body.put("stop", stops(request.stop)?);
    body.put("seed", request.seed);
    // Who gives both has the older name among the extras: see `read`.
    let user_field = if extras.iter().any(|extra| extra.name == "user") { "safety_identifier" } else { "user" };
    body.put(if terms.is_own { user_field } else { "user" }, request.user.map(|user| ids::user(&user)));
    if stream {
        body.put("stream", Some(true));
        // Always asked for: the host counts tokens, whether the caller wants to see them or not.
        body.put("stream_options", settings.stream_usage.then(|| json!({"include_usage": true})));
    }
    let is_kept = |extra: &Extra| terms.is_own && (sampling || !PENALTIES.contains(&extra.name.as_str()));
    let (kept, lost): (Vec<Extra>, Vec<Extra>) = extras.into_iter().partition(is_kept);
    dropped.extend(lost.into_iter().map(|extra| extra.name));
    extras::put_back(&mut body.0, kept);

    let bytes = serde_json::to_vec(&body.0).map_err(|error| fault(FaultKind::AdapterFailed, error.to_string()))?;
    Ok((bytes, dropped))
}

fn wire_messages(terms: &Terms, messages: Vec<Message>) -> Result<Vec<Value>, Fault> {
    if let Some(last) = messages.last()
        && last.role == Role::Assistant
        && terms.model.prefill == Some(false)
    {
        let field = format!("messages[{}]", messages.len() - 1);
        return Err(unsupported(field, "this model does not continue a message of the assistant"));
    }
    let mut said = if terms.is_own { replay::wire(terms, messages)? } else { messages::wire(terms, messages)? };
    if terms.model.mid_system == Some(false) {
        let first = said.iter().position(|message| !is_system(message)).unwrap_or(said.len());
        // The user's turn is the only other place where words are meant for the model.
        for late in said.iter_mut().skip(first).filter(|message| is_system(message)) {
            late["role"] = "user".into();
        }
    }
    Ok(said)
}

fn is_system(message: &Value) -> bool {
    message["role"] == "system"
}

struct Body(Map<String, Value>);

impl Body {
    fn put(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.0.insert(name.into(), value.into());
        }
    }

    /// Puts the value where the server takes it, and else notes that it was dropped.
    fn put_where(&mut self, taken: bool, name: &str, value: Option<impl Into<Value>>, dropped: &mut Vec<String>) {
        if taken {
            self.put(name, value);
        } else if value.is_some() {
            dropped.push(name.into());
        }
    }
}

fn stops(stops: Vec<String>) -> Result<Option<Vec<String>>, Fault> {
    if stops.len() > STOPS_MAX {
        let message = format!("OpenAI takes at most {STOPS_MAX} stop sequences, and these are {}", stops.len());
        return Err(unsupported("stop", message));
    }
    Ok(if stops.is_empty() { None } else { Some(stops) })
}

fn text_part(text: String) -> Value {
    json!({"type": "text", "text": text})
}

/// One text that says nothing else is a plain string, which the oldest servers understand too.
fn content(mut parts: Vec<Value>) -> Value {
    if parts.is_empty() {
        return Value::String(String::new());
    }
    if let [Value::Object(only)] = parts.as_mut_slice()
        && only.len() == 2
        && only.get("type").is_some_and(|kind| kind == "text")
        && let Some(text) = only.remove("text")
    {
        return text;
    }
    Value::Array(parts)
}

fn unsupported(field: impl Into<String>, message: impl Into<String>) -> Fault {
    fault_at(FaultKind::Unsupported, field, message)
}
