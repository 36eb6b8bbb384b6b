//! Embeddings. The true server answers no input with no vectors; here that is refused, so that nothing gets lost unnoticed.
//!
//! <https://docs.ollama.com/api/embed>

use serde_json::{Value, json};

use super::super::answer::is_known;
use super::super::reply::{Refused, Script};
use super::super::vector::{DIMENSIONS, tokens, vector};
use super::refused;
use super::rules::{check_fields, check_options};

const FIELDS: &[&str] = &["model", "input", "truncate", "dimensions", "keep_alive", "options"];
/// What every model here has read of a text before it stops.
const CONTEXT_TOKENS: usize = 2048;

pub fn script(body: &Value) -> Result<Script, Refused> {
    let asked = check(body).map_err(|message| refused(400, &message))?;
    if !is_known(&asked.model) {
        return Err(refused(404, &format!("model \"{}\" not found, try pulling it first", asked.model)));
    }
    let vectors: Vec<_> = asked.inputs.iter().map(|text| vector(text, asked.dimensions)).collect();
    let cost: usize = asked.inputs.iter().map(|text| tokens(text).min(CONTEXT_TOKENS)).sum();
    let body = json!({
        "model": asked.model, "embeddings": vectors, "total_duration": 9_000_000, "load_duration": 1_000_000,
        "prompt_eval_count": cost,
    });
    Ok(Script::Whole { body, chunks: 1 })
}

struct Asked {
    model: String,
    inputs: Vec<String>,
    dimensions: usize,
}

fn check(body: &Value) -> Result<Asked, String> {
    check_fields(body, FIELDS, "missing request body")?;
    let model = body["model"].as_str().filter(|model| !model.is_empty()).ok_or("model is required")?;
    check_options(&body["options"])?;
    let inputs = inputs(&body["input"]).ok_or("invalid input type")?;
    let truncates = match &body["truncate"] {
        Value::Null => true,
        Value::Bool(truth) => *truth,
        _ => return Err("json: cannot unmarshal into Go struct field EmbedRequest.truncate of type bool".to_owned()),
    };
    if !truncates && inputs.iter().any(|text| tokens(text) > CONTEXT_TOKENS) {
        return Err("the input length exceeds the context length".to_owned());
    }
    let dimensions = match &body["dimensions"] {
        Value::Null => DIMENSIONS,
        given => {
            let wanted = "json: cannot unmarshal into Go struct field EmbedRequest.dimensions of type int";
            given.as_u64().and_then(|count| usize::try_from(count).ok()).ok_or(wanted)?
        }
    };
    // As many as there are, where there are not so many.
    let dimensions = if dimensions == 0 { DIMENSIONS } else { dimensions.min(4096) };
    Ok(Asked { model: model.to_owned(), inputs, dimensions })
}

/// A text or texts; none is empty.
fn inputs(input: &Value) -> Option<Vec<String>> {
    let text = |item: &Value| item.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    match input {
        Value::Array(list) if !list.is_empty() => list.iter().map(text).collect(),
        _ => text(input).map(|text| vec![text]),
    }
}
