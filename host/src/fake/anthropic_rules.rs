//! What the Messages API refuses, in its own words.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::answer::Asked;
use super::anthropic::refused;
use super::reply::Refused;
use super::server::Seen;

const FIELDS: &[&str] = &[
    "model",
    "max_tokens",
    "messages",
    "system",
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "metadata",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "context_management",
    "mcp_servers",
    "container",
    "service_tier",
    "speed",
    "inference_geo",
    "cache_control",
    "diagnostics",
];
/// Models that take `role: "system"` inside `messages` are newer than these.
const OLD_MODELS: &[&str] =
    &["claude-3", "claude-sonnet-4", "claude-haiku-4", "claude-opus-4-0", "claude-opus-4-1", "claude-opus-4-5"];

pub fn check(seen: &Seen, body: &Value) -> Result<Asked, Refused> {
    let bad = |message: &str| refused(400, "invalid_request_error", message);
    let bearer = seen.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let key = seen.header("x-api-key").or(bearer).unwrap_or_default();
    if key.is_empty() || key.starts_with("bad-") {
        return Err(refused(401, "authentication_error", "invalid x-api-key"));
    }
    let version = seen.header("anthropic-version").ok_or_else(|| bad("anthropic-version: header is required"))?;
    let object = body.as_object().ok_or_else(|| bad("The request body is not valid JSON"))?;
    if let Some(unknown) = object.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(bad(&format!("{unknown}: Extra inputs are not permitted")));
    }
    let model = body["model"].as_str().ok_or_else(|| bad("model: Field required"))?;
    if model.contains("no-such-model") {
        return Err(refused(404, "not_found_error", &format!("model: {model}")));
    }
    let max_tokens =
        body["max_tokens"].as_u64().filter(|max| *max >= 1).ok_or_else(|| bad("max_tokens: Field required"))?;
    if let Some(temperature) = body.get("temperature") {
        if version == "2026-10-21" {
            return Err(bad("temperature: Extra inputs are not permitted"));
        }
        if !temperature.as_f64().is_some_and(|value| (0.0..=1.0).contains(&value)) {
            return Err(bad("temperature: range: 0..1"));
        }
    }
    let mut asked = Asked {
        model: model.to_owned(),
        stream: body["stream"] == true,
        max_tokens: Some(max_tokens),
        system: text_of(&body["system"]),
        schema: body["output_config"]["format"].get("schema").cloned(),
        thinking: matches!(body["thinking"]["type"].as_str(), Some("enabled" | "adaptive")),
        stop: strings(&body["stop_sequences"]),
        input_chars: body["messages"].to_string().len(),
        ..Asked::default()
    };
    check_thinking(body, max_tokens).map_err(|text| bad(&text))?;
    check_tools(body, &mut asked).map_err(|text| bad(&text))?;
    check_messages(body, &mut asked).map_err(|text| bad(&text))?;
    Ok(asked)
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|item| Some(item.as_str()?.to_owned())).collect()
}

/// The text of a string or of a list of blocks.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => blocks.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

fn check_thinking(body: &Value, max_tokens: u64) -> Result<(), String> {
    if body["thinking"]["type"] != "enabled" {
        return Ok(());
    }
    let budget = body["thinking"]["budget_tokens"].as_u64().ok_or("thinking.budget_tokens: Field required")?;
    if budget < 1024 || budget >= max_tokens {
        return Err(
            "`max_tokens` must be greater than `thinking.budget_tokens`, which must be at least 1024".to_owned()
        );
    }
    if body.get("temperature").is_some_and(|temperature| temperature.as_f64() != Some(1.0)) {
        return Err("`temperature` may only be set to 1 when thinking is enabled".to_owned());
    }
    Ok(())
}

fn check_tools(body: &Value, asked: &mut Asked) -> Result<(), String> {
    for (position, tool) in body["tools"].as_array().into_iter().flatten().enumerate() {
        let name = tool["name"].as_str().ok_or(format!("tools.{position}.name: Field required"))?;
        if name.is_empty() || name.len() > 128 || !legal(name) {
            return Err(format!("tools.{position}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"));
        }
        let server_tool = tool["type"].as_str().is_some_and(|kind| kind != "custom");
        if !server_tool && tool["input_schema"]["type"] != "object" {
            return Err(format!("tools.{position}.custom.input_schema.type: Field required"));
        }
        if asked.tools.iter().any(|known| known == name) {
            return Err("tools: Tool names must be unique.".to_owned());
        }
        asked.tools.push(name.to_owned());
    }
    if body.get("tool_choice").is_some() && asked.tools.is_empty() {
        return Err("tool_choice may only be specified while providing tools".to_owned());
    }
    Ok(())
}

