//! What `generateContent` refuses, in its own words. What it says to unknown names is in [`shape`](super::shape).

use serde_json::Value;

use super::super::answer::Asked;
use super::tools::{check_schema, check_tools};
use super::{contents, fields, shape};

/// Field, its name in messages, least, most.
const RANGES: &[(&str, &str, f64, f64)] = &[
    ("temperature", "temperature", 0.0, 2.0),
    ("topP", "top_p", 0.0, 1.0),
    ("topK", "top_k", 1.0, 1000.0),
    ("maxOutputTokens", "max_output_tokens", 1.0, 1e9),
    ("candidateCount", "candidate_count", 1.0, 8.0),
];
const STOPS_MAX: usize = 5;
const LEVELS: &[&str] = &["THINKING_LEVEL_UNSPECIFIED", "MINIMAL", "LOW", "MEDIUM", "HIGH"];
const JSON: &str = "application/json";

pub fn check(model: &str, body: &Value) -> Result<Asked, String> {
    if !body.is_object() {
        return Err("Invalid JSON payload received. Unexpected end of string.".to_owned());
    }
    let body = shape::shaped(body, &fields::REQUEST, "")?;
    let config = &body["generationConfig"];
    let mut asked = Asked {
        model: model.to_owned(),
        thinking: config["thinkingConfig"]["includeThoughts"] == true,
        max_tokens: config["maxOutputTokens"].as_u64(),
        stop: check_stops(config)?,
        input_chars: body["contents"].to_string().len() + body["systemInstruction"].to_string().len(),
        ..Asked::default()
    };
    check_numbers(config)?;
    check_thinking(model, &config["thinkingConfig"])?;
    check_tools(&body, &mut asked)?;
    check_format(config, &mut asked)?;
    contents::check_system(&body["systemInstruction"], &mut asked)?;
    contents::check(&body["contents"], &mut asked)?;
    Ok(asked)
}

/// What counting takes: contents alone, or a whole request. Vertex takes the request's fields as they are.
pub fn check_count(model: &str, body: &Value, is_vertex: bool) -> Result<Asked, String> {
    let counted = shape::shaped(body, &fields::COUNT, "")?;
    let inner = &counted["generateContentRequest"];
    if inner.is_object() {
        if inner["model"].as_str().is_none_or(|named| named.strip_prefix("models/") != Some(model)) {
            return Err("* CountTokensRequest.generate_content_request.model: does not fit the path".to_owned());
        }
        return check(model, inner);
    }
    let alone =
        ["systemInstruction", "tools", "generationConfig"].into_iter().find(|field| counted.get(field).is_some());
    match alone {
        Some(field) if !is_vertex => {
            Err(format!("Invalid JSON payload received. Unknown name \"{field}\": Cannot find field."))
        }
        _ => check(model, body),
    }
}

fn check_numbers(config: &Value) -> Result<(), String> {
    for (field, name, least, most) in RANGES {
        if config[*field].as_f64().is_some_and(|given| given < *least || given > *most) {
            let at = format!("* GenerateContentRequest.generation_config.{name}");
            return Err(format!("{at}: {name} must be in the range [{least:?}, {most:?}]."));
        }
    }
    Ok(())
}

fn check_stops(config: &Value) -> Result<Vec<String>, String> {
    let stops: Vec<&str> = config["stopSequences"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let at = "* GenerateContentRequest.generation_config.stop_sequences";
    if stops.len() > STOPS_MAX {
        return Err(format!("{at}: the number of stop_sequences must be at most {STOPS_MAX}"));
    }
    if stops.iter().any(|stop| stop.is_empty()) {
        return Err(format!("{at}: must not be empty"));
    }
    Ok(stops.into_iter().map(str::to_owned).collect())
}

fn check_thinking(model: &str, config: &Value) -> Result<(), String> {
    let level = config["thinkingLevel"].as_str();
    if let Some(level) = level {
        if !LEVELS.contains(&level.to_uppercase().as_str()) {
            let at = "generation_config.thinking_config.thinking_level";
            return Err(format!("Invalid value at '{at}' (type.googleapis.com/ThinkingLevel), \"{level}\""));
        }
        if config.get("thinkingBudget").is_some() {
            return Err("You can only set only one of thinking budget and thinking level.".to_owned());
        }
        if model.starts_with("gemini-2") {
            return Err("Thinking level is not supported for this model.".to_owned());
        }
    }
    let budget = config["thinkingBudget"].as_i64();
    if budget == Some(0) && model.contains("-pro") {
        return Err("Budget 0 is invalid. This model only works in thinking mode.".to_owned());
    }
    if budget.is_some_and(|budget| !(-1..=32_768).contains(&budget)) {
        return Err("The thinking budget is invalid. Please choose a value between 0 and 32768.".to_owned());
    }
    let asks = level.is_some() || budget.is_some_and(|budget| budget != 0) || config["includeThoughts"] == true;
    if asks && (model.starts_with("gemini-2.0") || model.starts_with("gemini-1")) {
        return Err("Thinking is not enabled for this model".to_owned());
    }
    Ok(())
}

fn check_format(config: &Value, asked: &mut Asked) -> Result<(), String> {
    let (own, standard) = (config.get("responseSchema"), config.get("responseJsonSchema"));
    let is_json = config["responseMimeType"] == JSON;
    if own.is_some() && standard.is_some() {
        return Err("Only one of response_schema and response_json_schema may be set.".to_owned());
    }
    if let Some(schema) = own {
        check_schema("generation_config.response_schema", schema)?;
    }
    if (own.is_some() || standard.is_some()) && !is_json {
        return Err("A response schema is only supported with response_mime_type 'application/json'.".to_owned());
    }
    if is_json && !asked.tools.is_empty() && !asked.model.starts_with("gemini-3") {
        return Err("Function calling with a response mime type: 'application/json' is unsupported".to_owned());
    }
    asked.schema = own.map(super::tools::lowered).or_else(|| standard.cloned());
    asked.json = is_json;
    Ok(())
}
