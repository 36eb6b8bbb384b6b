//! What Chat Completions refuse, in their own words. The rules for what is said are in [`messages`](super::messages).

use serde_json::Value;

use super::super::answer::{Asked, is_known};
use super::super::functions;
use super::super::state::Seen;
use super::messages;
use super::tools::{check_choice, check_strict, check_tools, check_types, is_legal};

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
const RANGES: &[(&str, f64, f64)] = &[
    ("temperature", 0.0, 2.0),
    ("top_p", 0.0, 1.0),
    ("frequency_penalty", -2.0, 2.0),
    ("presence_penalty", -2.0, 2.0),
];
/// Reasoning models of the first kind: they take no sampling and no `max_tokens`. Later families differ among themselves.
const STRICT_MODELS: &[&str] = &["o1", "o3", "o4"];
const STRICT_REFUSED: &[&str] =
    &["temperature", "top_p", "stop", "frequency_penalty", "presence_penalty", "logit_bias", "logprobs"];
/// Routers such as OpenRouter say with 404 that nobody behind them has what a request needs. Models whose names begin so have
/// no tools here.
const TOOLLESS: &str = "toolless/";
const STOP_MAX: usize = 4;
const USER_CHARS_MAX: usize = 64;

/// A refusal.
#[derive(Debug)]
pub struct Wrong {
    pub status: u16,
    /// The field at fault.
    pub param: Option<String>,
    pub message: String,
    pub code: Option<&'static str>,
}

/// Most of them name a field and have no code.
pub fn wrong<T>(param: impl Into<String>, message: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { status: 400, param: Some(param.into()), message: message.into(), code: None })
}

pub fn missing<T>(param: impl Into<String>) -> Result<T, Wrong> {
    let param = param.into();
    let message = format!("Missing required parameter: '{param}'.");
    Err(Wrong { status: 400, param: Some(param), message, code: Some("missing_required_parameter") })
}

pub fn unknown<T>(param: impl Into<String>) -> Result<T, Wrong> {
    let param = param.into();
    let message = format!("Unknown parameter: '{param}'.");
    Err(Wrong { status: 400, param: Some(param), message, code: Some("unknown_parameter") })
}

pub fn check_key(seen: &Seen) -> Result<(), Wrong> {
    let key = seen.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if key.is_empty() || key.starts_with("bad-") {
        let message = "Incorrect API key provided.".to_owned();
        return Err(Wrong { status: 401, param: None, message, code: Some("invalid_api_key") });
    }
    Ok(())
}

/// A model that is named and known.
pub fn check_model_name(body: &Value) -> Result<&str, Wrong> {
    let model = body["model"].as_str().unwrap_or_default();
    if model.is_empty() {
        return wrong("model", "you must provide a model parameter");
    }
    if !is_known(model) {
        let message = format!("The model `{model}` does not exist or you do not have access to it.");
        return Err(Wrong { status: 404, param: None, message, code: Some("model_not_found") });
    }
    Ok(model)
}

/// The fields of a body in which there are no others than these.
pub fn check_fields(body: &Value, known: &[&str]) -> Result<(), Wrong> {
    let Some(object) = body.as_object() else {
        let message = "We could not parse the JSON body of your request.".to_owned();
        return Err(Wrong { status: 400, param: None, message, code: None });
    };
    if let Some(name) = object.keys().find(|name| !known.contains(&name.as_str())) {
        let message = format!("Unrecognized request argument supplied: {name}");
        return Err(Wrong { status: 400, param: Some(name.clone()), message, code: Some("unknown_parameter") });
    }
    Ok(())
}

pub fn check(body: &Value) -> Result<Asked, Wrong> {
    check_fields(body, FIELDS)?;
    let model = check_model_name(body)?;
    let mut asked = Asked {
        model: model.to_owned(),
        stream: body["stream"] == true,
        stream_usage: body["stream_options"]["include_usage"] == true,
        thinking: body["reasoning_effort"].as_str().is_some_and(|effort| effort != "none"),
        one_call: body["parallel_tool_calls"] == false,
        input_chars: body["messages"].to_string().len(),
        ..Asked::default()
    };
    check_model(body, model)?;
    check_numbers(body, RANGES)?;
    check_lengths(body)?;
    asked.max_tokens = check_max_tokens(body)?;
    asked.stop = check_stop(body)?;
    functions::check(body, model)?;
    check_tools(body, &mut asked)?;
    if model.starts_with(TOOLLESS) && is_given(body, "tools") {
        let message = "No endpoints found that support tool use. To learn more about provider routing, visit: https://openrouter.ai/docs";
        return Err(Wrong { status: 404, param: None, message: message.to_owned(), code: None });
    }
    check_choice(body, &mut asked)?;
    messages::check(body, &mut asked)?;
    check_format(body, &mut asked)?;
    Ok(asked)
}

/// Fields that may be there as null, which is as good as absent.
pub fn is_given(body: &Value, field: &str) -> bool {
    !body[field].is_null()
}

fn check_model(body: &Value, model: &str) -> Result<(), Wrong> {
    if model.starts_with("gpt-5") && !model.contains("chat") {
        return check_gpt_5(body);
    }
    if !STRICT_MODELS.iter().any(|strict| model.starts_with(strict)) {
        return Ok(());
    }
    let refused = |field: &&&str| is_given(body, field) && !(**field == "temperature" && body["temperature"] == 1);
    let with = "is not supported with this model";
    if let Some(field) = STRICT_REFUSED.iter().find(refused) {
        let message = format!("Unsupported parameter: '{field}' {with}.");
        return Err(Wrong { status: 400, param: Some((*field).into()), message, code: Some("unsupported_parameter") });
    }
    if is_given(body, "max_tokens") {
        let message = format!("Unsupported parameter: 'max_tokens' {with}. Use 'max_completion_tokens' instead.");
        return Err(Wrong {
            status: 400,
            param: Some("max_tokens".into()),
            message,
            code: Some("unsupported_parameter"),
        });
    }
    Ok(())
}

