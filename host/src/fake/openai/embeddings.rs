//! Embeddings: vectors that follow from the text alone.
//!
//! <https://platform.openai.com/docs/api-reference/embeddings>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::vector::{DIMENSIONS, tokens, vector};
use super::rules::{Wrong, check_fields, check_model_name, is_given, missing, wrong};

const FIELDS: &[&str] = &["model", "input", "dimensions", "encoding_format", "user"];
const INPUTS_MAX: usize = 2048;
const DIMENSIONS_MAX: u64 = 3072;

pub fn answer(body: &Value) -> Result<Value, Wrong> {
    check_fields(body, FIELDS)?;
    let model = check_model_name(body)?;
    let inputs = check_inputs(&body["input"])?;
    let dimensions = check_dimensions(&body["dimensions"])?;
    let as_base64 = match body["encoding_format"].as_str() {
        Some("base64") => true,
        Some("float") => false,
        None if !is_given(body, "encoding_format") => false,
        _ => {
            let supported = "Supported values are: 'float' and 'base64'.";
            return wrong("encoding_format", format!("Invalid value: {}. {supported}", body["encoding_format"]));
        }
    };
    let embed = |(index, input): (usize, &String)| {
        let vector = vector(input, dimensions);
        let bytes = || vector.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
        let embedding = if as_base64 { json!(STANDARD.encode(bytes())) } else { json!(vector) };
        json!({ "object": "embedding", "index": index, "embedding": embedding })
    };
    let tokens: usize = inputs.iter().map(|input| tokens(input)).sum();
    let data: Vec<Value> = inputs.iter().enumerate().map(embed).collect();
    let usage = json!({ "prompt_tokens": tokens, "total_tokens": tokens });
    Ok(json!({ "object": "list", "data": data, "model": model, "usage": usage }))
}

/// A text, texts, tokens, or lists of tokens: as texts.
fn check_inputs(input: &Value) -> Result<Vec<String>, Wrong> {
    let invalid = || wrong("input", "'$.input' is invalid. Please check the API reference.");
    let is_tokens = |list: &[Value]| !list.is_empty() && list.iter().all(Value::is_u64);
    match input {
        Value::Null => missing("input"),
        Value::String(text) if !text.is_empty() => Ok(vec![text.clone()]),
        Value::Array(list) if list.len() > INPUTS_MAX => {
            wrong("input", "Invalid 'input': array too long. Expected an array with maximum length 2048.")
        }
        Value::Array(list) if is_tokens(list) => Ok(vec![input.to_string()]),
        Value::Array(list) if !list.is_empty() => {
            let text = |item: &Value| match item {
                Value::String(text) if !text.is_empty() => Some(text.clone()),
                Value::Array(tokens) if is_tokens(tokens) => Some(item.to_string()),
                _ => None,
            };
            list.iter().map(text).collect::<Option<_>>().map_or_else(invalid, Ok)
        }
        _ => invalid(),
    }
}

fn check_dimensions(given: &Value) -> Result<usize, Wrong> {
    if given.is_null() {
        return Ok(DIMENSIONS);
    }
    let fits = given.as_u64().filter(|number| (1..=DIMENSIONS_MAX).contains(number));
    match fits.and_then(|number| usize::try_from(number).ok()) {
        Some(number) => Ok(number),
        None => wrong("dimensions", "Invalid value for 'dimensions': must be an integer between 1 and 3072."),
    }
}
