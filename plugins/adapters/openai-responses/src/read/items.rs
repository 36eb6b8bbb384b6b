//! Input items -> messages. What the assistant said, thought and called in a row is one message; results of tools in a
//! row, and what the user said after them, are one too.

use super::tools::{Offer, flat_name};
use super::{content, unsupported};
use crate::client_tools::ClientTool;
use crate::reasoning::{PARAGRAPH, Secret};
use crate::{FOUND, ITEM, NAMESPACE, OF_MESSAGE, TOOL_SEARCH};
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{Extra, Message, Part, Reasoning, ResultPart, Role, Text, ToolCall, ToolResult};
use pointsman_sdk::freeform;
use pointsman_sdk::json::{self, Fields, wrong};
use serde_json::Value;

/// `offer` gets the tools that a search found, and what is left out of the items elsewhere.
pub fn read(top: &mut Fields, offer: &mut Offer) -> Result<Vec<Message>, Fault> {
    let mut transcript = Transcript { messages: Vec::new(), results_open: false, offer };
    if let Some(instructions) = top.optional_string("instructions")? {
        transcript.push(Role::System, vec![text(instructions)]);
    }
    match top.required("input")? {
        Value::String(input) => transcript.push(Role::User, vec![text(input)]),
        input @ Value::Array(_) => {
            for (at, item) in json::items("input", input)? {
                transcript.item(Fields::new(at, item.clone())?, &item)?;
            }
        }
        _ => return Err(wrong("input", "a string or an array of items")),
    }
    if transcript.messages.is_empty() {
        return Err(wrong("input", "at least one item"));
    }
    Ok(transcript.messages)
}

/// Of a message's own fields, in the copies that its texts get.
const COPIED_BYTES_MAX: usize = 64 << 10;

struct Transcript<'a> {
    messages: Vec<Message>,
    /// The last message holds results of tools and nothing else yet.
    results_open: bool,
    offer: &'a mut Offer,
}

/// An item that stands for another one, whose type may be missing.
const REFERENCE: &str = "item_reference";
/// Items of tools that the provider ran: others can do without them, because what came of them was said.
const HOSTED_ITEMS: [&str; 8] = [
    "code_interpreter_call",
    "computer_call",
    "file_search_call",
    "image_generation_call",
    "mcp_approval_request",
    "mcp_call",
    "mcp_list_tools",
    "web_search_call",
];

