//! What Chat Completions refuse, in their own words.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::answer::Asked;
use super::openai::refused;
use super::reply::Refused;
use super::server::Seen;

const FIELDS: &[&str] = &[
    "model",
    "messages",
    "stream",
    "stream_options",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "n",
    "stop",
    "seed",
    "user",
    "safety_identifier",
    "reasoning_effort",
    "verbosity",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "metadata",
    "store",
    "service_tier",
    "modalities",
    "audio",
    "prediction",
    "web_search_options",
    "functions",
    "function_call",
    "moderation",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
];

/// The field at fault, and what is wrong with it.
type Wrong = (String, String);

fn wrong<T>(field: impl Into<String>, text: impl Into<String>) -> Result<T, Wrong> {
    Err((field.into(), text.into()))
}

pub fn check(seen: &Seen, body: &Value) -> Result<Asked, Refused> {
    let kind = "invalid_request_error";
    let key = seen.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if key.is_empty() || key.starts_with("bad-") {
        return Err(refused(401, kind, None, "Incorrect API key provided.", json!("invalid_api_key")));
    }
    let Some(object) = body.as_object() else {
        return Err(refused(400, kind, None, "We could not parse the JSON body of your request.", Value::Null));
    };
    if let Some(unknown) = object.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        let text = format!("Unrecognized request argument supplied: {unknown}");
        return Err(refused(400, kind, Some(unknown), &text, json!("unknown_parameter")));
    }
    let model = body["model"].as_str().unwrap_or_default();
    if model.is_empty() {
        return Err(refused(400, kind, Some("model"), "you must provide a model parameter", Value::Null));
    }
    if model.contains("no-such-model") {
        let text = format!("The model `{model}` does not exist or you do not have access to it.");
        return Err(refused(404, kind, None, &text, json!("model_not_found")));
    }
    read(body, model).map_err(|(field, text)| refused(400, kind, Some(&field), &text, Value::Null))
}

fn read(body: &Value, model: &str) -> Result<Asked, Wrong> {
    let max_tokens = body["max_completion_tokens"].as_u64().or(body["max_tokens"].as_u64());
    let mut asked = Asked {
        model: model.to_owned(),
        stream: body["stream"] == true,
        stream_usage: body["stream_options"]["include_usage"] == true,
        max_tokens,
        thinking: body["reasoning_effort"].is_string(),
        input_chars: body["messages"].to_string().len(),
        ..Asked::default()
    };
    check_numbers(body)?;
    asked.stop = match &body["stop"] {
        Value::String(stop) => vec![stop.clone()],
        Value::Array(stops) if stops.len() > 4 => {
            return wrong("stop", "Invalid 'stop': array too long. Expected at most 4.");
        }
        Value::Array(stops) => stops.iter().filter_map(|stop| Some(stop.as_str()?.to_owned())).collect(),
        _ => Vec::new(),
    };
    if body["response_format"]["type"] == "json_schema" {
        let format = &body["response_format"]["json_schema"];
        if format["name"].as_str().is_none_or(str::is_empty) {
            return wrong(
                "response_format.json_schema.name",
                "Missing required parameter: 'response_format.json_schema.name'.",
            );
        }
        asked.schema = format.get("schema").cloned();
    }
    check_tools(body, &mut asked)?;
    check_messages(body, &mut asked)?;
    Ok(asked)
}

fn check_numbers(body: &Value) -> Result<(), Wrong> {
    if let Some(temperature) = body.get("temperature").filter(|value| !value.is_null())
        && !temperature.as_f64().is_some_and(|value| (0.0..=2.0).contains(&value))
    {
        return wrong("temperature", "Invalid 'temperature': expected a value between 0 and 2.");
    }
    for field in ["user", "safety_identifier"] {
        if body[field].as_str().is_some_and(|user| user.len() > 64) {
            return wrong(field, format!("Invalid '{field}': string too long. Expected at most 64."));
        }
    }
    if body.get("stream_options").is_some_and(|options| !options.is_null()) && body["stream"] != true {
        return wrong("stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled.");
    }
    Ok(())
}

