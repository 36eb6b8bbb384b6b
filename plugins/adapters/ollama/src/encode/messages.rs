//! The conversation. A message of Ollama has a text, images beside it, and calls; a result of a tool is a message.

use std::collections::BTreeMap;

use super::{Dropped, unsupported};
use crate::PROTOCOL;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pointsman_adapter_sdk::chat::{
    Media, MediaKind, Message, Part, Reasoning, ResultPart, Role, Source, Text, ToolCall, ToolResult,
};
use pointsman_adapter_sdk::provider::ModelFacts;
use pointsman_adapter_sdk::{Fault, FaultKind, fault_at};
use serde_json::{Map, Value, json};

/// There is no flag for a tool that failed.
const FAILED_MARK: &str = "The tool failed. ";

/// Models look for images in what the user says, not in the result of a tool.
const IMAGES_BELOW: &str = "(The images that the tool returned follow in the next message.)";

pub fn wire(messages: &[Message], facts: &ModelFacts, dropped: &mut Dropped) -> Result<Vec<Value>, Fault> {
    let names = called(messages);
    let mut said = Vec::new();
    let mut system: Vec<String> = Vec::new();
    for (i, message) in messages.iter().enumerate() {
        dropped.extras(&message.extras);
        let mut turn = Turn::read(&names, message, &format!("messages[{i}]"), dropped)?;
        // Templates of many models refuse a system message that is not the first, so all go there unless it is known
        // that they may stand anywhere.
        if message.role == Role::System && facts.mid_system != Some(true) {
            system.append(&mut turn.texts);
            continue;
        }
        said.append(&mut turn.results);
        said.extend(turn.wire(message.role));
    }
    if !system.is_empty() {
        said.insert(0, json!({ "role": "system", "content": system.join("\n\n") }));
    }
    match messages.last() {
        _ if said.is_empty() => {
            // Ollama would load the model and answer nothing.
            Err(fault_at(FaultKind::InvalidRequest, "messages", "messages must say something"))
        }
        Some(last) if last.role == Role::Assistant && facts.prefill == Some(false) => {
            let field = format!("messages[{}]", messages.len() - 1);
            Err(unsupported(&field, "this model does not continue a message of the assistant"))
        }
        _ => Ok(said),
    }
}

/// One message of the contract: messages of tools, and at most one of the role's own.
#[derive(Default)]
struct Turn {
    results: Vec<Value>,
    texts: Vec<String>,
    thinking: String,
    images: Vec<Value>,
    calls: Vec<Value>,
}

impl Turn {
    /// `names` are those of the tools that were called: results are told theirs.
    fn read(names: &BTreeMap<&str, &str>, message: &Message, path: &str, dropped: &mut Dropped) -> Result<Turn, Fault> {
        let mut turn = Turn::default();
        for (i, part) in message.parts.iter().enumerate() {
            let path = format!("{path}.content[{i}]");
            match part {
                Part::Text(text) => turn.texts.extend(spoken(text, dropped)),
                Part::Media(media) if message.role == Role::User => {
                    let text = attach(media, &path, &mut turn.images, dropped)?;
                    turn.texts.extend(text);
                }
                Part::Media(_) => return Err(unsupported(&path, "Ollama takes images only from the user")),
                Part::Reasoning(thought) => turn.think(thought, dropped),
                Part::ToolCall(each) => turn.calls.push(call(each, turn.calls.len(), dropped)),
                Part::ToolResult(each) => {
                    let result = result(each, names, &path, &mut turn.images, dropped)?;
                    turn.results.push(result);
                }
            }
        }
        Ok(turn)
    }

    /// Thoughts go back to the models that thought them: some lose the thread between two calls of tools without them.
    fn think(&mut self, thought: &Reasoning, dropped: &mut Dropped) {
        dropped.extras(&thought.extras);
        match &thought.signature {
            Some(signature) if signature.maker == PROTOCOL => self.thinking.push_str(&thought.text),
            _ => dropped.add("reasoning"),
        }
    }