impl Transcript<'_> {
    fn item(&mut self, mut item: Fields, whole: &Value) -> Result<(), Fault> {
        let kind = match item.optional_string("type")? {
            Some(kind) => kind,
            None if whole["role"].is_null() && whole["id"].is_string() => REFERENCE.into(),
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
            "custom_tool_call" => {
                let call = custom_call(item)?;
                self.assistant(vec![Part::ToolCall(call)]);
                Ok(())
            }
            "function_call_output" => {
                let result = result(item)?;
                self.results(Part::ToolResult(result));
                Ok(())
            }
            "custom_tool_call_output" => {
                let mut result = result(item)?;
                result.extras.push(freeform::mark());
                self.results(Part::ToolResult(result));
                Ok(())
            }
            "tool_search_call" if whole["call_id"].is_string() => {
                let call = search_call(item)?;
                self.assistant(vec![Part::ToolCall(call)]);
                Ok(())
            }
            "additional_tools" => self.additional_tools(item),
            "tool_search_output" if whole["call_id"].is_string() => self.search_output(item, whole),
            kind if let Some(tool) = ClientTool::called(kind) => {
                let call = client_tool_call(tool, id, item)?;
                self.assistant(vec![Part::ToolCall(call)]);
                Ok(())
            }
            kind if ClientTool::answered(kind).is_some() => {
                let result = client_tool_result(id, item, whole)?;
                self.results(Part::ToolResult(result));
                Ok(())
            }
            kind if HOSTED_ITEMS.contains(&kind) => {
                self.offer.hosted.push(Extra { name: format!("input.{kind}"), value: "null".into() });
                let extras = vec![Extra { name: ITEM.into(), value: whole.to_string() }];
                self.assistant(vec![Part::Text(Text { text: String::new(), extras })]);
                Ok(())
            }
            REFERENCE => Err(unsupported(item.at("type"), "the item is stored at another provider: send it whole")),
            _ => {
                Err(unsupported(item.at("type"), format!("an item of type `{kind}` cannot be said to other providers")))
            }
        }
    }

    /// Tools that are offered from this item on, in place of the field `tools`: Codex 0.171 offers all of its tools so, by
    /// default. Other providers have one list of tools for the whole request.
    fn additional_tools(&mut self, mut item: Fields) -> Result<(), Fault> {
        item.string("role")?;
        for (at, tool) in item.array("tools")? {
            self.offer.add(at, tool, None)?;
        }
        Ok(())
    }

    /// What the caller's search for tools found. Where there is no such search, the tools are offered like any others.
    fn search_output(&mut self, mut item: Fields, whole: &Value) -> Result<(), Fault> {
        let call_id = item.string("call_id")?;
        let before = self.offer.tools.len();
        for (at, tool) in item.array("tools")? {
            self.offer.add(at, tool, None)?;
        }
        let found = self.offer.tools.iter_mut().skip(before);
        let names: Vec<String> = found
            .map(|tool| {
                tool.extras.push(Extra { name: FOUND.into(), value: "true".into() });
                tool.name.clone()
            })
            .collect();
        let text =
            if names.is_empty() { "No more tools were found.".into() } else { format!("Found: {}", names.join(", ")) };
        let content = vec![ResultPart::Text(Text { text, extras: Vec::new() })];
        let extras = vec![Extra { name: ITEM.into(), value: whole.to_string() }];
        self.results(Part::ToolResult(ToolResult { call_id, name: None, failed: false, content, extras }));
        Ok(())
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
                let bytes: usize = extras.iter().map(|extra| extra.name.len() + extra.value.len()).sum();
                // Each text gets its copy, unless that would be many times what the caller wrote.
                let copies = if bytes.saturating_mul(parts.len()) <= COPIED_BYTES_MAX { parts.len() } else { 1 };
                let texts = parts.iter_mut().filter_map(|part| match part {
                    Part::Text(text) => Some(text),
                    _ => None,
                });
                texts.take(copies).for_each(|text| text.extras.extend(extras.iter().cloned()));
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

/// A call of a tool that takes free text.
fn custom_call(mut item: Fields) -> Result<ToolCall, Fault> {
    let id = item.string("call_id")?;
    let name = name(&mut item)?;
    let arguments = freeform::arguments(&item.optional_string("input")?.unwrap_or_default());
    Ok(ToolCall { id, name, arguments, extras: std::iter::once(freeform::mark()).chain(item.rest()).collect() })
}

/// A search for tools that the caller ran itself.
fn search_call(mut item: Fields) -> Result<ToolCall, Fault> {
    let id = item.string("call_id")?;
    let arguments = match item.take("arguments") {
        None => "{}".into(),
        Some(Value::String(text)) => text,
        Some(arguments) => arguments.to_string(),
    };
    let kind = Extra { name: "type".into(), value: Value::from(TOOL_SEARCH).to_string() };
    let extras = std::iter::once(kind).chain(item.rest()).collect();
    Ok(ToolCall { id, name: TOOL_SEARCH.into(), arguments, extras })
}

/// A call of a tool that OpenAI defines and the caller runs. The oldest of them have no identifier but the item's.
fn client_tool_call(tool: ClientTool, id: Option<String>, mut item: Fields) -> Result<ToolCall, Fault> {
    let at = item.at("call_id");
    let id = item.optional_string("call_id")?.or(id).ok_or_else(|| wrong(at, "a string"))?;
    let arguments = item.required(tool.field())?.to_string();
    let kind = Extra { name: "type".into(), value: Value::from(tool.name()).to_string() };
    Ok(ToolCall { id, name: tool.name().into(), arguments, extras: std::iter::once(kind).chain(item.rest()).collect() })
}

/// What came of it: a text, or the output of each command, which other providers get as JSON.
fn client_tool_result(id: Option<String>, mut item: Fields, whole: &Value) -> Result<ToolResult, Fault> {
    let at = item.at("call_id");
    let call_id = item.optional_string("call_id")?.or(id).ok_or_else(|| wrong(at, "a string"))?;
    let output = match item.take("output") {
        None => String::new(),
        Some(Value::String(output)) => output,
        Some(output) => output.to_string(),
    };
    let content = vec![ResultPart::Text(Text { text: output, extras: Vec::new() })];
    let extras = vec![Extra { name: ITEM.into(), value: whole.to_string() }];
    Ok(ToolResult { call_id, name: None, failed: whole["status"] == "failed", content, extras })
}

/// The name of the tool that is called, as other providers read it. The extra of the namespace stays with it.
fn name(item: &mut Fields) -> Result<String, Fault> {
    let name = item.string("name")?;
    Ok(match item.peek(NAMESPACE).and_then(Value::as_str) {
        Some(namespace) => flat_name(namespace, &name),
        None => name,
    })
}

fn call(mut item: Fields) -> Result<ToolCall, Fault> {
    let id = item.string("call_id")?;
    let name = name(&mut item)?;
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
