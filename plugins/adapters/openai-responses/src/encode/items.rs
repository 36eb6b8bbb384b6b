//! The conversation as input items. Calls, their results and thoughts are items of their own.

use super::content::{self, Speaker};
use super::{Dropped, tools, unsupported};
use crate::client_tools::ClientTool;
use crate::reasoning::Secret;
use crate::{ITEM, NAMESPACE, OF_MESSAGE, ids};
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{Extra, Message, Part, Reasoning, Role, ToolCall};
use pointsman_sdk::codec::provider::ModelFacts;
use pointsman_sdk::freeform;
use serde_json::{Map, Value, json};

pub struct Said {
    pub instructions: Option<String>,
    pub items: Vec<Value>,
}

pub fn said(messages: Vec<Message>, model: &ModelFacts, dropped: &mut Dropped) -> Result<Said, Fault> {
    if let (Some(Message { role: Role::Assistant, .. }), Some(false)) = (messages.last(), model.prefill) {
        let field = format!("messages[{}]", messages.len() - 1);
        return Err(unsupported(field, "this model does not continue an assistant's message"));
    }
    let mut writer = Writer { dropped, instructions: Vec::new(), items: Vec::new() };
    for (position, message) in messages.into_iter().enumerate() {
        let at = format!("messages[{position}]");
        match message.role {
            Role::System => {
                // `instructions` are a bare text: what has more to say stays an item.
                let fits_top = writer.items.is_empty() && !(writer.dropped.is_own && has_extras(&message));
                writer.system(&at, message, fits_top || model.mid_system == Some(false))?;
            }
            Role::User => writer.user(&at, message)?,
            Role::Assistant => writer.assistant(&at, message)?,
        }
    }
    let Writer { instructions, mut items, .. } = writer;
    let instructions = Some(instructions.join("\n\n")).filter(|text| !text.is_empty());
    // OpenAI demands an input.
    if let (true, Some(text)) = (items.is_empty(), &instructions) {
        items.push(content::message("system", vec![content::input_text(text)]));
        return Ok(Said { instructions: None, items });
    }
    Ok(Said { instructions, items })
}

fn has_extras(message: &Message) -> bool {
    let of_part = |part: &Part| matches!(part, Part::Text(text) if !text.extras.is_empty());
    !message.extras.is_empty() || message.parts.iter().any(of_part)
}

struct Writer<'a> {
    dropped: &'a mut Dropped,
    instructions: Vec<String>,
    items: Vec<Value>,
}

