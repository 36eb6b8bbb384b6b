//! Messages from another protocol. OpenAI wants every tool call answered, by messages of their own, before anything
//! else is said; and it takes no images in those answers.

use std::collections::BTreeMap;

use super::{Terms, content, media, put_thoughts, takes_thought, text_part, tools, unsupported};
use crate::ids;
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{Message, Part, ResultPart, Role, ToolCall, ToolResult};
use serde_json::{Map, Value, json};

/// OpenAI has no flag for a tool that failed.
const FAILED_MARK: &str = "The tool failed. ";

pub fn wire(terms: &Terms, messages: Vec<Message>) -> Result<Vec<Value>, Fault> {
    let mut transcript = Transcript::begin(terms);
    for (position, message) in messages.into_iter().enumerate() {
        let at = format!("messages[{position}]");
        match message.role {
            Role::System => transcript.system(&at, message.parts)?,
            Role::User => transcript.user(&at, message.parts)?,
            Role::Assistant => transcript.assistant(&at, message.parts)?,
        }
    }
    transcript.settle();
    Ok(transcript.said)
}

/// One turn is open: what the assistant said, the answers to its calls, and what follows them. It is settled in that
/// order, whatever order it came in.
struct Transcript<'a> {
    terms: &'a Terms<'a>,
    said: Vec<Value>,
    /// What the assistant says in the open turn; several messages in a row are one.
    texts: Vec<String>,
    thoughts: String,
    calls: Vec<Value>,
    /// The position of the first call with each id.
    call_ids: BTreeMap<String, usize>,
    assistant_spoke: bool,
    /// By the position of the call that each answers.
    results: Vec<(usize, Value)>,
    after: Vec<Value>,
}

impl<'a> Transcript<'a> {
    fn begin(terms: &'a Terms<'a>) -> Self {
        Transcript {
            terms,
            said: Vec::new(),
            texts: Vec::new(),
            thoughts: String::new(),
            calls: Vec::new(),
            call_ids: BTreeMap::new(),
            assistant_spoke: false,
            results: Vec::new(),
            after: Vec::new(),
        }
    }

    fn system(&mut self, at: &str, parts: Vec<Part>) -> Result<(), Fault> {
        let mut texts = Vec::new();
        for (position, part) in parts.into_iter().enumerate() {
            let Part::Text(text) = part else {
                return Err(unsupported(format!("{at}.content[{position}]"), "a system message holds only text"));
            };
            texts.push(text_part(text.text));
        }
        self.after.push(json!({"role": "system", "content": content(texts)}));
        Ok(())
    }

    fn assistant(&mut self, at: &str, parts: Vec<Part>) -> Result<(), Fault> {
        if !self.results.is_empty() || !self.after.is_empty() {
            self.settle();
        }
        self.assistant_spoke = true;
        for (position, part) in parts.into_iter().enumerate() {
            match part {
                Part::Text(text) if text.text.is_empty() => {}
                Part::Text(text) => self.texts.push(text.text),
                Part::ToolCall(call) => self.call(&format!("{at}.content[{position}]"), call)?,
                Part::Reasoning(thought) if takes_thought(self.terms, &thought) => {
                    self.thoughts.push_str(&thought.text)
                }
                // OpenAI has no field for thoughts, and as text they would be the answer.
                Part::Reasoning(_) => {}
                Part::Media(_) | Part::ToolResult(_) => {
                    let field = format!("{at}.content[{position}]");
                    return Err(unsupported(field, "OpenAI takes only text and tool calls from the assistant"));
                }
            }
        }
        Ok(())
    }

    fn call(&mut self, at: &str, call: ToolCall) -> Result<(), Fault> {
        if !tools::is_name(&call.name) {
            return Err(unsupported(
                format!("{at}.name"),
                "a call in the history has a name that OpenAI does not take",
            ));
        }
        let id = ids::call(&call.id);
        let arguments = if call.arguments.is_empty() { "{}".into() } else { call.arguments };
        let function = json!({"name": call.name, "arguments": arguments});
        self.calls.push(json!({"id": id, "type": "function", "function": function}));
        self.call_ids.entry(id).or_insert(self.calls.len() - 1);
        Ok(())
    }

    fn user(&mut self, at: &str, parts: Vec<Part>) -> Result<(), Fault> {
        let only_results = !parts.is_empty();
        let mut said = Vec::new();
        for (position, part) in parts.into_iter().enumerate() {
            let at = format!("{at}.content[{position}]");
            match part {
                Part::Text(text) => said.push(text_part(text.text)),
                Part::Media(media) => said.push(media::part(self.terms, &at, media)?),
                Part::ToolResult(result) => said.extend(self.result(&at, result)?),
                Part::Reasoning(_) | Part::ToolCall(_) => {
                    return Err(unsupported(at, "only the assistant thinks and calls tools"));
                }
            }
        }
        if !said.is_empty() || !only_results {
            self.after.push(json!({"role": "user", "content": content(said)}));
        }
        Ok(())
    }

    /// Keeps the answer's text and gives back what must be said after it: its images, with a word on whose they are.
    fn result(&mut self, at: &str, result: ToolResult) -> Result<Vec<Value>, Fault> {
        let id = ids::call(&result.call_id);
        let mut texts = Vec::new();
        let mut attachments = Vec::new();
        for (position, part) in result.content.into_iter().enumerate() {
            match part {
                ResultPart::Text(text) => texts.push(text.text),
                ResultPart::Media(media) => {
                    attachments.push(media::part(self.terms, &format!("{at}.content[{position}]"), media)?);
                }
            }
        }
        if !attachments.is_empty() {
            texts.push("(What the tool returned follows in the next message.)".into());
            attachments.insert(0, text_part(format!("Returned by tool call {id}:")));
        }
        let mark = if result.failed { FAILED_MARK } else { "" };
        let text = format!("{mark}{}", texts.join("\n"));
        let call = self.call_ids.get(&id).copied().unwrap_or(usize::MAX);
        self.results.push((call, json!({"role": "tool", "tool_call_id": id, "content": text})));
        Ok(attachments)
    }

    fn settle(&mut self) {
        let texts: Vec<Value> = self.texts.drain(..).map(text_part).collect();
        let (calls, thoughts) = (std::mem::take(&mut self.calls), std::mem::take(&mut self.thoughts));
        // A turn of nothing but another provider's thoughts leaves no message: an empty one would be the end of the assistant's turn.
        if self.assistant_spoke && !(texts.is_empty() && calls.is_empty() && thoughts.is_empty()) {
            let content = if texts.is_empty() && !calls.is_empty() { Value::Null } else { content(texts) };
            let mut message = Map::new();
            message.insert("role".into(), "assistant".into());
            put_thoughts(self.terms, &mut message, thoughts);
            message.insert("content".into(), content);
            if !calls.is_empty() {
                message.insert("tool_calls".into(), calls.into());
            }
            self.said.push(Value::Object(message));
        }
        self.results.sort_by_key(|(call, _)| *call);
        self.said.extend(self.results.drain(..).map(|(_, message)| message));
        self.said.append(&mut self.after);
        self.call_ids.clear();
        self.assistant_spoke = false;
    }
}
