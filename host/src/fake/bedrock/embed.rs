//! InvokeModel for embeddings: Titan's, one text at a time, and Cohere's.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html>

use serde_json::{Value, json};

use super::super::reply::{Refused, Script};
use super::super::vector::{DIMENSIONS, tokens, vector};
use super::errors::invalid;
use super::rules::fields;

/// Of Titan's second; the first takes only the text.
const TITAN: &[&str] = &["inputText", "dimensions", "normalize", "embeddingTypes"];
const TITAN_DIMENSIONS: &[u64] = &[256, 512, 1024];
const TITAN_TOKENS_MAX: usize = 8192;
/// Of Cohere's fourth; the third takes all but the last.
const COHERE: &[&str] = &["texts", "input_type", "truncate", "embedding_types", "output_dimension"];
const COHERE_DIMENSIONS: &[u64] = &[256, 512, 1024, 1536];
const COHERE_TEXTS_MAX: usize = 96;
const COHERE_INPUT_TYPES: &[&str] = &["search_document", "search_query", "classification", "clustering"];

/// Nothing if the model makes no embeddings.
pub fn script(model: &str, body: &Value) -> Option<Result<Script, Refused>> {
    let answer = if model.contains("amazon.titan-embed-text") {
        titan(body, model.contains("-v1"))
    } else if model.contains("cohere.embed") {
        cohere(body, model.contains("-v4"))
    } else {
        return None;
    };
    Some(answer.map(|body| Script::Whole { body, chunks: 1 }).map_err(|message| invalid(&message)))
}

fn titan(body: &Value, is_first: bool) -> Result<Value, String> {
    fields("#", body, if is_first { &TITAN[..1] } else { TITAN })?;
    let text = match body["inputText"].as_str() {
        None => return malformed("#: required key [inputText] not found"),
        Some("") => return malformed("#/inputText: expected minLength: 1, actual: 0"),
        Some(text) => text,
    };
    let count = tokens(text);
    if count > TITAN_TOKENS_MAX {
        return Err(format!(
            "400 Bad Request: Too many input tokens. Max input tokens: 8192, request input token count: {count} "
        ));
    }
    let vector = vector(text, dimensions(body, "dimensions", TITAN_DIMENSIONS)?);
    let mut reply = json!({ "embedding": vector, "inputTextTokenCount": count });
    if !is_first {
        reply["embeddingsByType"] = json!({ "float": vector });
    }
    Ok(reply)
}

fn cohere(body: &Value, is_fourth: bool) -> Result<Value, String> {
    fields("#", body, if is_fourth { COHERE } else { &COHERE[..COHERE.len() - 1] })?;
    let text = |item: &Value| item.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let texts: Option<Vec<String>> = body["texts"].as_array().and_then(|list| list.iter().map(text).collect());
    let Some(texts) = texts.filter(|texts| !texts.is_empty()) else {
        return malformed("#/texts: expected an array of texts that are not empty");
    };
    if texts.len() > COHERE_TEXTS_MAX {
        return malformed(&format!("#/texts: expected maximum item count: 96, found: {}", texts.len()));
    }
    match body["input_type"].as_str() {
        None => return malformed("#: required key [input_type] not found"),
        Some(given) if !COHERE_INPUT_TYPES.contains(&given) => {
            return malformed(&format!("#/input_type: {given} is not a valid enum value"));
        }
        Some(_) => {}
    }
    let dimensions = dimensions(body, "output_dimension", COHERE_DIMENSIONS)?;
    let vectors: Vec<_> = texts.iter().map(|text| vector(text, dimensions)).collect();
    // Asked for types, the reply says them.
    let (kind, embeddings) = match &body["embedding_types"] {
        Value::Null => ("embeddings_floats", json!(vectors)),
        types if *types == json!(["float"]) => ("embeddings_by_type", json!({ "float": vectors })),
        _ => return Err("This fake makes only embeddings of the type `float`.".to_owned()),
    };
    let id = "00000000-0000-4000-8000-000000000000";
    Ok(json!({ "id": id, "embeddings": embeddings, "response_type": kind, "texts": texts }))
}

fn dimensions(body: &Value, field: &str, known: &[u64]) -> Result<usize, String> {
    let Some(given) = body.get(field) else { return Ok(DIMENSIONS) };
    match given.as_u64().filter(|count| known.contains(count)).and_then(|count| usize::try_from(count).ok()) {
        Some(count) => Ok(count),
        None => malformed(&format!("#/{field}: {given} is not a valid enum value")),
    }
}

fn malformed<T>(what: &str) -> Result<T, String> {
    Err(format!("Malformed input request: {what}, please reformat your input and try again."))
}
