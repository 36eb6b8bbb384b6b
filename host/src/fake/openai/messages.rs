//! The rules for messages, and what is read from them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::answer::{Asked, join};
use super::rules::{Wrong, missing, unknown, wrong};

const CALL_ID_CHARS_MAX: usize = 40;
const UNANSWERED: &str =
    "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'.";
/// Role, the fields it has beside `role` and `content`, and the types of its content's parts. `annotations` and `parsed`
/// belong to replies, but the SDKs send replies back as they came.
const ROLES: &[(&str, &[&str], &[&str])] = &[
    ("system", &["name"], &["text"]),
    ("developer", &["name"], &["text"]),
    ("user", &["name"], &["text", "image_url", "input_audio", "file"]),
    (
        "assistant",
        &["name", "refusal", "audio", "tool_calls", "function_call", "annotations", "parsed"],
        &["text", "refusal"],
    ),
    ("tool", &["tool_call_id"], &["text"]),
    ("function", &["name"], &["text"]),
];

pub fn check(body: &Value, asked: &mut Asked) -> Result<(), Wrong> {
    let Some(messages) = body["messages"].as_array() else { return missing("messages") };
    if messages.is_empty() {
        return wrong(
            "messages",
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        );
    }
    let mut open: Vec<&str> = Vec::new();
    for (position, message) in messages.iter().enumerate() {
        let at = format!("messages[{position}]");
        let role = check_shape(&at, message)?;
        if role != "tool" && !open.is_empty() {
            return wrong(
                at,
                format!("{UNANSWERED} The following tool_call_ids did not have response messages: {}", open.join(", ")),
            );
        }
        match role {
            "assistant" => {
                open = check_assistant(&at, message)?;
                asked.user.clear();
                asked.results.clear();
                asked.images.clear();
            }
            "tool" => {
                let id = message["tool_call_id"].as_str().unwrap_or_default();
                let Some(known) = open.iter().position(|open| *open == id) else {
                    return wrong(
                        at,
                        "Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls'.",
                    );
                };
                open.remove(known);
                asked.results.push(text_of(&message["content"]));
            }
            "user" => {
                asked.user = join(&asked.user, &text_of(&message["content"]));
                read_images(&at, message, asked)?;
            }
            "system" | "developer" => asked.system = join(&asked.system, &text_of(&message["content"])),
            _ => {}
        }
    }
    if !open.is_empty() {
        return wrong(
            "messages",
            format!("{UNANSWERED} The following tool_call_ids did not have response messages: {}", open.join(", ")),
        );
    }
    Ok(())
}

/// The text of a string or of a list of parts.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

/// Role, fields and parts are such as the API knows.
fn check_shape<'a>(at: &str, message: &'a Value) -> Result<&'a str, Wrong> {
    let Some(role) = message["role"].as_str() else { return missing(format!("{at}.role")) };
    let Some((_, fields, parts)) = ROLES.iter().find(|(known, ..)| *known == role) else {
        let known: Vec<_> = ROLES.iter().map(|(known, ..)| *known).collect();
        return wrong(
            format!("{at}.role"),
            format!("Invalid value: '{role}'. Supported values are: '{}'.", known.join("', '")),
        );
    };
    let mut given = message.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    if let Some(name) = given.find(|name| !["role", "content"].contains(name) && !fields.contains(name)) {
        return unknown(format!("{at}.{name}"));
    }
    match &message["content"] {
        Value::String(_) => {}
        Value::Array(content) if content.is_empty() => {
            return wrong(format!("{at}.content"), format!("Invalid '{at}.content': empty array."));
        }
        Value::Array(content) => {
            for (position, part) in content.iter().enumerate() {
                check_part(&format!("{at}.content[{position}]"), parts, part)?;
            }
        }
        Value::Null if role == "assistant" => {}
        _ => return wrong(format!("{at}.content"), "Invalid value for 'content': expected a string, got null."),
    }
    Ok(role)
}

