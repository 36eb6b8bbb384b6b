//! A request of another protocol, said as the body of `/api/chat`.

pub mod embeddings;
mod messages;
mod tools;

use crate::settings::Settings;
use pointsman_adapter_sdk::chat::{Extra, OutputFormat, Request};
use pointsman_adapter_sdk::extras::top_k;
use pointsman_adapter_sdk::names::Names;
use pointsman_adapter_sdk::provider::{ModelFacts, ReasoningForm};
use pointsman_adapter_sdk::{Fault, FaultKind, fault_at};
use serde_json::{Map, Value};

/// Extras that Ollama knows as options under the same name, and the protocol whose callers say them.
const OPTIONS: [(&str, &str); 2] = [("openai-chat", "frequency_penalty"), ("openai-chat", "presence_penalty")];

/// The body, and the names of the fields that it cannot say.
pub fn body(settings: &Settings, request: Request, facts: &ModelFacts) -> Result<(Vec<u8>, Vec<String>), Fault> {
    let mut dropped = Dropped::default();
    let mut body = Map::new();
    body.insert("model".into(), request.model.as_str().into());
    body.insert("messages".into(), messages::wire(&request.messages, facts, &mut dropped)?.into());
    if let Some(tools) = tools::wire(&request, &mut dropped)? {
        body.insert("tools".into(), tools);
    }
    if let Some(format) = format(&request.output)? {
        body.insert("format".into(), format);
    }
    if let Some(think) = think(settings, &request, facts, &mut dropped) {
        body.insert("think".into(), think);
    }
    let options = options(settings, &request, facts, &mut dropped);
    if !options.is_empty() {
        body.insert("options".into(), options.into());
    }
    if let Some(keep_alive) = &settings.keep_alive {
        body.insert("keep_alive".into(), keep_alive.clone());
    }
    dropped.add_if(request.user.is_some(), "user");
    // Always said: Ollama streams unless it is told not to.
    body.insert("stream".into(), request.stream.into());
    Ok((Value::Object(body).to_string().into_bytes(), dropped.0.into_list()))
}

/// Names of request fields that this protocol cannot say, each once.
#[derive(Default)]
pub struct Dropped(Names);

impl Dropped {
    pub fn add(&mut self, name: &str) {
        self.0.add(name);
    }

    pub fn add_if(&mut self, dropped: bool, name: &str) {
        if dropped {
            self.add(name);
        }
    }

    pub fn extras(&mut self, extras: &[Extra]) {
        extras.iter().for_each(|extra| self.add(&extra.name));
    }
}

fn format(output: &OutputFormat) -> Result<Option<Value>, Fault> {
    match output {
        OutputFormat::Text => Ok(None),
        OutputFormat::JsonObject => Ok(Some("json".into())),
        // Name and `strict` go without saying: Ollama holds every answer to its schema.
        OutputFormat::JsonSchema(wanted) => tools::schema(&wanted.schema, "output").map(|schema| Some(schema.into())),
    }
}

/// Nothing said leaves it to the model. A level only where the model is known to want one: others only think or do not.
fn think(settings: &Settings, request: &Request, facts: &ModelFacts, dropped: &mut Dropped) -> Option<Value> {
    let effort = request.reasoning_effort.as_deref();
    if effort == Some("none") {
        // Harmless for models that do not think.
        return Some(false.into());
    }
    let asked = effort.is_some() || request.reasoning_budget_tokens.is_some();
    if !asked || !settings.think || facts.reasoning == Some(ReasoningForm::None) {
        dropped.add_if(effort.is_some(), "reasoning_effort");
        dropped.add_if(request.reasoning_budget_tokens.is_some(), "reasoning_budget_tokens");
        return None;
    }
    dropped.add_if(request.reasoning_budget_tokens.is_some(), "reasoning_budget_tokens");
    let by_level = matches!(facts.reasoning, Some(ReasoningForm::Level | ReasoningForm::Effort))
        || (facts.reasoning.is_none() && request.model.contains("gpt-oss"));
    match effort {
        _ if !by_level => Some(true.into()),
        Some("minimal" | "low") => Some("low".into()),
        Some("high" | "xhigh" | "max") => Some("high".into()),
        _ => Some("medium".into()),
    }
}

fn options(settings: &Settings, request: &Request, facts: &ModelFacts, dropped: &mut Dropped) -> Map<String, Value> {
    let mut options = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            options.insert(name.into(), value);
        }
    };
    put("num_ctx", settings.num_ctx.map(Value::from));
    let limit = request.max_output_tokens.map(|limit| limit.min(facts.output_tokens.unwrap_or(limit)));
    put("num_predict", limit.map(Value::from));
    if facts.sampling == Some(false) {
        dropped.add_if(request.temperature.is_some(), "temperature");
        dropped.add_if(request.top_p.is_some(), "top_p");
    } else {
        put("temperature", request.temperature.map(Value::from));
        put("top_p", request.top_p.map(Value::from));
    }
    put("stop", (!request.stop.is_empty()).then(|| request.stop.clone().into()));
    put("seed", request.seed.map(Value::from));
    for extra in &request.extras {
        if let Some(top_k) = top_k(&request.protocol, extra).filter(|_| facts.sampling != Some(false)) {
            put("top_k", Some(top_k.into()));
            continue;
        }
        let known = OPTIONS.contains(&(request.protocol.as_str(), extra.name.as_str()));
        match serde_json::from_str::<Value>(&extra.value) {
            Ok(value) if known && value.is_number() && facts.sampling != Some(false) => put(&extra.name, Some(value)),
            _ => dropped.add(&extra.name),
        }
    }
    options
}

/// A request that cannot be said here without changing its meaning.
pub fn unsupported(field: &str, message: &str) -> Fault {
    fault_at(FaultKind::Unsupported, field, message)
}