    /// None when nothing was said. The content is a string, also where it is empty.
    fn wire(self, role: Role) -> Option<Value> {
        let role = match role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        if self.texts.is_empty() && self.images.is_empty() && self.calls.is_empty() {
            return None;
        }
        let mut message = json!({ "role": role, "content": self.texts.join("\n") });
        if !self.thinking.is_empty() {
            message["thinking"] = self.thinking.into();
        }
        if !self.images.is_empty() {
            message["images"] = self.images.into();
        }
        if !self.calls.is_empty() {
            message["tool_calls"] = self.calls.into();
        }
        Some(message)
    }
}

fn spoken(text: &Text, dropped: &mut Dropped) -> Option<String> {
    dropped.extras(&text.extras);
    (!text.text.is_empty()).then(|| text.text.clone())
}

fn call(call: &ToolCall, position: usize, dropped: &mut Dropped) -> Value {
    dropped.extras(&call.extras);
    let function = json!({ "index": position, "name": call.name, "arguments": arguments(&call.arguments) });
    json!({ "id": call.id, "function": function })
}

/// Arguments must be an object here, but a model may have written anything. What is no object stands in `_raw`: the
/// conversation can go on, and the model sees what it wrote.
fn arguments(text: &str) -> Value {
    if text.trim().is_empty() {
        return Value::Object(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(arguments)) => Value::Object(arguments),
        _ => json!({ "_raw": text }),
    }
}

/// The images of the result go to `images`.
fn result(
    result: &ToolResult,
    names: &BTreeMap<&str, &str>,
    path: &str,
    images: &mut Vec<Value>,
    dropped: &mut Dropped,
) -> Result<Value, Fault> {
    dropped.extras(&result.extras);
    let known = images.len();
    let mut texts = Vec::new();
    for (i, part) in result.content.iter().enumerate() {
        match part {
            ResultPart::Text(text) => texts.extend(spoken(text, dropped)),
            ResultPart::Media(media) => {
                let text = attach(media, &format!("{path}.content[{i}]"), images, dropped)?;
                texts.extend(text);
            }
        }
    }
    if images.len() > known {
        texts.push(IMAGES_BELOW.into());
    }
    let mark = if result.failed { FAILED_MARK } else { "" };
    let mut message = json!({ "role": "tool", "content": format!("{mark}{}", texts.join("\n")) });
    if let Some(name) = result.name.as_deref().or_else(|| names.get(result.call_id.as_str()).copied()) {
        message["tool_name"] = name.into();
    }
    message["tool_call_id"] = result.call_id.as_str().into();
    Ok(message)
}

/// By its id, the tool that each call in the conversation called. Of two with one id the later one counts.
fn called(messages: &[Message]) -> BTreeMap<&str, &str> {
    let parts = messages.iter().flat_map(|message| &message.parts);
    let calls = parts.filter_map(|part| match part {
        Part::ToolCall(call) => Some((call.id.as_str(), call.name.as_str())),
        _ => None,
    });
    calls.collect()
}

/// An image goes to `images`; a document of plain text is text.
fn attach(media: &Media, path: &str, images: &mut Vec<Value>, dropped: &mut Dropped) -> Result<Option<String>, Fault> {
    dropped.extras(&media.extras);
    let Source::Bytes(bytes) = &media.source else {
        return Err(unsupported(path, "Ollama takes media only as bytes"));
    };
    match media.kind {
        MediaKind::Image => {
            images.push(STANDARD.encode(bytes).into());
            Ok(None)
        }
        MediaKind::Document if media.mime.starts_with("text/") => {
            let text = String::from_utf8(bytes.clone());
            let text = text.map_err(|_| unsupported(path, "a text document must be UTF-8"))?;
            Ok(Some(media.title.as_ref().map_or(text.clone(), |title| format!("{title}\n\n{text}"))))
        }
        MediaKind::Document => Err(unsupported(path, "Ollama takes no documents but plain text")),
        MediaKind::Audio => Err(unsupported(path, "Ollama takes no audio")),
        MediaKind::Video => Err(unsupported(path, "Ollama takes no video")),
    }
}