/// <https://platform.openai.com/docs/guides/latest-model>: what else than the usual value these models refuse, and the older name
/// of the limit.
fn check_gpt_5(body: &Value) -> Result<(), Wrong> {
    let wrong =
        |field: &str, code, message| Wrong { status: 400, param: Some(field.into()), message, code: Some(code) };
    if is_given(body, "max_tokens") {
        let with = "is not supported with this model. Use 'max_completion_tokens' instead.";
        let message = format!("Unsupported parameter: 'max_tokens' {with}");
        return Err(wrong("max_tokens", "unsupported_parameter", message));
    }
    for (field, usual) in [("temperature", 1.0), ("top_p", 1.0), ("frequency_penalty", 0.0), ("presence_penalty", 0.0)]
    {
        if is_given(body, field) && body[field].as_f64() != Some(usual) {
            let with = format!("with this model. Only the default ({usual}) value is supported.");
            let message = format!("Unsupported value: '{field}' does not support {} {with}", body[field]);
            return Err(wrong(field, "unsupported_value", message));
        }
    }
    Ok(())
}

/// Ranges: field, least, most.
pub fn check_numbers(body: &Value, ranges: &[(&str, f64, f64)]) -> Result<(), Wrong> {
    for (field, least, most) in ranges.iter().filter(|(field, ..)| is_given(body, field)) {
        let Some(given) = body[field].as_f64() else {
            return wrong(*field, format!("Invalid type for '{field}': expected a decimal."));
        };
        if given < *least {
            return wrong(
                *field,
                format!(
                    "Invalid '{field}': decimal below minimum value. Expected a value >= {least}, but got {given} instead."
                ),
            );
        }
        if given > *most {
            return wrong(
                *field,
                format!(
                    "Invalid '{field}': decimal above maximum value. Expected a value <= {most}, but got {given} instead."
                ),
            );
        }
    }
    Ok(())
}

fn check_lengths(body: &Value) -> Result<(), Wrong> {
    for field in ["user", "safety_identifier"] {
        let length = body[field].as_str().map_or(0, |text| text.chars().count());
        if length > USER_CHARS_MAX {
            let expected = "string too long. Expected a string with maximum length 64";
            return wrong(
                field,
                format!("Invalid '{field}': {expected}, but got a string with length {length} instead."),
            );
        }
    }
    if is_given(body, "stream_options") && body["stream"] != true {
        return wrong("stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled.");
    }
    if is_given(body, "metadata") && body["store"] != true {
        return wrong("metadata", "The 'metadata' parameter is only allowed when 'store' is enabled.");
    }
    Ok(())
}

fn check_max_tokens(body: &Value) -> Result<Option<u64>, Wrong> {
    let mut given = ["max_completion_tokens", "max_tokens"].into_iter().filter(|field| is_given(body, field));
    let Some(field) = given.next() else { return Ok(None) };
    if given.next().is_some() {
        return wrong(
            "max_tokens",
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
        );
    }
    match body[field].as_u64().filter(|tokens| *tokens >= 1) {
        Some(tokens) => Ok(Some(tokens)),
        None => wrong(field, format!("Invalid '{field}': integer below minimum value. Expected a value >= 1.")),
    }
}

fn check_stop(body: &Value) -> Result<Vec<String>, Wrong> {
    match &body["stop"] {
        Value::Null => Ok(Vec::new()),
        Value::String(stop) => Ok(vec![stop.clone()]),
        Value::Array(stops) if stops.len() > STOP_MAX => {
            let expected = "array too long. Expected an array with maximum length 4";
            wrong("stop", format!("Invalid 'stop': {expected}, but got an array with length {} instead.", stops.len()))
        }
        Value::Array(stops) => Ok(stops.iter().filter_map(|stop| Some(stop.as_str()?.to_owned())).collect()),
        _ => wrong("stop", "Invalid type for 'stop': expected one of an array of strings or string."),
    }
}

/// After the messages, because JSON must have been spoken of in them.
fn check_format(body: &Value, asked: &mut Asked) -> Result<(), Wrong> {
    match body["response_format"]["type"].as_str() {
        Some("json_schema") => {}
        Some("json_object") if !body["messages"].to_string().to_lowercase().contains("json") => {
            let rule = "to use 'response_format' of type 'json_object'.";
            return wrong("messages", format!("'messages' must contain the word 'json' in some form, {rule}"));
        }
        kind => {
            asked.json = kind == Some("json_object");
            return Ok(());
        }
    }
    let format = &body["response_format"]["json_schema"];
    let Some(name) = format["name"].as_str().filter(|name| !name.is_empty()) else {
        return missing("response_format.json_schema.name");
    };
    if !is_legal(name) {
        let pattern = "string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.";
        return wrong(
            "response_format.json_schema.name",
            format!("Invalid 'response_format.json_schema.name': {pattern}"),
        );
    }
    let schema = &format["schema"];
    let invalid = format!("Invalid schema for response_format '{name}'");
    check_types(&invalid, "response_format", schema)?;
    if format["strict"] == true {
        check_strict(&invalid, "response_format", schema)?;
    }
    asked.schema = Some(schema.clone());
    Ok(())
}
