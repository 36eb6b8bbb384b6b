//! The rules for items, and what is read from them.

use serde_json::Value;

use super::super::Protocol;
use super::super::answer::{Asked, join};
use super::super::openai::rules::{Wrong, missing, unknown, wrong};
use super::super::seal::opened;
use super::parts::{self, check_content, read_images, text_of};

/// The item in which Codex 0.171 offers its tools.
pub const ADDITIONAL_TOOLS: &str = "additional_tools";
/// What Codex 0.171 says of its items to OpenAI alone.
const OF_CODEX: &str = "internal_chat_message_metadata_passthrough";
const CALL_ID_CHARS_MAX: usize = 64;
/// Type, what its id must begin with, its fields. Others are let through.
const ITEMS: &[(&str, &str, &[&str])] = &[
    ("message", "msg", &["type", "id", "role", "content", "status", "phase", OF_CODEX]),
    ("function_call", "fc", &["type", "id", "call_id", "name", "arguments", "status", "namespace", OF_CODEX]),
    ("function_call_output", "", &["type", "id", "call_id", "output", "status", OF_CODEX]),
    ("custom_tool_call", "ctc", &["type", "id", "call_id", "name", "input", "status", "namespace", OF_CODEX]),
    ("custom_tool_call_output", "", &["type", "id", "call_id", "name", "output", "status", OF_CODEX]),
    (ADDITIONAL_TOOLS, "at", &["type", "id", "role", "tools"]),
    ("reasoning", "rs", &["type", "id", "summary", "content", "encrypted_content", "status", OF_CODEX]),
    ("item_reference", "", &["type", "id"]),
];
const OTHERS: &[&str] = &[
    "file_search_call",
    "web_search_call",
    "computer_call",
    "computer_call_output",
    "code_interpreter_call",
    "image_generation_call",
    "local_shell_call",
    "local_shell_call_output",
    "shell_call",
    "shell_call_output",
    "apply_patch_call",
    "apply_patch_call_output",
    "mcp_list_tools",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "compaction",
    "tool_search_call",
    "tool_search_output",
];

/// `continues`: calls that are answered here may have been made in a response before.
pub fn check(input: &Value, continues: bool, asked: &mut Asked) -> Result<(), Wrong> {
    let items = match input {
        Value::Null => return missing("input"),
        Value::String(text) => {
            asked.user.clone_from(text);
            return Ok(());
        }
        Value::Array(items) if !items.is_empty() => items,
        _ => return wrong("input", "Invalid type for 'input': expected one of a string or array of input items."),
    };
    let (mut calls, mut ids): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        let at = format!("input[{index}]");
        let kind = check_shape(&at, item)?;
        if let Some(id) = item["id"].as_str() {
            if ids.contains(&id) {
                return wrong(
                    "input",
                    format!("Duplicate item found with id {id}. Remove duplicate items from your input and try again."),
                );
            }
            ids.push(id);
        }
        match kind {
            "message" => {
                check_message(&at, item)?;
                read(item, asked);
            }
            "reasoning" => {
                check_reasoning(&at, item, items.get(index + 1))?;
                said(asked);
            }
            "function_call" | "custom_tool_call" => {
                calls.push(check_call(&at, item)?);
                said(asked);
            }
            "function_call_output" | "custom_tool_call_output" => {
                let id = check_call_id(&at, item)?;
                match calls.iter().position(|call| *call == id) {
                    Some(known) => drop(calls.remove(known)),
                    None if continues => {}
                    None => {
                        let message = format!("No tool call found for function call output with call_id {id}.");
                        return wrong("input", message);
                    }
                }
                let text = check_output(&at, &item["output"], asked)?;
                asked.results.push(text);
            }
            // Those that are known were replaced: see `Kept`.
            "item_reference" => {
                return Err(not_found(item["id"].as_str().unwrap_or_default()));
            }
            _ => {}
        }
    }
    match calls.first() {
        Some(id) => wrong("input", format!("No tool output found for function call {id}.")),
        None => Ok(()),
    }
}

pub fn not_found(id: &str) -> Wrong {
    let why = "Items are not persisted when `store` is set to false. Try again with `store` set to true, or remove this item \
               from your input.";
    let message = format!("Item with id '{id}' not found. {why}");
    Wrong { status: 404, param: Some("input".to_owned()), message, code: None }
}

/// What came before something of the model's own is no longer the last turn.
fn said(asked: &mut Asked) {
    asked.user.clear();
    asked.results.clear();
    asked.images.clear();
}

