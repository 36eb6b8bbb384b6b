//! Fields that only the caller's own protocol knows. A caller of this protocol is translated too, when its history holds
//! thoughts of another provider: it must lose nothing by that.

use crate::PROTOCOL;
use pointsman_sdk::codec::chat::Extra;
use pointsman_sdk::names::{Met, Names};
use serde_json::{Map, Value};

/// Fields of Chat Completions, and what they are called here.
const OF_CHAT: [(&str, &str); 5] = [
    ("verbosity", "text.verbosity"),
    ("service_tier", "service_tier"),
    ("prompt_cache_key", "prompt_cache_key"),
    ("prompt_cache_retention", "prompt_cache_retention"),
    ("metadata", "metadata"),
];

/// Fields of Chat Completions' parts that are the same here.
const OF_PARTS: [&str; 1] = ["detail"];

/// Names of request fields that are not said, each once.
pub struct Dropped {
    names: Names,
    /// The caller speaks this protocol: its extras are put back.
    pub is_own: bool,
}

impl Dropped {
    pub fn new(is_own: bool) -> Dropped {
        Dropped { names: Names::default(), is_own }
    }

    pub fn add(&mut self, name: &str) {
        self.names.add(name);
    }

    pub fn add_if(&mut self, dropped: bool, name: &str) {
        if dropped {
            self.add(name);
        }
    }

    pub fn names(self) -> Vec<String> {
        self.names.into_list()
    }

    /// Extras of an item, a part or a tool go back into it, if they are this protocol's. Null takes none.
    pub fn extras(&mut self, extras: Vec<Extra>, wire: &mut Value) {
        self.put_known(extras, wire, &[]);
    }

    /// The same, of a text or of media.
    pub fn extras_of_part(&mut self, extras: Vec<Extra>, part: &mut Value) {
        self.put_known(extras, part, &OF_PARTS);
    }

    fn put_known(&mut self, extras: Vec<Extra>, wire: &mut Value, known: &[&str]) {
        for extra in extras {
            match (wire.as_object_mut(), serde_json::from_str(&extra.value)) {
                (Some(wire), Ok(value)) if self.is_own || known.contains(&extra.name.as_str()) => {
                    wire.insert(extra.name, value);
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
    // The caller's wishes, behind ours.
    if let ("include", Some(Value::Array(ours)), Value::Array(more)) = (path, body.get_mut(path), &value) {
        let mut met = Met::default();
        ours.iter().for_each(|wish| _ = met.add(wish));
        ours.extend(more.iter().filter(|wish| met.add(wish)).cloned());
        return true;
    }
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
