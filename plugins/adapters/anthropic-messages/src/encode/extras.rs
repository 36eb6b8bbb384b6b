//! Fields that only one protocol knows. When it is this one, they go back where they came from; others are dropped, and
//! the caller is told.

use crate::platform::Platform;
use pointsman_sdk::codec::chat::Extra;
use pointsman_sdk::names::Names;
use serde_json::{Map, Value};

/// Objects that a body may lack although something of them is put back. The others stand or fall with what was made of
/// their fields: `display` alone is no `thinking`.
const PARENTS_MADE: [&str; 2] = ["metadata", "output_config"];

/// What becomes of a request's extras.
pub struct Extras {
    /// The caller speaks this protocol, so the extras are fields of it.
    pub own: bool,
    /// It goes to a cloud, which refuses some fields that Anthropic takes.
    pub cloud: bool,
    pub bedrock: bool,
    /// Does the target fetch media by URL?
    pub fetches_media: bool,
    dropped: Names,
}

impl Extras {
    pub fn new(own: bool, platform: &Platform) -> Extras {
        let cloud = !matches!(platform, Platform::Anthropic);
        let bedrock = matches!(platform, Platform::Bedrock { .. });
        Extras { own, cloud, bedrock, fetches_media: platform.fetches_media(), dropped: Names::default() }
    }

    /// The names of what could not be said, each once.
    pub fn into_dropped(self) -> Vec<String> {
        self.dropped.into_list()
    }

    pub fn drop(&mut self, name: &str) {
        self.dropped.add(name);
    }

    pub fn drop_if(&mut self, dropped: bool, name: &str) {
        if dropped {
            self.drop(name);
        }
    }

    /// Of a message, block or tool. Callers of other protocols send `cache_control` too, meant for Claude alone; the
    /// rest of theirs is dropped.
    pub fn put(&mut self, extras: &[Extra], into: &mut Value) {
        let Some(into) = into.as_object_mut() else { return };
        for extra in extras {
            match self.fitting(extra) {
                Some(value) if self.own || extra.name == "cache_control" => self.put_one(&extra.name, value, into),
                _ => self.drop(&extra.name),
            }
        }
    }

    /// The value as the target takes it. Bedrock refuses what is too new for it as an extra input
    /// (anthropics/claude-agent-sdk-python#694, Wei-Shaw/claude-relay-service#965).
    fn fitting(&self, extra: &Extra) -> Option<Value> {
        let mut value: Value = serde_json::from_str(&extra.value).ok()?;
        match extra.name.as_str() {
            "cache_control" => {
                let mark = value.as_object_mut()?;
                if self.cloud {
                    mark.shift_remove("scope");
                }
            }
            "eager_input_streaming" if self.cloud => return None,
            _ => {}
        }
        Some(value)
    }

    /// `name` may be a path, such as `metadata.team`: of a field below one that the contract knows.
    pub fn put_one(&mut self, name: &str, value: Value, into: &mut Map<String, Value>) {
        let mut fields = name.split('.').peekable();
        let mut into = Some(into);
        while let (Some(object), Some(field)) = (into.take(), fields.next()) {
            if fields.peek().is_none() {
                object.insert(field.to_owned(), value);
                return;
            }
            if PARENTS_MADE.contains(&field) {
                object.entry(field).or_insert_with(|| Value::Object(Map::new()));
            }
            into = object.get_mut(field).and_then(Value::as_object_mut);
        }
        self.drop(name);
    }
}
