//! The rules for messages, and what is read from them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::answer::{Asked, join};
use super::SIGNATURE;
use super::pairs::Calls;
use super::rules::Age;

const EMPTY: &str = "text content blocks must be non-empty";
const BLANK: &str = "text content blocks must contain non-whitespace text";
/// What is said with 404 of a file that was never there, or is no more: here those whose id begins with `file_gone`.
pub const NO_FILE: &str = "File not found: ";
const MEDIA_TYPES: &[&str] = &["image/png", "image/jpeg", "image/gif", "image/webp"];
/// The fields of the blocks that adapters write. Others are let through.
const BLOCK_FIELDS: &[(&str, &[&str])] = &[
    ("text", &["text", "cache_control", "citations"]),
    ("image", &["source", "cache_control", "transformations"]),
    ("tool_use", &["id", "name", "input", "cache_control", "caller", "toolset_name"]),
    ("tool_result", &["tool_use_id", "content", "is_error", "cache_control", "toolset_name"]),
    ("thinking", &["thinking", "signature"]),
    ("redacted_thinking", &["data"]),
];

/// Where a block stands.
struct Place<'a> {
    at: &'a str,
    role: &'a str,
    newest_version: bool,
}

pub fn check(body: &Value, newest_version: bool, asked: &mut Asked) -> Result<(), String> {
    let messages = body["messages"].as_array().filter(|messages| !messages.is_empty());
    let messages = messages.ok_or("messages: at least one message is required")?;
    let continues = body["thread"]["type"] == "continue";
    let (mut calls, mut after_user) = (Calls::beginning(continues), false);
    for (position, message) in messages.iter().enumerate() {
        let at = format!("messages.{position}");
        let role = check_role(&at, message, position, &asked.model)?;
        let is_last = position + 1 == messages.len();
        let blocks = blocks(&at, message, is_last && role == "assistant")?;
        calls.check(&at, role, &blocks)?;
        for (block_position, block) in blocks.iter().enumerate() {
            let at = format!("{at}.content.{block_position}");
            check_block(&Place { at: &at, role, newest_version }, block)?;
        }
        match role {
            "user" => read_user(asked, &blocks, after_user),
            "system" => asked.system = join(&asked.system, &text_of(&message["content"])),
            _ if is_last => check_prefill(&asked.model, &blocks)?,
            _ => {}
        }
        after_user = role != "assistant" && (after_user || role == "user");
    }
    calls.check_end()?;
    if body["thinking"]["type"] == "enabled" && !asked.results.is_empty() {
        return check_thought(messages);
    }
    Ok(())
}

/// `system` beside the messages: a string or text blocks.
pub fn check_system(system: &Value) -> Result<(), String> {
    for (position, block) in system.as_array().into_iter().flatten().enumerate() {
        if block["type"] != "text" {
            return Err(format!("system.{position}.type: Input should be 'text'"));
        }
        check_block(&Place { at: &format!("system.{position}"), role: "user", newest_version: false }, block)?;
    }
    if system.is_number() || system.is_boolean() || system.is_object() {
        return Err("system: Input should be a valid list".to_owned());
    }
    Ok(())
}

/// The text of a string or of a list of blocks.
pub fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => blocks.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

/// Of letters that names and ids may have.
pub fn is_legal(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

fn check_role<'a>(at: &str, message: &'a Value, position: usize, model: &str) -> Result<&'a str, String> {
    let fields = message.as_object().ok_or(format!("{at}: Input should be a valid dictionary"))?;
    // Claude Code 2.1.332 says with its messages of the system what holds from there on.
    let known: &[&str] = match message["role"].as_str() {
        Some("system") => &["role", "content", "output_config"],
        _ => &["role", "content"],
    };
    if let Some(unknown) = fields.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("{at}.{unknown}: Extra inputs are not permitted"));
    }
    match message["role"].as_str() {
        Some("system") if !Age::of(model).may_take_system() => {
            Err(format!("{at}.role: role 'system' is not supported on this model"))
        }
        Some("assistant" | "system") if position == 0 => {
            Err("messages: first message must use the \"user\" role".to_owned())
        }
        Some(role @ ("user" | "assistant" | "system")) => Ok(role),
        Some(_) => Err(format!("{at}.role: Input should be 'user' or 'assistant'")),
        None => Err(format!("{at}.role: Field required")),
    }
}

