//! A request of another protocol, said as a `generateContent` or `countTokens` body.

mod config;
mod content;
pub mod embeddings;
mod messages;
mod results;
mod schema;
mod subset;
mod thinking;
mod tools;

use crate::read::tools::HOSTED;
use crate::settings::{Settings, bare};
use crate::{COUNT_TOKENS, PROTOCOL};
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{Extra, Request};
use pointsman_sdk::codec::provider::{ModelFacts, ReasoningForm};
use pointsman_sdk::extras::top_k;
use pointsman_sdk::names::Names;
use serde_json::{Map, Value, json};

/// The body, and the names of the fields that it cannot say.
pub fn body(
    settings: &Settings,
    operation: &str,
    request: &Request,
    facts: &ModelFacts,
) -> Result<(Vec<u8>, Vec<String>), Fault> {
    let mut dropped = Dropped::new(&request.protocol);
    let mut body = Map::new();
    let said = messages::split(request, facts, &mut dropped)?;
    if !said.system.is_empty() {
        body.insert("systemInstruction".into(), json!({ "parts": said.system }));
    }
    body.insert("contents".into(), said.contents.into());
    tools::insert(&mut body, settings.schema, request, &mut dropped)?;
    if operation == COUNT_TOKENS {
        return Ok((count_tokens(settings, &request.model, body), dropped.names.into_list()));
    }
    dropped.add_if(request.user.is_some(), "user");
    let config = config::generation(settings.schema, request, facts, &mut dropped)?;
    if !config.is_empty() {
        body.insert("generationConfig".into(), config.into());
    }
    let cannot_think = facts.reasoning == Some(ReasoningForm::None);
    let (of_thinking, others): (Vec<_>, Vec<_>) = request
        .extras
        .iter()
        .partition(|extra| cannot_think && extra.name.starts_with("generationConfig.thinkingConfig."));
    for extra in others {
        let foreign = !dropped.speaks_gemini && facts.sampling != Some(false);
        match top_k(&request.protocol, extra).filter(|_| foreign) {
            Some(top_k) => drop(put(&mut body, "generationConfig.topK", top_k.into())),
            None if dropped.speaks_gemini && extra.name.starts_with(HOSTED) => {}
            None => put_back([extra], &mut body, &mut dropped),
        }
    }
    of_thinking.iter().for_each(|extra| dropped.add(&extra.name));
    Ok((Value::Object(body).to_string().into_bytes(), dropped.names.into_list()))
}

/// The same conversation, to be counted: <https://ai.google.dev/api/tokens>. Vertex takes it bare, AI Studio inside a
/// `generateContentRequest`.
fn count_tokens(settings: &Settings, model: &str, mut body: Map<String, Value>) -> Vec<u8> {
    if settings.is_vertex() {
        body.remove("toolConfig");
        return Value::Object(body).to_string().into_bytes();
    }
    body.insert("model".into(), format!("models/{}", bare(model)).into());
    json!({ "generateContentRequest": body }).to_string().into_bytes()
}

/// Fields that only Gemini knows, from a caller who speaks to it: such a request comes here when its history holds what
/// another provider sealed.
fn put_back<'a>(extras: impl IntoIterator<Item = &'a Extra>, body: &mut Map<String, Value>, dropped: &mut Dropped) {
    for extra in extras {
        let is_put = dropped.own(extra).is_some_and(|value| put(body, &extra.name, value));
        dropped.add_if(!is_put, &extra.name);
    }
}

/// At a path such as `generationConfig.topK`. What stands there already stays, and the answer is false.
fn put(object: &mut Map<String, Value>, path: &str, value: Value) -> bool {
    match path.split_once('.') {
        Some((outer, inner)) => match object.entry(outer).or_insert_with(|| json!({})) {
            Value::Object(object) => put(object, inner, value),
            _ => false,
        },
        None if object.contains_key(path) => false,
        None => object.insert(path.to_owned(), value).is_none(),
    }
}

/// Names of request fields that this protocol cannot say, each once.
pub struct Dropped {
    names: Names,
    /// The caller speaks this protocol, so that its extras can be put back, and what it said is believed.
    speaks_gemini: bool,
}

impl Dropped {
    fn new(protocol: &str) -> Dropped {
        Dropped { names: Names::default(), speaks_gemini: protocol == PROTOCOL }
    }

    pub fn add(&mut self, name: &str) {
        self.names.add(name);
    }

    pub fn add_if(&mut self, dropped: bool, name: &str) {
        if dropped {
            self.add(name);
        }
    }

    /// The extras of a part, tool or message: put back into `wire`, or dropped.
    pub fn extras(&mut self, extras: &[Extra], wire: &mut Value) {
        match wire {
            Value::Object(wire) => put_back(extras, wire, self),
            _ => extras.iter().for_each(|extra| self.add(&extra.name)),
        }
    }

    fn own(&self, extra: &Extra) -> Option<Value> {
        if self.speaks_gemini { serde_json::from_str(&extra.value).ok() } else { None }
    }
}
