//! What the server refuses, in its own words: mostly what its JSON decoder cannot put anywhere.
//!
//! The true one passes over unknown fields in silence. Here they are refused, so that nothing gets lost unnoticed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::answer::{Asked, Tool, join};

const FIELDS: &[&str] = &[
    "model",
    "messages",
    "stream",
    "format",
    "keep_alive",
    "tools",
    "options",
    "think",
    "truncate",
    "shift",
    "logprobs",
    "top_logprobs",
];
const MESSAGE: &[&str] = &["role", "content", "thinking", "images", "tool_calls", "tool_name", "tool_call_id"];
const ROLES: &[&str] = &["system", "user", "assistant", "tool"];
/// Options and what they hold.
const OPTIONS: &[(&str, &str)] = &[
    ("num_keep", "integer"),
    ("seed", "integer"),
    ("num_predict", "integer"),
    ("top_k", "integer"),
    ("top_p", "float32"),
    ("min_p", "float32"),
    ("typical_p", "float32"),
    ("repeat_last_n", "integer"),
    ("temperature", "float32"),
    ("repeat_penalty", "float32"),
    ("presence_penalty", "float32"),
    ("frequency_penalty", "float32"),
    ("stop", "array"),
    ("num_ctx", "integer"),
    ("num_batch", "integer"),
    ("num_gpu", "integer"),
    ("main_gpu", "integer"),
    ("use_mmap", "boolean"),
    ("num_thread", "integer"),
];

pub fn check(body: &Value) -> Result<Asked, String> {
    check_fields(body, FIELDS, "missing request body")?;
    let model = body["model"].as_str().filter(|model| !model.is_empty()).ok_or("model is required")?;
    let options = &body["options"];
    check_options(options)?;
    let mut asked = Asked {
        model: model.to_owned(),
        stream: check_truth(&body["stream"], "stream")?.unwrap_or(true),
        thinking: check_think(&body["think"])?,
        max_tokens: options["num_predict"].as_u64(),
        stop: options["stop"].as_array().into_iter().flatten().filter_map(|stop| Some(stop.as_str()?.into())).collect(),
        input_chars: body["messages"].to_string().len(),
        ..Asked::default()
    };
    check_format(&body["format"], &mut asked)?;
    check_tools(&body["tools"], &mut asked)?;
    for message in list(&body["messages"], "messages", "[]api.Message")? {
        check_message(message)?;
        read(message, &mut asked);
    }
    Ok(asked)
}

pub fn check_fields(value: &Value, known: &[&str], otherwise: &str) -> Result<(), String> {
    let object = value.as_object().ok_or(otherwise)?;
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(format!("json: unknown field \"{name}\"")),
        None => Ok(()),
    }
}

/// As Go's decoder says it.
fn misfit<T>(value: &Value, field: &str, wanted: &str) -> Result<T, String> {
    let given = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    Err(format!("json: cannot unmarshal {given} into Go struct field ChatRequest.{field} of type {wanted}"))
}

fn list<'a>(value: &'a Value, field: &str, wanted: &str) -> Result<&'a [Value], String> {
    match value {
        Value::Array(list) => Ok(list),
        Value::Null => Ok(&[]),
        _ => misfit(value, field, wanted),
    }
}

fn check_truth(value: &Value, field: &str) -> Result<Option<bool>, String> {
    match value {
        Value::Bool(truth) => Ok(Some(*truth)),
        Value::Null => Ok(None),
        _ => misfit(value, field, "bool"),
    }
}

fn check_think(think: &Value) -> Result<bool, String> {
    match think {
        Value::Null | Value::Bool(false) => Ok(false),
        Value::Bool(true) => Ok(true),
        Value::String(level) if ["low", "medium", "high", "max"].contains(&level.as_str()) => Ok(true),
        Value::String(level) => {
            let levels = "(must be \"high\", \"medium\", \"low\", \"max\", true, or false)";
            Err(format!("invalid think value: \"{level}\" {levels}"))
        }
        _ => {
            Err("think must be a boolean or string (\"high\", \"medium\", \"low\", \"max\", true, or false)".to_owned())
        }
    }
}

fn check_format(format: &Value, asked: &mut Asked) -> Result<(), String> {
    match format {
        Value::Null => {}
        Value::Object(_) => asked.schema = Some(format.clone()),
        Value::String(word) if word == "json" => asked.json = true,
        Value::String(word) if word.is_empty() => {}
        _ => return Err(format!("invalid format: {format}; expected \"json\" or a valid JSON Schema object")),
    }
    Ok(())
}