fn blocks(at: &str, message: &Value, may_be_empty: bool) -> Result<Vec<Value>, String> {
    let blocks = match &message["content"] {
        Value::String(text) if text.is_empty() => Vec::new(),
        Value::String(text) => vec![json!({ "type": "text", "text": text })],
        Value::Array(blocks) => blocks.clone(),
        Value::Null => return Err(format!("{at}.content: Field required")),
        _ => return Err(format!("{at}.content: Input should be a valid list")),
    };
    if blocks.is_empty() && !may_be_empty {
        let rule = "all messages must have non-empty content except for the optional final assistant message";
        return Err(format!("{at}: {rule}"));
    }
    Ok(blocks)
}

fn check_block(place: &Place<'_>, block: &Value) -> Result<(), String> {
    let at = place.at;
    let kind = block["type"].as_str().ok_or(format!("{at}.type: Field required"))?;
    if let Some((_, fields)) = BLOCK_FIELDS.iter().find(|(name, _)| *name == kind) {
        let mut given = block.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        if let Some(unknown) = given.find(|name| *name != "type" && !fields.contains(name)) {
            return Err(format!("{at}.{kind}.{unknown}: Extra inputs are not permitted"));
        }
    }
    let (only_user, only_assistant) = (["image", "tool_result"], ["tool_use", "thinking", "redacted_thinking"]);
    if place.role != "user" && only_user.contains(&kind) || place.role != "assistant" && only_assistant.contains(&kind)
    {
        return Err(format!("{at}: `{kind}` blocks are not permitted in {} messages", place.role));
    }
    if let Some(file) = block["source"]["file_id"].as_str().filter(|file| file.starts_with("file_gone")) {
        return Err(format!("{NO_FILE}{file}"));
    }
    let signature = block["signature"].as_str().unwrap_or_default();
    match kind {
        "text" => check_text(place, block),
        "image" => check_image(at, &block["source"]),
        "tool_use" if !block["input"].is_object() => {
            Err(format!("{at}.tool_use.input: Input should be a valid dictionary"))
        }
        "tool_use" if block["name"].as_str().is_none_or(str::is_empty) => {
            Err(format!("{at}.tool_use.name: Field required"))
        }
        "tool_result" => check_result(place, &block["content"]),
        "thinking" if !signature.starts_with(SIGNATURE) => {
            Err(format!("{at}: Invalid `signature` in `thinking` block"))
        }
        "redacted_thinking" if block["data"].as_str().is_none_or(|data| data.starts_with("pointsman:")) => {
            Err(format!("{at}: Invalid `data` in `redacted_thinking` block"))
        }
        "document" if place.role == "assistant" && place.newest_version => {
            Err(format!("{at}: `document` blocks are not permitted in assistant messages"))
        }
        _ => Ok(()),
    }
}

fn check_text(place: &Place<'_>, block: &Value) -> Result<(), String> {
    let at = place.at;
    let text = block["text"].as_str().ok_or(format!("{at}.text.text: Field required"))?;
    if text.is_empty() {
        return Err(format!("{at}.text: {EMPTY}"));
    }
    if text.trim().is_empty() {
        return Err(format!("{at}.text: {BLANK}"));
    }
    let cited = block["citations"].as_array().is_some_and(|citations| !citations.is_empty());
    if cited && place.role == "user" && place.newest_version {
        return Err(format!("{at}.text.citations: citations are not permitted in user messages"));
    }
    Ok(())
}

