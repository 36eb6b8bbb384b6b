//! A request of another protocol, said as a `generateContent` or `countTokens` body.

mod config;
mod content;
mod messages;
mod results;
mod schema;
mod subset;
mod thinking;
mod tools;

use crate::settings::{Settings, bare};
use crate::{COUNT_TOKENS, PROTOCOL};
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{Extra, Request};
use pointsman_sdk::codec::provider::ModelFacts;
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
        return Ok((count_tokens(settings, &request.model, body), dropped.names));
    }
    dropped.add_if(request.user.is_some(), "user");
    let mut config = config::generation(settings.schema, request, facts, &mut dropped)?;
    put_back(&request.extras, &mut body, &mut config, &mut dropped);
    if !config.is_empty() {
        body.insert("generationConfig".into(), config.into());
    }
    Ok((Value::Object(body).to_string().into_bytes(), dropped.names))
}

/// The same conversation, to be counted: <https://ai.google.dev/api/tokens>.
fn count_tokens(settings: &Settings, model: &str, mut body: Map<String, Value>) -> Vec<u8> {
    if settings.counts_bare() {
        body.remove("toolConfig");
        return Value::Object(body).to_string().into_bytes();
    }
    body.insert("model".into(), format!("models/{}", bare(model)).into());
    json!({ "generateContentRequest": body }).to_string().into_bytes()
}

/// Fields that only Gemini knows, from a caller who speaks to it: such a request comes here when its history holds what
/// another provider sealed.
fn put_back(extras: &[Extra], body: &mut Map<String, Value>, config: &mut Map<String, Value>, dropped: &mut Dropped) {
    for extra in extras {
        let (place, name) = match extra.name.split_once('.') {
            Some(("generationConfig", name)) if !name.contains('.') => (&mut *config, name),
            None => (&mut *body, extra.name.as_str()),
            Some(_) => {
                dropped.add(&extra.name);
                continue;
            }
        };
        match dropped.own(extra) {
            Some(value) if !place.contains_key(name) => _ = place.insert(name.to_owned(), value),
            _ => dropped.add(&extra.name),
        }
    }
}

/// Names of request fields that this protocol cannot say, each once.
pub struct Dropped {
    names: Vec<String>,
    /// The caller speaks this protocol, so that its extras can be put back.
    speaks_gemini: bool,
}

impl Dropped {
    fn new(protocol: &str) -> Dropped {
        Dropped { names: Vec::new(), speaks_gemini: protocol == PROTOCOL }
    }

    pub fn add(&mut self, name: &str) {
        if !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_owned());
        }
    }

    pub fn add_if(&mut self, dropped: bool, name: &str) {
        if dropped {
            self.add(name);
        }
    }

    /// The extras of a part, tool or message: put back into `wire`, or dropped.
    pub fn extras(&mut self, extras: &[Extra], wire: &mut Value) {
        for extra in extras {
            match self.own(extra) {
                Some(value) if wire.is_object() => wire[extra.name.as_str()] = value,
                _ => self.add(&extra.name),
            }
        }
    }

    fn own(&self, extra: &Extra) -> Option<Value> {
        if self.speaks_gemini { serde_json::from_str(&extra.value).ok() } else { None }
    }
}
