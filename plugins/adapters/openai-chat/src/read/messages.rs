//! Messages. Tool messages become tool results of a user message, several in a row of the same one.

use super::{content, left_of, unsupported};
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{Message, Part, Reasoning, ResultPart, Role, Text, ToolCall, ToolResult};
use pointsman_sdk::freeform;
use pointsman_sdk::json::{self, Fields, wrong};
use serde_json::Value;

pub fn read(top: &mut Fields) -> Result<Vec<Message>, Fault> {
    let items = json::items("messages", top.required("messages")?)?;
    if items.is_empty() {
        return Err(wrong("messages", "at least one message"));
    }
    let mut messages: Vec<Message> = Vec::with_capacity(items.len());
    let mut answers_open = false;
    for (at, item) in items {
        let mut fields = Fields::new(at, item)?;
        let role = fields.string("role")?;
        let message = match role.as_str() {
            // To OpenAI's newer models they are the same.
            "system" | "developer" => system(fields)?,
            "user" => user(fields)?,
            "assistant" => assistant(fields)?,
            "tool" => {
                let result = Part::ToolResult(tool(fields)?);
                match messages.last_mut() {
                    Some(last) if answers_open => last.parts.push(result),
                    _ => messages.push(Message { role: Role::User, parts: vec![result], extras: Vec::new() }),
                }
                answers_open = true;
                continue;
            }
            "function" => {
                return Err(unsupported(fields.at("role"), "function messages are obsolete: use tools"));
            }
            _ => return Err(wrong(fields.at("role"), "system, developer, user, assistant or tool")),
        };
        answers_open = false;
        messages.push(message);
    }
    Ok(messages)
}

fn system(mut fields: Fields) -> Result<Message, Fault> {
    let at = fields.at("content");
    let parts = content::parts(&at, fields.required("content")?)?;
    if let Some(position) = parts.iter().position(|part| !matches!(part, Part::Text(_))) {
        return Err(wrong(format!("{at}[{position}]"), "text"));
    }
    Ok(Message { role: Role::System, parts, extras: fields.rest() })
}

fn user(mut fields: Fields) -> Result<Message, Fault> {
    let parts = content::parts(&fields.at("content"), fields.required("content")?)?;
    Ok(Message { role: Role::User, parts, extras: fields.rest() })
}

fn assistant(mut fields: Fields) -> Result<Message, Fault> {
    if fields.take("function_call").is_some() {
        return Err(unsupported(fields.at("function_call"), "function calls are obsolete: use tool_calls"));
    }
    if fields.take("audio").is_some() {
        return Err(unsupported(fields.at("audio"), "only OpenAI knows the audio that it spoke"));
    }
    let mut parts = Vec::new();
    // Not OpenAI's own: callers give back what another server showed them. Only the first name counts, as in replies.
    let (content_name, plain_name) =
        (fields.optional_string("reasoning_content")?, fields.optional_string("reasoning")?);
    if let Some(text) = content_name.or(plain_name).filter(|text| !text.is_empty()) {
        parts.push(Part::Reasoning(Reasoning { text, signature: None, redacted: None, extras: Vec::new() }));
    }
    if let Some(value) = fields.take("content") {
        parts.extend(content::parts(&fields.at("content"), value)?);
    }
    if let Some(text) = fields.optional_string("refusal")? {
        parts.push(Part::Text(content::refusal(text, Vec::new())));
    }
    for (at, value) in fields.array("tool_calls")? {
        parts.push(Part::ToolCall(call(Fields::new(at, value)?)?));
    }
    Ok(Message { role: Role::Assistant, parts, extras: fields.rest() })
}

fn call(mut fields: Fields) -> Result<ToolCall, Fault> {
    let id = fields.string("id")?;
    let kind = fields.optional_string("type")?;
    if kind.as_deref() == Some(freeform::KIND) {
        return custom_call(id, fields);
    }
    if kind.is_some_and(|kind| kind != "function") {
        return Err(unsupported(fields.at("type"), "other providers have function tools only"));
    }
    let mut function = Fields::new(fields.at("function"), fields.required("function")?)?;
    let name = function.string("name")?;
    let arguments = function.optional_string("arguments")?.unwrap_or_default();
    let mut extras = fields.rest();
    extras.extend(left_of("function", function));
    Ok(ToolCall { id, name, arguments, extras })
}

/// A call of a tool that takes free text.
fn custom_call(id: String, mut fields: Fields) -> Result<ToolCall, Fault> {
    let mut custom = Fields::new(fields.at("custom"), fields.required("custom")?)?;
    let name = custom.string("name")?;
    let arguments = freeform::arguments(&custom.optional_string("input")?.unwrap_or_default());
    let mut extras = fields.rest();
    extras.push(freeform::mark());
    extras.extend(left_of(freeform::KIND, custom));
    Ok(ToolCall { id, name, arguments, extras })
}

fn tool(mut fields: Fields) -> Result<ToolResult, Fault> {
    let call_id = fields.string("tool_call_id")?;
    // Not asked for today, but many callers still say it.
    let name = fields.optional_string("name")?;
    let at = fields.at("content");
    let content = match fields.required("content")? {
        Value::String(text) => vec![ResultPart::Text(Text { text, extras: Vec::new() })],
        list => result_parts(&at, content::parts(&at, list)?)?,
    };
    Ok(ToolResult { call_id, name, failed: false, content, extras: fields.rest() })
}

fn result_parts(at: &str, parts: Vec<Part>) -> Result<Vec<ResultPart>, Fault> {
    let parts = parts.into_iter().enumerate().map(|(position, part)| match part {
        Part::Text(text) => Ok(ResultPart::Text(text)),
        Part::Media(media) => Ok(ResultPart::Media(media)),
        Part::Reasoning(_) | Part::ToolCall(_) | Part::ToolResult(_) => {
            Err(wrong(format!("{at}[{position}]"), "text or an image"))
        }
    });
    parts.collect()
}
