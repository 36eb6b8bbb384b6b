//! What the Responses API refuses, in its own words. The rules for what is said are in [`items`](super::items).

use serde_json::Value;

use super::super::answer::Asked;
use super::super::functions;
use super::super::openai::rules::{Wrong, check_model_name, check_numbers, is_given, unknown, wrong};
use super::items::{self, ADDITIONAL_TOOLS};
use super::tools::{Forms, check_choice, check_format, check_tools};

const FIELDS: &[&str] = &[
    "background",
    "client_metadata",
    "context_management",
    "conversation",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "moderation",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];
/// Fields of Chat Completions, and where they went.
const MOVED: &[(&str, &str)] = &[
    ("messages", "input"),
    ("response_format", "text.format"),
    ("max_tokens", "max_output_tokens"),
    ("max_completion_tokens", "max_output_tokens"),
    ("reasoning_effort", "reasoning.effort"),
    ("verbosity", "text.verbosity"),
];
const RANGES: &[(&str, f64, f64)] = &[("temperature", 0.0, 2.0), ("top_p", 0.0, 1.0)];
const TOKENS_MIN: u64 = 16;
const USER_CHARS_MAX: usize = 64;
const EFFORTS: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh", "max"];
const ENCRYPTED: &str = "reasoning.encrypted_content";
/// Models that always think, unless they are told not to.
const THINKERS: &[&str] = &["o1", "o3", "o4", "gpt-5", "gpt-6"];

/// A request, as far as an answer needs it.
pub struct Request {
    pub asked: Asked,
    /// Of the reasoning, a summary.
    pub summary: bool,
    /// And all of it, sealed.
    pub encrypted: bool,
    pub forms: Forms,
}

fn unsupported<T>(field: &str, more: &str) -> Result<T, Wrong> {
    let message = format!("Unsupported parameter: '{field}'{more}");
    Err(Wrong { status: 400, param: Some(field.to_owned()), message, code: Some("unsupported_parameter") })
}

pub fn check(body: &Value) -> Result<Request, Wrong> {
    check_fields(body)?;
    let model = check_model_name(body)?;
    let effort = check_reasoning(body, model)?;
    let includes = |name: &str| body["include"].as_array().is_some_and(|list| list.iter().any(|item| item == name));
    let thinks = effort != Some("none") && (effort.is_some() || is_thinker(model) || includes(ENCRYPTED));
    let mut asked = Asked {
        model: model.to_owned(),
        stream: body["stream"] == true,
        system: body["instructions"].as_str().unwrap_or_default().to_owned(),
        thinking: thinks,
        one_call: body["parallel_tool_calls"] == false,
        max_tokens: check_max_tokens(&body["max_output_tokens"])?,
        input_chars: body["input"].to_string().len() + body["instructions"].to_string().len(),
        ..Asked::default()
    };
    check_numbers(body, RANGES)?;
    check_sampling(body, model, effort)?;
    check_lengths(body)?;
    check_state(body)?;
    functions::check(body, model)?;
    let mut forms = Forms::default();
    check_tools("tools", &body["tools"], None, &mut asked, &mut forms)?;
    for (index, item) in body["input"].as_array().into_iter().flatten().enumerate() {
        if item["type"] == ADDITIONAL_TOOLS {
            check_tools(&format!("input[{index}].tools"), &item["tools"], None, &mut asked, &mut forms)?;
        }
    }
    check_choice(&body["tool_choice"], &mut asked)?;
    items::check(&body["input"], is_given(body, "previous_response_id"), &mut asked)?;
    check_format(body, &mut asked)?;
    Ok(Request { asked, summary: is_given(&body["reasoning"], "summary"), encrypted: includes(ENCRYPTED), forms })
}

fn is_thinker(model: &str) -> bool {
    THINKERS.iter().any(|family| model.starts_with(family))
}

