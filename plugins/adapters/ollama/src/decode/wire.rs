//! The shapes of replies, as far as they matter. Every field may be missing or null.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

#[derive(Deserialize)]
pub struct Line<'a> {
    pub model: Option<String>,
    /// RFC 3339, another one in each line.
    pub created_at: Option<String>,
    #[serde(borrow)]
    pub message: Option<Message<'a>>,
    pub done: Option<bool>,
    pub done_reason: Option<String>,
    pub prompt_eval_count: Option<u64>,
    pub eval_count: Option<u64>,
    pub error: Option<Value>,
    /// Of an error: the HTTP status that it would have had. A number, or text of some kind.
    pub status: Option<Value>,
}

#[derive(Deserialize)]
pub struct Message<'a> {
    pub content: Option<String>,
    pub thinking: Option<String>,
    #[serde(borrow)]
    pub tool_calls: Option<Vec<WireCall<'a>>>,
}

#[derive(Deserialize)]
pub struct WireCall<'a> {
    pub id: Option<String>,
    #[serde(borrow)]
    pub function: Function<'a>,
}

#[derive(Deserialize)]
pub struct Function<'a> {
    pub name: Option<String>,
    #[serde(borrow)]
    pub arguments: Option<&'a RawValue>,
}

/// The text of the arguments, which are an object; some servers that only look like Ollama give the text itself.
pub fn arguments(arguments: Option<&RawValue>) -> String {
    let json = arguments.map_or("null", RawValue::get);
    let text = serde_json::from_str::<String>(json).unwrap_or_else(|_| json.to_owned());
    if text.trim().is_empty() || text == "null" { "{}".into() } else { text }
}

pub fn status(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|status| u16::try_from(status).ok())
}
