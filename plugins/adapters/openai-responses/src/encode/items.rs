//! The conversation as input items. Calls, their results and thoughts are items of their own.

use super::content::{self, Speaker};
use super::{Dropped, unsupported};
use crate::ids;
use crate::reasoning::Secret;
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{Message, Part, Reasoning, Role, ToolCall};
use pointsman_sdk::codec::provider::ModelFacts;
use serde_json::{Value, json};

pub struct Said {
    pub instructions: Option<String>,
    pub items: Vec<Value>,
}

pub fn said(messages: Vec<Message>, model: &ModelFacts, is_own: bool, dropped: &mut Dropped) -> Result<Said, Fault> {
    if let (Some(Message { role: Role::Assistant, .. }), Some(false)) = (messages.last(), model.prefill) {
        let field = format!("messages[{}]", messages.len() - 1);
        return Err(unsupported(field, "this model does not continue an assistant's message"));
    }
    let mut writer = Writer { is_own, dropped, instructions: Vec::new(), items: Vec::new() };
    for (position, message) in messages.into_iter().enumerate() {
        let at = format!("messages[{position}]");
        writer.dropped.extras(&message.extras);
        match message.role {
            Role::System => {
                let to_top = writer.items.is_empty() || model.mid_system == Some(false);
                writer.system(&at, message.parts, to_top)?;
            }
            Role::User => writer.user(&at, message.parts)?,
            Role::Assistant => writer.assistant(&at, message.parts)?,
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

struct Writer<'a> {
    is_own: bool,
    dropped: &'a mut Dropped,
    instructions: Vec<String>,
    items: Vec<Value>,
}

impl Writer<'_> {
    /// System messages at the beginning are `instructions`, later ones stand where they stood.
    fn system(&mut self, at: &str, parts: Vec<Part>, to_top: bool) -> Result<(), Fault> {
        let mut texts = Vec::new();
        for (position, part) in parts.into_iter().enumerate() {
            let Part::Text(text) = part else {
                return Err(unsupported(format!("{at}.content[{position}]"), "a system message holds only text"));
            };
            self.dropped.extras(&text.extras);
            texts.push(text.text);
        }
        texts.retain(|text| !text.is_empty());
        if to_top {
            self.instructions.append(&mut texts);
        } else if !texts.is_empty() {
            let parts = texts.iter().map(|text| content::input_text(text)).collect();
            self.items.push(content::message("system", parts));
        }
        Ok(())
    }

    fn user(&mut self, at: &str, parts: Vec<Part>) -> Result<(), Fault> {
        let mut said = Vec::new();
        for (position, part) in parts.into_iter().enumerate() {
            let at = format!("{at}.content[{position}]");
            match part {
                Part::Text(text) => said.extend(content::text(text, Speaker::Caller, self.dropped)),
                Part::Media(media) => said.push(content::media(&at, media, self.is_own, self.dropped)?),
                Part::ToolResult(result) => {
                    self.items.push(content::tool_result(&at, result, self.is_own, self.dropped)?);
                }
                Part::Reasoning(_) | Part::ToolCall(_) => {
                    return Err(unsupported(at, "only the assistant thinks and calls tools"));
                }
            }
        }
        if !said.is_empty() {
            self.items.push(content::message("user", said));
        }
        Ok(())
    }

    fn assistant(&mut self, at: &str, parts: Vec<Part>) -> Result<(), Fault> {
        let first = self.items.len();
        for (position, part) in parts.into_iter().enumerate() {
            match part {
                Part::Text(text) => {
                    if let Some(part) = content::text(text, Speaker::Model, self.dropped) {
                        self.assistant_text(first, part);
                    }
                }
                Part::Reasoning(reasoning) => self.reasoning(reasoning),
                Part::ToolCall(call) => self.call(call),
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

    /// Texts in a row are one message, as long as they are of one `phase`, which is the message's here.
    fn assistant_text(&mut self, first: usize, mut part: Value) {
        let phase = part.as_object_mut().and_then(|part| part.remove("phase"));
        if self.items.len() > first
            && let Some(last) = self.items.last_mut()
            && last["type"] == "message"
            && last.get("phase") == phase.as_ref()
            && let Some(Value::Array(content)) = last.get_mut("content")
        {
            content.push(part);
            return;
        }
        let mut message = content::message("assistant", vec![part]);
        if let Some(phase) = phase {
            message["phase"] = phase;
        }
        self.items.push(message);
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
        self.items.push(item);
    }

    fn call(&mut self, call: ToolCall) {
        self.dropped.extras(&call.extras);
        let arguments = if call.arguments.trim().is_empty() { "{}".into() } else { call.arguments };
        let id = ids::call(&call.id);
        self.items.push(json!({"type": "function_call", "call_id": id, "name": call.name, "arguments": arguments}));
    }
}