pub fn check_options(options: &Value) -> Result<(), String> {
    let given = match options {
        Value::Object(given) => given,
        Value::Null => return Ok(()),
        _ => return misfit(options, "options", "map[string]interface {}"),
    };
    for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
        let Some((_, kind)) = OPTIONS.iter().find(|(known, _)| known == name) else {
            return Err(format!("invalid option provided: {name}"));
        };
        let fits = match *kind {
            "integer" => value.is_i64() || value.is_u64(),
            "float32" => value.is_number(),
            "boolean" => value.is_boolean(),
            _ => value.as_array().is_some_and(|list| list.iter().all(Value::is_string)),
        };
        if !fits {
            return Err(format!("option \"{name}\" must be of type {kind}"));
        }
    }
    Ok(())
}

fn check_tools(tools: &Value, asked: &mut Asked) -> Result<(), String> {
    for tool in list(tools, "tools", "api.Tools")? {
        check_fields(tool, &["type", "items", "function"], "json: a tool must be an object")?;
        let function = &tool["function"];
        check_fields(function, &["name", "description", "parameters"], "json: a tool must have a function")?;
        let name = function["name"].as_str().unwrap_or_default();
        if tool["type"] != "function" || name.is_empty() {
            return Err("json: a tool must be a function with a name".to_owned());
        }
        let schema = &function["parameters"];
        for (field, fits) in [
            ("properties", schema["properties"].is_object() || schema["properties"].is_null()),
            ("required", schema["required"].is_array() || schema["required"].is_null()),
            ("type", schema["type"].is_string() || schema.is_null()),
        ] {
            if !fits {
                let value = &schema[field];
                return misfit(value, &format!("tools.function.parameters.{field}"), "api.ToolFunctionParameters");
            }
        }
        asked.tools.push(Tool { name: name.to_owned(), schema: schema.clone() });
    }
    Ok(())
}

fn check_message(message: &Value) -> Result<(), String> {
    check_fields(message, MESSAGE, "json: cannot unmarshal a message into Go struct field ChatRequest.messages")?;
    let role = message["role"].as_str().unwrap_or_default();
    if !ROLES.contains(&role) {
        return Err(format!("invalid role: {role}; must be one of {}", ROLES.join(", ")));
    }
    if !message["content"].is_string() {
        return misfit(&message["content"], "messages.content", "string");
    }
    for field in ["thinking", "tool_name", "tool_call_id"] {
        if !message[field].is_string() && message.get(field).is_some() {
            return misfit(&message[field], &format!("messages.{field}"), "string");
        }
    }
    for image in list(&message["images"], "messages.images", "[]api.ImageData")? {
        let Some(data) = image.as_str() else { return misfit(image, "messages.images", "api.ImageData") };
        if !STANDARD.decode(data).is_ok_and(|bytes| !bytes.is_empty()) {
            // The colon of `data:` is one of them.
            let strange = |byte: u8| !byte.is_ascii_alphanumeric() && !b"+/=".contains(&byte);
            return Err(format!("illegal base64 data at input byte {}", data.bytes().position(strange).unwrap_or(0)));
        }
    }
    for call in list(&message["tool_calls"], "messages.tool_calls", "[]api.ToolCall")? {
        check_fields(call, &["id", "function"], "json: a call must be an object")?;
        let function = &call["function"];
        check_fields(function, &["index", "name", "arguments", "description"], "json: a call must have a function")?;
        if !function["arguments"].is_object() {
            let wanted = "api.ToolCallFunctionArguments";
            return misfit(&function["arguments"], "messages.tool_calls.function.arguments", wanted);
        }
    }
    Ok(())
}

fn read(message: &Value, asked: &mut Asked) {
    let text = message["content"].as_str().unwrap_or_default();
    let images = message["images"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let images = images.filter_map(|data| {
        let bytes = STANDARD.decode(data).ok()?;
        // Nothing says what it is; Ollama looks at the bytes, too.
        let mime = if bytes.starts_with(b"\x89PNG") { " (image/png)" } else { "" };
        Some(format!("of {} bytes{mime}", bytes.len()))
    });
    match message["role"].as_str() {
        Some("system") => asked.system = join(&asked.system, text),
        Some("user") => asked.user = join(&asked.user, text),
        Some("tool") => asked.results.push(text.to_owned()),
        _ => {
            asked.user.clear();
            asked.results.clear();
            asked.images.clear();
            return;
        }
    }
    asked.images.extend(images);
}
