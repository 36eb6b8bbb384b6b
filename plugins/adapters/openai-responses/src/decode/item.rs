//! What the wire says of an output item, piece by piece or whole: all that matters here, and nothing else.

use super::{index, text};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// News of one output item.
#[derive(Serialize, Deserialize)]
pub enum Piece {
    Begun(Item),
    Said(Words),
    Done(Item),
}

/// A piece of an item's text. `whole` is the entire text, which matters only where no pieces came before.
#[derive(Serialize, Deserialize)]
pub struct Words {
    pub kind: Kind,
    /// Of the content part or of the summary part.
    pub index: u32,
    pub text: String,
    pub whole: bool,
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Kind {
    Text,
    Refusal,
    Summary,
    /// Thoughts that are not summed up, which open models show.
    Thought,
    Arguments,
}

#[derive(Serialize, Deserialize)]
pub enum Item {
    Message(Vec<Words>),
    Reasoning { id: Option<String>, words: Vec<Words>, encrypted_content: Option<String> },
    Call { id: String, name: String, arguments: String },
}

impl Item {
    /// None for an item that nobody asked for through this gateway, such as `web_search_call`, or that nobody knows.
    pub fn read(item: &Value) -> Option<Item> {
        Some(match text(item, "type") {
            "message" => Item::Message(list(item, "content")),
            "reasoning" => {
                let own = |name: &str| Some(text(item, name).to_owned()).filter(|text| !text.is_empty());
                let mut words = list(item, "summary");
                words.extend(list(item, "content"));
                Item::Reasoning { id: own("id"), words, encrypted_content: own("encrypted_content") }
            }
            "function_call" => {
                let id = Some(text(item, "call_id")).filter(|id| !id.is_empty()).unwrap_or(text(item, "id")).to_owned();
                Item::Call { id, name: text(item, "name").into(), arguments: arguments(item) }
            }
            _ => return None,
        })
    }
}

/// The texts of the parts in the list `name`.
fn list(item: &Value, name: &str) -> Vec<Words> {
    let parts = item.get(name).and_then(Value::as_array).into_iter().flatten();
    let words = parts.zip(0..).filter_map(|(part, index)| {
        let (kind, text) = match text(part, "type") {
            "output_text" | "text" => (Kind::Text, text(part, "text")),
            "refusal" => (Kind::Refusal, text(part, "refusal")),
            "summary_text" => (Kind::Summary, text(part, "text")),
            "reasoning_text" => (Kind::Thought, text(part, "text")),
            _ => return None,
        };
        Some(Words { kind, index, text: text.into(), whole: true })
    });
    words.collect()
}

/// A string; some servers give the object itself.
fn arguments(object: &Value) -> String {
    match object.get("arguments") {
        Some(Value::String(text)) => text.clone(),
        Some(object @ Value::Object(_)) => object.to_string(),
        _ => String::new(),
    }
}

/// What an event says about an item's text.
pub fn words(event: &Value) -> Option<Words> {
    let (kind, index_name, text_name) = match text(event, "type") {
        "response.output_text.delta" => (Kind::Text, "content_index", "delta"),
        "response.output_text.done" => (Kind::Text, "content_index", "text"),
        "response.refusal.delta" => (Kind::Refusal, "content_index", "delta"),
        "response.refusal.done" => (Kind::Refusal, "content_index", "refusal"),
        "response.reasoning_summary_text.delta" => (Kind::Summary, "summary_index", "delta"),
        "response.reasoning_summary_text.done" => (Kind::Summary, "summary_index", "text"),
        "response.reasoning_text.delta" => (Kind::Thought, "content_index", "delta"),
        "response.reasoning_text.done" => (Kind::Thought, "content_index", "text"),
        "response.function_call_arguments.delta" => (Kind::Arguments, "", "delta"),
        // Some servers give arguments only here: BerriAI/litellm#25321.
        "response.function_call_arguments.done" => (Kind::Arguments, "", "arguments"),
        _ => return None,
    };
    let whole = text_name != "delta";
    let text = if text_name == "arguments" { arguments(event) } else { text(event, text_name).to_owned() };
    Some(Words { kind, index: index(event, index_name), text, whole })
}
