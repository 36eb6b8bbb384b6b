//! Fields that only the caller's own protocol knows. A caller of this protocol is translated too, when its history holds
//! thoughts of another provider: it must lose nothing by that.

use crate::PROTOCOL;
use pointsman_sdk::codec::chat::Extra;
use serde_json::{Map, Value};

/// Fields of Chat Completions, and what they are called here.
const OF_CHAT: [(&str, &str); 5] = [
    ("verbosity", "text.verbosity"),
    ("service_tier", "service_tier"),
    ("prompt_cache_key", "prompt_cache_key"),
    ("prompt_cache_retention", "prompt_cache_retention"),
    ("metadata", "metadata"),
];

/// Fields of an item's parts that are put back.
const OF_PARTS: [&str; 3] = ["detail", "phase", "prompt_cache_breakpoint"];

/// Names of request fields that are not said, each once.
#[derive(Default)]
pub struct Dropped(Vec<String>);

impl Dropped {
    pub fn add(&mut self, name: &str) {
        if !self.0.iter().any(|known| known == name) {
            self.0.push(name.to_owned());
        }
    }

    pub fn add_if(&mut self, dropped: bool, name: &str) {
        if dropped {
            self.add(name);
        }
    }

    pub fn names(self) -> Vec<String> {
        self.0
    }

    /// Extras of a message, a call, a result or a tool: nothing here says them.
    pub fn extras(&mut self, extras: &[Extra]) {
        extras.iter().for_each(|extra| self.add(&extra.name));
    }

    /// Extras of a text or of media. Those that this protocol knows go into its part.
    pub fn extras_of_part(&mut self, extras: Vec<Extra>, part: &mut Value) {
        for extra in extras {
            match (part.as_object_mut(), serde_json::from_str(&extra.value)) {
                (Some(part), Ok(value)) if OF_PARTS.contains(&extra.name.as_str()) => {
                    part.insert(extra.name, value);
                }
                _ => self.add(&extra.name),
            }
        }
    }
}

pub fn put_back(body: &mut Map<String, Value>, protocol: &str, extras: Vec<Extra>, dropped: &mut Dropped) {
    for extra in extras {
        let path = match protocol {
            PROTOCOL => Some(extra.name.as_str()),
            "openai-chat" => OF_CHAT.iter().find(|(name, _)| *name == extra.name).map(|(_, path)| *path),
            _ => None,
        };
        let value = serde_json::from_str(&extra.value).ok();
        let is_put = path.zip(value).is_some_and(|(path, value)| put(body, path, value));
        dropped.add_if(!is_put, &extra.name);
    }
}

/// At a field such as `metadata` or `text.verbosity`. What stands there already stays, and the answer is false.
fn put(body: &mut Map<String, Value>, path: &str, value: Value) -> bool {
    let (object, name) = match path.split_once('.') {
        None => (Some(body), path),
        Some((outer, name)) => {
            let object = body.entry(outer).or_insert_with(|| Value::Object(Map::new()));
            (object.as_object_mut(), name)
        }
    };
    match object {
        Some(object) if !object.contains_key(name) => object.insert(name.into(), value).is_none(),
        _ => false,
    }
}