/// The type, of an item with known fields and a fitting id.
fn check_shape<'a>(at: &str, item: &'a Value) -> Result<&'a str, Wrong> {
    let Some(object) = item.as_object() else {
        return wrong(at, format!("Invalid type for '{at}': expected an object."));
    };
    let kind = match item["type"].as_str() {
        Some(kind) => kind,
        None if item.get("role").is_some() => "message",
        None if item["id"].is_string() => "item_reference",
        None => return missing(format!("{at}.type")),
    };
    let Some((_, prefix, fields)) = ITEMS.iter().find(|(known, ..)| *known == kind) else {
        if OTHERS.contains(&kind) {
            return Ok(kind);
        }
        let known =
            ITEMS.iter().map(|(known, ..)| *known).chain(OTHERS.iter().copied()).collect::<Vec<_>>().join("', '");
        return wrong(format!("{at}.type"), format!("Invalid value: '{kind}'. Supported values are: '{known}'."));
    };
    if let Some(name) = object.keys().find(|name| !fields.contains(&name.as_str())) {
        return unknown(format!("{at}.{name}"));
    }
    match &item["id"] {
        Value::Null => {}
        Value::String(id) if id.starts_with(prefix) => {}
        id => {
            let id = id.as_str().unwrap_or_default();
            let message = format!("Invalid '{at}.id': '{id}'. Expected an ID that begins with '{prefix}'.");
            return wrong(format!("{at}.id"), message);
        }
    }
    Ok(kind)
}

fn check_message(at: &str, item: &Value) -> Result<(), Wrong> {
    let role = item["role"].as_str().unwrap_or_default();
    if !["user", "assistant", "system", "developer"].contains(&role) {
        let known = "Supported values are: 'assistant', 'system', 'developer', and 'user'.";
        return wrong(format!("{at}.role"), format!("Invalid value: '{role}'. {known}"));
    }
    let allowed = if role == "assistant" { parts::OUTPUT } else { parts::INPUT };
    check_content(&format!("{at}.content"), &item["content"], allowed)
}

/// Reasoning is understood only by who did it, and only in front of what it led to.
fn check_reasoning(at: &str, item: &Value, next: Option<&Value>) -> Result<(), Wrong> {
    if !item["summary"].is_array() {
        return missing(format!("{at}.summary"));
    }
    let id = item["id"].as_str().unwrap_or_default();
    let Some(sealed) = item["encrypted_content"].as_str() else { return Err(not_found(id)) };
    let opened = opened(Protocol::OpenAiResponses, sealed);
    if opened.is_none_or(|owner| !id.is_empty() && owner != id) {
        let reason = "Encrypted content could not be decrypted or parsed.";
        let message = format!("The encrypted content for item {id} could not be verified. Reason: {reason}");
        return Err(Wrong { status: 400, param: None, message, code: Some("invalid_encrypted_content") });
    }
    let followed = next
        .is_some_and(|next| next["role"] == "assistant" || !next["call_id"].is_null() || next["type"] == "reasoning");
    if !followed || next.is_some_and(|next| next["type"].as_str().is_some_and(|kind| kind.ends_with("_output"))) {
        return wrong(
            "input",
            format!("Item '{id}' of type 'reasoning' was provided without its required following item."),
        );
    }
    Ok(())
}

fn check_call<'a>(at: &str, item: &'a Value) -> Result<&'a str, Wrong> {
    let id = check_call_id(at, item)?;
    if item["name"].as_str().is_none_or(str::is_empty) {
        return missing(format!("{at}.name"));
    }
    let field = if item["type"] == "custom_tool_call" { "input" } else { "arguments" };
    if !item[field].is_string() {
        let message = format!("Invalid type for '{at}.{field}': expected a string.");
        return wrong(format!("{at}.{field}"), message);
    }
    Ok(id)
}

fn check_call_id<'a>(at: &str, item: &'a Value) -> Result<&'a str, Wrong> {
    let id = item["call_id"].as_str().unwrap_or_default();
    let at = format!("{at}.call_id");
    if id.is_empty() {
        return missing(at);
    }
    if id.len() > CALL_ID_CHARS_MAX {
        let expected = "string too long. Expected a string with maximum length 64";
        let message = format!("Invalid '{at}': {expected}, but got a string with length {} instead.", id.len());
        return Err(Wrong { status: 400, param: Some(at), message, code: Some("string_above_max_length") });
    }
    Ok(id)
}

/// The text of a result.
fn check_output(at: &str, output: &Value, asked: &mut Asked) -> Result<String, Wrong> {
    check_content(&format!("{at}.output"), output, parts::INPUT)?;
    read_images(output, asked);
    Ok(text_of(output))
}

fn read(item: &Value, asked: &mut Asked) {
    let text = text_of(&item["content"]);
    match item["role"].as_str() {
        Some("assistant") => said(asked),
        Some("user") => {
            asked.user = join(&asked.user, &text);
            read_images(&item["content"], asked);
        }
        _ => asked.system = join(&asked.system, &text),
    }
}