fn check_tools(body: &Value, asked: &mut Asked) -> Result<(), Wrong> {
    if body["tools"].as_array().is_some_and(Vec::is_empty) {
        return wrong("tools", "Invalid 'tools': empty array. Expected an array with minimum length 1.");
    }
    for (position, tool) in body["tools"].as_array().into_iter().flatten().enumerate() {
        let name = tool["function"]["name"].as_str().unwrap_or_default();
        let legal = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if name.is_empty() || name.len() > 64 || !legal {
            let field = format!("tools[{position}].function.name");
            return wrong(field.clone(), format!("Invalid '{field}': does not match pattern '^[a-zA-Z0-9_-]+$'."));
        }
        asked.tools.push(name.to_owned());
    }
    for field in ["tool_choice", "parallel_tool_calls"] {
        if asked.tools.is_empty() && body.get(field).is_some_and(|value| !value.is_null()) {
            return wrong(
                field,
                format!("Invalid value for '{field}': '{field}' is only allowed when 'tools' are specified."),
            );
        }
    }
    Ok(())
}

fn check_messages(body: &Value, asked: &mut Asked) -> Result<(), Wrong> {
    let messages = body["messages"].as_array().filter(|messages| !messages.is_empty());
    let Some(messages) = messages else {
        return wrong("messages", "Invalid 'messages': empty array. Expected an array with minimum length 1.");
    };
    let mut open: Vec<&str> = Vec::new();
    for (position, message) in messages.iter().enumerate() {
        let at = format!("messages[{position}]");
        let role = message["role"].as_str().unwrap_or_default();
        if role != "tool" && !open.is_empty() {
            return wrong(
                at,
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'.",
            );
        }
        match role {
            "system" | "developer" => asked.system = text_of(&message["content"]),
            "user" => read_user(&at, message, asked)?,
            "assistant" => open = check_assistant(&at, message)?,
            "tool" => {
                let id = message["tool_call_id"].as_str().unwrap_or_default();
                let Some(known) = open.iter().position(|open| *open == id) else {
                    return wrong(
                        at,
                        "messages with role 'tool' must be a response to a preceding message with 'tool_calls'.",
                    );
                };
                open.remove(known);
                if message["content"].as_array().into_iter().flatten().any(|part| part["type"] != "text") {
                    return wrong(at, "Invalid value: tool messages take only text.");
                }
                asked.results.push(text_of(&message["content"]));
            }
            _ => return wrong(format!("{at}.role"), format!("Invalid value: '{role}'.")),
        }
        if role != "tool" {
            asked.results.clear();
        }
    }
    if !open.is_empty() {
        return wrong(
            "messages",
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'.",
        );
    }
    Ok(())
}

fn check_assistant<'a>(at: &str, message: &'a Value) -> Result<Vec<&'a str>, Wrong> {
    let calls = message["tool_calls"].as_array();
    if calls.is_some_and(Vec::is_empty) {
        return wrong(format!("{at}.tool_calls"), "Invalid 'tool_calls': empty array.");
    }
    if calls.is_none() && message["content"].is_null() {
        return wrong(format!("{at}.content"), "Invalid value for 'content': expected a string, got null.");
    }
    let mut ids = Vec::new();
    for call in calls.into_iter().flatten() {
        let id = call["id"].as_str().unwrap_or_default();
        if id.is_empty() || id.len() > 40 {
            return wrong(
                format!("{at}.tool_calls[{}].id", ids.len()),
                "Invalid 'id': string too long. Expected at most 40.",
            );
        }
        if !call["function"]["arguments"].is_string() {
            return wrong(
                format!("{at}.tool_calls[{}].function.arguments", ids.len()),
                "Invalid type: expected a string.",
            );
        }
        ids.push(id);
    }
    Ok(ids)
}

fn read_user(at: &str, message: &Value, asked: &mut Asked) -> Result<(), Wrong> {
    if message["content"].is_null() {
        return wrong(format!("{at}.content"), "Invalid value for 'content': expected a string, got null.");
    }
    asked.user = text_of(&message["content"]);
    asked.images.clear();
    for part in message["content"].as_array().into_iter().flatten().filter(|part| part["type"] == "image_url") {
        let url = part["image_url"]["url"].as_str().unwrap_or_default();
        let Some(rest) = url.strip_prefix("data:") else { continue };
        let (mime, data) = rest.split_once(";base64,").unwrap_or_default();
        match STANDARD.decode(data) {
            Ok(bytes) if !bytes.is_empty() => asked.images.push((bytes.len(), mime.to_owned())),
            _ => return wrong(format!("{at}.content"), "Invalid base64 image_url."),
        }
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
