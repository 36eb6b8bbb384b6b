//! Arguments of calls: text in the contract, an object on Gemini's wire.

use serde_json::{Map, Value, json};

/// A model may have written anything. What is no object stands in `_raw`: the conversation can go on, and whoever looks
/// sees what was written.
pub fn object(text: &str) -> Value {
    if text.trim().is_empty() {
        return Value::Object(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(arguments)) => Value::Object(arguments),
        _ => json!({ "_raw": text }),
    }
}