impl Writer<'_> {
    /// System messages at the beginning are `instructions`, later ones stand where they stood.
    fn system(&mut self, at: &str, message: Message, to_top: bool) -> Result<(), Fault> {
        let mut said = Vec::new();
        for (position, part) in message.parts.into_iter().enumerate() {
            match part {
                Part::Text(text) if text.text.is_empty() => {}
                Part::Text(text) if to_top => {
                    self.dropped.extras(text.extras, &mut Value::Null);
                    self.instructions.push(text.text);
                }
                Part::Text(text) => said.extend(content::text(text, Speaker::Caller, self.dropped)),
                _ => return Err(unsupported(format!("{at}.content[{position}]"), "a system message holds only text")),
            }
        }
        self.message("system", said, message.extras);
        Ok(())
    }

    /// Nothing, where nothing was said.
    fn message(&mut self, role: &str, said: Vec<Value>, extras: Vec<Extra>) {
        let mut message = if said.is_empty() { Value::Null } else { content::message(role, said) };
        self.dropped.extras(extras, &mut message);
        if !message.is_null() {
            self.items.push(message);
        }
    }

    fn user(&mut self, at: &str, message: Message) -> Result<(), Fault> {
        let mut said = Vec::new();
        for (position, part) in message.parts.into_iter().enumerate() {
            let at = format!("{at}.content[{position}]");
            match part {
                Part::Text(text) => said.extend(content::text(text, Speaker::Caller, self.dropped)),
                Part::Media(media) => said.push(content::media(&at, media, self.dropped)?),
                Part::ToolResult(result) => self.items.push(content::tool_result(&at, result, self.dropped)?),
                Part::Reasoning(_) | Part::ToolCall(_) => {
                    return Err(unsupported(at, "only the assistant thinks and calls tools"));
                }
            }
        }
        self.message("user", said, message.extras);
        Ok(())
    }

    fn assistant(&mut self, at: &str, message: Message) -> Result<(), Fault> {
        // `read` gives them to its texts, because it gathers several items in one message.
        self.dropped.extras(message.extras, &mut Value::Null);
        let first = self.items.len();
        for (position, part) in message.parts.into_iter().enumerate() {
            match part {
                Part::Text(mut text) if self.dropped.is_own && text.text.is_empty() => {
                    // An item that `read` kept whole.
                    self.items.extend(tools::take(&mut text.extras, ITEM));
                }
                Part::Text(text) => {
                    if let Some(part) = content::text(text, Speaker::Model, self.dropped) {
                        self.assistant_text(first, part);
                    }
                }
                Part::Reasoning(reasoning) => self.reasoning(reasoning),
                Part::ToolCall(call) => self.call(&format!("{at}.content[{position}]"), call)?,
                Part::Media(_) | Part::ToolResult(_) => {
                    let field = format!("{at}.content[{position}]");
                    return Err(unsupported(field, "OpenAI takes only text and tool calls from the assistant"));
                }
            }
        }
        // A thought without what it led to is refused ("provided without its required following item").
        while self.items.len() > first && self.items.last().is_some_and(|item| item["type"] == "reasoning") {
            self.items.pop();
            self.dropped.add("reasoning");
        }
        Ok(())
    }

    /// Texts in a row are one message, as long as its own fields, such as `phase`, are the same.
    fn assistant_text(&mut self, first: usize, part: Value) {
        let Value::Object(part) = part else { return };
        let mut said = Map::new();
        let mut message = content::message("assistant", Vec::new());
        for (name, value) in part {
            match name.strip_prefix(OF_MESSAGE) {
                Some(name) => message[name] = value,
                None => _ = said.insert(name, value),
            }
        }
        let last = self.items.get_mut(first..).and_then(<[Value]>::last_mut);
        match last {
            Some(last) if head(last) == head(&message) => push(last, said.into()),
            _ => {
                push(&mut message, said.into());
                self.items.push(message);
            }
        }
    }

    /// Only OpenAI's own thoughts are said: it refuses others, and as text they would be the answer.
    fn reasoning(&mut self, reasoning: Reasoning) {
        let secret = reasoning.signature.or(reasoning.redacted).as_ref().and_then(Secret::open);
        let Some(secret) = secret else {
            self.dropped.add("reasoning");
            return;
        };
        let mut summary = Vec::new();
        if !reasoning.text.is_empty() {
            summary.push(json!({"type": "summary_text", "text": reasoning.text}));
        }
        let mut item = json!({"type": "reasoning"});
        if let Some(id) = secret.id {
            item["id"] = id.into();
        }
        item["summary"] = summary.into();
        item["encrypted_content"] = secret.encrypted_content.into();
        self.dropped.extras(reasoning.extras, &mut item);
        self.items.push(item);
    }

    fn call(&mut self, at: &str, mut call: ToolCall) -> Result<(), Fault> {
        let id = ids::call(&call.id);
        let mut item = match tools::take(&mut call.extras, "type").filter(|_| self.dropped.is_own) {
            Some(kind) if kind == freeform::KIND => {
                let input = freeform::input(&call.arguments);
                json!({"type": "custom_tool_call", "call_id": id, "name": call.name, "input": input})
            }
            Some(kind) if let Some(tool) = kind.as_str().and_then(ClientTool::named) => {
                let mut item = json!({"type": format!("{}_call", tool.name()), "call_id": id});
                item[tool.field()] = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
                item
            }
            Some(_) => {
                let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
                json!({"type": "tool_search_call", "call_id": id, "arguments": arguments})
            }
            None => {
                if !tools::is_name(&call.name) {
                    let message = "a call in the history has a name that OpenAI does not take";
                    return Err(unsupported(format!("{at}.name"), message));
                }
                let arguments = if call.arguments.trim().is_empty() { "{}".into() } else { call.arguments };
                json!({"type": "function_call", "call_id": id, "name": call.name, "arguments": arguments})
            }
        };
        self.dropped.extras(call.extras, &mut item);
        if let (true, Some(namespace), Some(name)) =
            (self.dropped.is_own, item[NAMESPACE].as_str(), item["name"].as_str())
        {
            item["name"] = tools::name_in(namespace, name).into();
        }
        self.items.push(item);
        Ok(())
    }
}

/// A message's fields but for its content; a call and a thought have others.
fn head(item: &Value) -> Vec<(&String, &Value)> {
    item.as_object().into_iter().flatten().filter(|(name, _)| *name != "content").collect()
}

fn push(message: &mut Value, part: Value) {
    if let Some(Value::Array(content)) = message.get_mut("content") {
        content.push(part);
    }
}