fn legal(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

fn check_messages(body: &Value, asked: &mut Asked) -> Result<(), String> {
    let messages = body["messages"].as_array().filter(|messages| !messages.is_empty());
    let messages = messages.ok_or("messages: at least one message is required")?;
    let mut open: Vec<String> = Vec::new();
    for (position, message) in messages.iter().enumerate() {
        let at = format!("messages.{position}");
        let role = message["role"].as_str().unwrap_or_default();
        match role {
            "user" | "assistant" => {}
            "system" if OLD_MODELS.iter().any(|old| asked.model.starts_with(old)) => {
                return Err(format!("{at}.role: role 'system' is not supported on this model"));
            }
            "system" if position > 0 => continue,
            _ => return Err(format!("{at}.role: Input should be 'user' or 'assistant'")),
        }
        if position == 0 && role != "user" {
            return Err("messages: first message must use the \"user\" role".to_owned());
        }
        let blocks = match &message["content"] {
            Value::String(text) => vec![serde_json::json!({ "type": "text", "text": text })],
            Value::Array(blocks) => blocks.clone(),
            _ => return Err(format!("{at}.content: Field required")),
        };
        let last = position + 1 == messages.len();
        if blocks.is_empty() && !(last && role == "assistant") {
            return Err(format!(
                "{at}: all messages must have non-empty content except for the optional final assistant message"
            ));
        }
        check_pairs(&at, role, &blocks, &mut open)?;
        for (block_position, block) in blocks.iter().enumerate() {
            check_block(&format!("{at}.content.{block_position}"), role, block)?;
        }
        if role == "user" {
            read_user(asked, &blocks);
        }
    }
    match open.first() {
        Some(id) => {
            Err(format!("messages: `tool_use` ids were found without `tool_result` blocks immediately after: {id}"))
        }
        None => Ok(()),
    }
}

/// Every call is answered in the next message, and only there.
fn check_pairs(at: &str, role: &str, blocks: &[Value], open: &mut Vec<String>) -> Result<(), String> {
    if role == "assistant" {
        if let Some(id) = open.first() {
            return Err(format!(
                "{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {id}"
            ));
        }
        for block in blocks.iter().filter(|block| block["type"] == "tool_use") {
            let id = block["id"].as_str().unwrap_or_default();
            if id.is_empty() || !legal(id) {
                return Err(format!("{at}: tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"));
            }
            open.push(id.to_owned());
        }
        return Ok(());
    }
    let mut other = false;
    for block in blocks {
        if block["type"] != "tool_result" {
            other = true;
            continue;
        }
        let id = block["tool_use_id"].as_str().unwrap_or_default();
        let Some(position) = open.iter().position(|open| open == id) else {
            return Err(format!("{at}: unexpected `tool_use_id` found in `tool_result` blocks: {id}"));
        };
        if other {
            return Err(format!("{at}: `tool_result` blocks must come before other content"));
        }
        open.remove(position);
    }
    match open.first() {
        Some(id) => {
            Err(format!("{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {id}"))
        }
        None => Ok(()),
    }
}

fn check_block(at: &str, role: &str, block: &Value) -> Result<(), String> {
    match block["type"].as_str().unwrap_or_default() {
        "text" => match block["text"].as_str() {
            Some(text) if text.trim().is_empty() => Err(format!("{at}: text content blocks must be non-empty")),
            Some(_) => Ok(()),
            None => Err(format!("{at}.text: Field required")),
        },
        "image" if block["source"]["type"] == "base64" => {
            let data = block["source"]["data"].as_str().unwrap_or_default();
            let decoded = STANDARD.decode(data).is_ok_and(|bytes| !bytes.is_empty());
            let known = ["image/png", "image/jpeg", "image/gif", "image/webp"];
            let mime = block["source"]["media_type"].as_str().unwrap_or_default();
            if decoded && known.contains(&mime) {
                Ok(())
            } else {
                Err(format!("{at}.source: Invalid base64 image data"))
            }
        }
        "tool_use" if !block["input"].is_object() => Err(format!("{at}.input: Input should be a valid dictionary")),
        "thinking" if block["signature"].as_str().is_none_or(|signature| !signature.starts_with("c2lnbmF0dXJl")) => {
            Err(format!("{at}: Invalid `signature` in `thinking` block"))
        }
        "document" if role == "assistant" => Err(format!("{at}: document blocks are not permitted in assistant turns")),
        "" => Err(format!("{at}.type: Field required")),
        _ => Ok(()),
    }
}

/// Only the last user turn is left in the end.
fn read_user(asked: &mut Asked, blocks: &[Value]) {
    let of = |kind: &'static str| blocks.iter().filter(move |block| block["type"] == kind);
    asked.user = of("text").filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n");
    asked.results = of("tool_result").map(|block| text_of(&block["content"])).collect();
    let size = |block: &Value| {
        STANDARD.decode(block["source"]["data"].as_str().unwrap_or_default()).map_or(0, |data| data.len())
    };
    asked.images = of("image")
        .map(|block| (size(block), block["source"]["media_type"].as_str().unwrap_or_default().to_owned()))
        .collect();
}
