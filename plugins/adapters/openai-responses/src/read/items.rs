//! Input items -> messages. What the assistant said, thought and called in a row is one message; results of tools in a
//! row, and what the user said after them, are one too.

use super::{content, unsupported};
use crate::OF_MESSAGE;
use crate::reasoning::{PARAGRAPH, Secret};
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{Message, Part, Reasoning, Role, Text, ToolCall, ToolResult};
use pointsman_sdk::json::{self, Fields, wrong};
use serde_json::Value;

pub fn read(top: &mut Fields) -> Result<Vec<Message>, Fault> {
    let mut transcript = Transcript::default();
    if let Some(instructions) = top.optional_string("instructions")? {
        transcript.push(Role::System, vec![text(instructions)]);
    }
    match top.required("input")? {
        Value::String(input) => transcript.push(Role::User, vec![text(input)]),
        input @ Value::Array(_) => {
            for (at, item) in json::items("input", input)? {
                transcript.item(Fields::new(at, item)?)?;
            }
        }
        _ => return Err(wrong("input", "a string or an array of items")),
    }
    if transcript.messages.is_empty() {
        return Err(wrong("input", "at least one item"));
    }
    Ok(transcript.messages)
}

#[derive(Default)]
struct Transcript {
    messages: Vec<Message>,
    /// The last message holds results of tools and nothing else yet.
    results_open: bool,
}

impl Transcript {
    fn item(&mut self, mut item: Fields) -> Result<(), Fault> {
        let kind = match item.optional_string("type")? {
            Some(kind) => kind,
            // What the SDKs call an easy message.
            None => "message".into(),
        };
        // Of an item that a provider made: they mean nothing elsewhere.
        item.take("status");
        let id = item.optional_string("id")?;
        match kind.as_str() {
            "message" => self.message(item),
            "reasoning" => {
                let reasoning = reasoning(id, item)?;
                self.assistant(reasoning.map(Part::Reasoning).into_iter().collect());
                Ok(())
            }
            "function_call" => {
                let call = call(item)?;
                self.assistant(vec![Part::ToolCall(call)]);
                Ok(())
            }
            "function_call_output" => {
                let result = Part::ToolResult(result(item)?);
                self.results(result);
                Ok(())
            }
            "item_reference" => {
                Err(unsupported(item.at("type"), "the item is stored at another provider: send it whole"))
            }
            _ => {
                Err(unsupported(item.at("type"), format!("an item of type `{kind}` cannot be said to other providers")))
            }
        }
    }

    fn message(&mut self, mut item: Fields) -> Result<(), Fault> {
        let at = item.at("content");
        let role = item.string("role")?;
        let mut parts = content::parts(&at, item.required("content")?)?;
        match role.as_str() {
            "system" | "developer" => {
                if let Some(position) = parts.iter().position(|part| !matches!(part, Part::Text(_))) {
                    return Err(wrong(format!("{at}[{position}]"), "text"));
                }
                self.push(Role::System, parts);
                self.extras(item);
            }
            "user" => {
                match self.messages.last_mut() {
                    Some(last) if self.results_open => {
                        last.parts.append(&mut parts);
                        self.results_open = false;
                    }
                    _ => self.push(Role::User, parts),
                }
                self.extras(item);
            }
            "assistant" => {
                // They cannot stay with the message, which may gather several items.
                let mut extras = item.rest();
                extras.iter_mut().for_each(|extra| extra.name.insert_str(0, OF_MESSAGE));
                for part in &mut parts {
                    if let Part::Text(text) = part {
                        text.extras.extend(extras.iter().cloned());
                    }
                }
                self.assistant(parts);
            }
            _ => return Err(wrong(item.at("role"), "system, developer, user or assistant")),
        }
        Ok(())
    }

    fn push(&mut self, role: Role, parts: Vec<Part>) {
        self.results_open = false;
        self.messages.push(Message { role, parts, extras: Vec::new() });
    }

    /// What else a message of the system or the user says, which is the last one.
    fn extras(&mut self, item: Fields) {
        if let Some(last) = self.messages.last_mut() {
            last.extras.extend(item.rest());
        }
    }

    fn assistant(&mut self, mut parts: Vec<Part>) {
        match self.messages.last_mut() {
            _ if parts.is_empty() => {}
            Some(last) if last.role == Role::Assistant => last.parts.append(&mut parts),
            _ => self.push(Role::Assistant, parts),
        }
    }

    fn results(&mut self, result: Part) {
        match self.messages.last_mut() {
            Some(last) if self.results_open => last.parts.push(result),
            _ => self.push(Role::User, vec![result]),
        }
        self.results_open = true;
    }
}

/// None where the item holds neither the thought nor its encryption: it was stored elsewhere.
fn reasoning(id: Option<String>, mut item: Fields) -> Result<Option<Reasoning>, Fault> {
    let mut text = texts(item.array("summary")?)?;
    if text.is_empty() {
        text = texts(item.array("content")?)?;
    }
    let encrypted = item.optional_string("encrypted_content")?.filter(|content| !content.is_empty());
    if text.is_empty() && encrypted.is_none() {
        return Ok(None);
    }
    let (signature, redacted) = encrypted.map(|content| Secret::unpack(id, content)).unwrap_or_default();
    Ok(Some(Reasoning { text, signature, redacted, extras: item.rest() }))
}

fn texts(parts: Vec<(String, Value)>) -> Result<String, Fault> {
    let texts: Vec<String> =
        parts.into_iter().map(|(at, part)| Fields::new(at, part)?.string("text")).collect::<Result<_, _>>()?;
    Ok(texts.join(PARAGRAPH))
}

fn call(mut item: Fields) -> Result<ToolCall, Fault> {
    let id = item.string("call_id")?;
    let name = item.string("name")?;
    let arguments = item.optional_string("arguments")?.unwrap_or_default();
    Ok(ToolCall { id, name, arguments, extras: item.rest() })
}

fn result(mut item: Fields) -> Result<ToolResult, Fault> {
    let call_id = item.string("call_id")?;
    let name = item.optional_string("name")?;
    let at = item.at("output");
    let content = content::result_parts(&at, item.required("output")?)?;
    Ok(ToolResult { call_id, name, failed: false, content, extras: item.rest() })
}

fn text(text: String) -> Part {
    Part::Text(Text { text, extras: Vec::new() })
}