fn check_fields(body: &Value) -> Result<(), Wrong> {
    let Some(object) = body.as_object() else {
        let message = "We could not parse the JSON body of your request.".to_owned();
        return Err(Wrong { status: 400, param: None, message, code: None });
    };
    let Some(name) = object.keys().find(|name| !FIELDS.contains(&name.as_str())) else { return Ok(()) };
    match MOVED.iter().find(|(old, _)| old == name) {
        Some((old, new)) => {
            let moved = format!(
                ". In the Responses API, this parameter has moved to '{new}'. Try again with the new parameter."
            );
            unsupported(old, &moved)
        }
        None => unknown(name),
    }
}

/// The effort that is asked for.
fn check_reasoning<'a>(body: &'a Value, model: &str) -> Result<Option<&'a str>, Wrong> {
    let reasoning = &body["reasoning"];
    let known = ["effort", "summary", "generate_summary", "context", "mode"];
    let mut given = reasoning.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    if let Some(name) = given.find(|name| !known.contains(name)) {
        return unknown(format!("reasoning.{name}"));
    }
    let effort = reasoning["effort"].as_str();
    if effort.is_some_and(|effort| !EFFORTS.contains(&effort)) {
        let known = EFFORTS.join("', '");
        return wrong(
            "reasoning.effort",
            format!("Invalid value: {}. Supported values are: '{known}'.", reasoning["effort"]),
        );
    }
    if model.starts_with("gpt-4") {
        let field = if effort.is_some() { "reasoning.effort" } else { "reasoning.summary" };
        if effort.is_some() || is_given(reasoning, "summary") {
            return unsupported(field, " is not supported with this model.");
        }
        if body["include"].to_string().contains(ENCRYPTED) {
            return wrong("include", "Encrypted content is not supported with this model.");
        }
    }
    Ok(effort)
}

fn check_max_tokens(given: &Value) -> Result<Option<u64>, Wrong> {
    if given.is_null() {
        return Ok(None);
    }
    if let Some(tokens) = given.as_u64().filter(|tokens| *tokens >= TOKENS_MIN) {
        return Ok(Some(tokens));
    }
    let field = "max_output_tokens";
    let expected = "integer below minimum value. Expected a value >= 16";
    let message = format!("Invalid '{field}': {expected}, but got {given} instead.");
    Err(Wrong { status: 400, param: Some(field.to_owned()), message, code: Some("integer_below_min_value") })
}

/// Who thinks is not to be sampled.
fn check_sampling(body: &Value, model: &str, effort: Option<&str>) -> Result<(), Wrong> {
    let takes = !is_thinker(model) || effort == Some("none") && !model.starts_with('o');
    let given = ["temperature", "top_p", "top_logprobs"].into_iter().find(|field| is_given(body, field));
    match given {
        Some(field) if !takes => unsupported(field, " is not supported with this model."),
        _ => Ok(()),
    }
}

fn check_lengths(body: &Value) -> Result<(), Wrong> {
    for field in ["user", "safety_identifier", "prompt_cache_key"] {
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
    Ok(())
}

/// What the API would have to remember. This fake takes every id of a response for its own, but those that say `missing`.
fn check_state(body: &Value) -> Result<(), Wrong> {
    if is_given(body, "conversation") {
        let id = body["conversation"].as_str().or(body["conversation"]["id"].as_str()).unwrap_or_default();
        let message = format!("Conversation with id '{id}' not found.");
        return Err(Wrong { status: 404, param: None, message, code: None });
    }
    let field = "previous_response_id";
    match body[field].as_str() {
        None => Ok(()),
        Some(id) if id.starts_with("resp_") && !id.contains("missing") => Ok(()),
        Some(id) if !id.starts_with("resp") => {
            wrong(field, format!("Invalid '{field}': '{id}'. Expected an ID that begins with 'resp'."))
        }
        Some(id) => {
            let message = format!("Previous response with id '{id}' not found.");
            Err(Wrong { status: 400, param: Some(field.into()), message, code: Some("previous_response_not_found") })
        }
    }
}