fn check_part(at: &str, allowed: &[&str], part: &Value) -> Result<(), Wrong> {
    let Some(kind) = part["type"].as_str() else { return missing(format!("{at}.type")) };
    if !allowed.contains(&kind) {
        let supported = allowed.join("', '");
        return wrong(format!("{at}.type"), format!("Invalid value: '{kind}'. Supported values are: '{supported}'."));
    }
    let mut given = part.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    if let Some(name) = given.find(|name| !["type", kind, "prompt_cache_breakpoint"].contains(name)) {
        return unknown(format!("{at}.{name}"));
    }
    if kind == "text" && !part["text"].is_string() {
        return missing(format!("{at}.text"));
    }
    Ok(())
}

/// The ids of its calls, which want answers.
fn check_assistant<'a>(at: &str, message: &'a Value) -> Result<Vec<&'a str>, Wrong> {
    let calls = message["tool_calls"].as_array();
    if calls.is_some_and(Vec::is_empty) {
        let at = format!("{at}.tool_calls");
        return wrong(at.clone(), format!("Invalid '{at}': empty array. Expected an array with minimum length 1."));
    }
    let says = ["content", "refusal", "function_call", "audio"].iter().any(|field| !message[*field].is_null());
    if calls.is_none() && !says {
        return wrong(format!("{at}.content"), "Invalid value for 'content': expected a string, got null.");
    }
    let mut ids = Vec::new();
    for (position, call) in calls.into_iter().flatten().enumerate() {
        let at = format!("{at}.tool_calls[{position}]");
        let id = call["id"].as_str().unwrap_or_default();
        if id.is_empty() {
            return missing(format!("{at}.id"));
        }
        if id.len() > CALL_ID_CHARS_MAX {
            let expected = "string too long. Expected a string with maximum length 40";
            let text = format!("Invalid '{at}.id': {expected}, but got a string with length {} instead.", id.len());
            return wrong(format!("{at}.id"), text);
        }
        if ids.contains(&id) {
            return wrong(format!("{at}.id"), format!("Duplicate value for 'tool_call_id' of '{id}' in '{at}'."));
        }
        match call["type"].as_str() {
            Some("custom") => {}
            Some("function") => check_function(&at, &call["function"])?,
            _ => return missing(format!("{at}.type")),
        }
        ids.push(id);
    }
    Ok(ids)
}

fn check_function(at: &str, function: &Value) -> Result<(), Wrong> {
    if function["name"].as_str().is_none_or(str::is_empty) {
        return missing(format!("{at}.function.name"));
    }
    if !function["arguments"].is_string() {
        let at = format!("{at}.function.arguments");
        return wrong(at.clone(), format!("Invalid type for '{at}': expected a string."));
    }
    Ok(())
}

fn read_images(at: &str, message: &Value, asked: &mut Asked) -> Result<(), Wrong> {
    let parts = message["content"].as_array().into_iter().flatten().enumerate();
    for (position, part) in parts.filter(|(_, part)| part["type"] == "image_url") {
        let at = format!("{at}.content[{position}].image_url.url");
        let Some(url) = part["image_url"]["url"].as_str() else { return missing(at) };
        asked.images.push(described(url).or_else(|message| wrong(at, message))?);
    }
    Ok(())
}

/// An image in words, of a `data:` URL or another one.
pub fn described(url: &str) -> Result<String, &'static str> {
    let Some(data) = url.strip_prefix("data:") else {
        let fits = url.starts_with("https://") || url.starts_with("http://");
        return if fits { Ok(format!("at {url}")) } else { Err("Invalid image URL: expected a valid URL.") };
    };
    let (kind, data) = data.split_once(";base64,").unwrap_or_default();
    match STANDARD.decode(data) {
        Ok(bytes) if !bytes.is_empty() && kind.starts_with("image/") => {
            Ok(format!("of {} bytes ({kind})", bytes.len()))
        }
        _ => Err("Invalid base64 image_url."),
    }
}