fn check_result(place: &Place<'_>, content: &Value) -> Result<(), String> {
    for (position, block) in content.as_array().into_iter().flatten().enumerate() {
        let at = format!("{}.tool_result.content.{position}", place.at);
        check_block(&Place { at: &at, role: "user", newest_version: place.newest_version }, block)?;
    }
    Ok(())
}

fn check_image(at: &str, source: &Value) -> Result<(), String> {
    match source["type"].as_str() {
        Some("base64") => {
            if !MEDIA_TYPES.contains(&source["media_type"].as_str().unwrap_or_default()) {
                let known = MEDIA_TYPES.join("', '");
                return Err(format!("{at}.image.source.base64.media_type: Input should be one of '{known}'"));
            }
            let data = source["data"].as_str().unwrap_or_default();
            if !STANDARD.decode(data).is_ok_and(|bytes| !bytes.is_empty()) {
                return Err(format!("{at}.image.source.base64.data: Invalid base64 data"));
            }
            Ok(())
        }
        Some("url") if source["url"].as_str().is_none_or(|url| !url.starts_with("https://")) => {
            Err(format!("{at}.image.source.url.url: Only HTTPS URLs are supported."))
        }
        Some(_) => Ok(()),
        None => Err(format!("{at}.image.source: Field required")),
    }
}

/// A final assistant message is the beginning of the answer.
fn check_prefill(model: &str, blocks: &[Value]) -> Result<(), String> {
    if Age::of(model).is_newest() {
        return Err("messages: This model does not support assistant message prefill.".to_owned());
    }
    let ends = blocks.last().and_then(|block| block["text"].as_str()).unwrap_or_default();
    if ends.ends_with(char::is_whitespace) {
        return Err("messages: final assistant content cannot end with trailing whitespace".to_owned());
    }
    Ok(())
}

/// A turn that calls tools must begin with a thought. The turn has all that was said since the user's last words; results
/// of tools are none, and its later messages need no thought.
fn check_thought(messages: &[Value]) -> Result<(), String> {
    let has_results = |message: &Value| {
        message["content"].as_array().into_iter().flatten().any(|block| block["type"] == "tool_result")
    };
    let is_in_turn = |(_, message): &(usize, &Value)| message["role"] != "user" || has_results(message);
    let turn = messages.iter().enumerate().rev().take_while(is_in_turn);
    let Some((position, first)) = turn.filter(|(_, message)| message["role"] == "assistant").last() else {
        return Ok(());
    };
    match first["content"][0]["type"].as_str() {
        Some("thinking" | "redacted_thinking") => Ok(()),
        found => {
            let found = found.unwrap_or("text");
            let rule = "When `thinking` is enabled, a final `assistant` message must start with a thinking block";
            Err(format!(
                "messages.{position}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{found}`. {rule}."
            ))
        }
    }
}

/// Only the last user turn is left in the end; the API makes one turn of user messages that follow one another.
fn read_user(asked: &mut Asked, blocks: &[Value], continued: bool) {
    if !continued {
        asked.user.clear();
        asked.results.clear();
        asked.images.clear();
    }
    for block in blocks {
        match block["type"].as_str() {
            Some("text") => asked.user = join(&asked.user, block["text"].as_str().unwrap_or_default()),
            Some("image") => asked.images.extend(described(block)),
            Some("tool_result") => {
                asked.results.push(text_of(&block["content"]));
                let inner = block["content"].as_array().into_iter().flatten();
                asked.images.extend(inner.filter(|block| block["type"] == "image").filter_map(described));
            }
            _ => {}
        }
    }
}

fn described(image: &Value) -> Option<String> {
    let source = &image["source"];
    if let Some(url) = source["url"].as_str() {
        return Some(format!("at {url}"));
    }
    let bytes = STANDARD.decode(source["data"].as_str()?).ok()?.len();
    Some(format!("of {bytes} bytes ({})", source["media_type"].as_str()?))
}
