//! Embeddings: `batchEmbedContents` of AI Studio, `predict` of Vertex.
//!
//! <https://ai.google.dev/api/embeddings>,
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api>

use serde_json::{Value, json};

use super::super::vector::{DIMENSIONS, tokens, vector};
use super::{fields, shape};

const STUDIO_INPUTS_MAX: usize = 100;
const VERTEX_INPUTS_MAX: usize = 250;
const VERTEX_TOKENS_MAX: usize = 2048;
const DIMENSIONS_MAX: u64 = 3072;

/// One of a batch, and not in a list.
pub fn one(model: &str, body: &Value) -> Result<Value, String> {
    let mut request = body.clone();
    if request["model"].is_null() {
        request["model"] = format!("models/{model}").into();
    }
    let mut batch = batch(model, &json!({ "requests": [request] }))?;
    Ok(json!({ "embedding": batch["embeddings"][0].take() }))
}

pub fn batch(model: &str, body: &Value) -> Result<Value, String> {
    let body = shape::shaped(body, &fields::EMBED, "")?;
    let requests = list(&body["requests"]);
    let at = "* BatchEmbedContentsRequest.requests";
    if requests.is_empty() || requests.len() > STUDIO_INPUTS_MAX {
        return Err(match requests.is_empty() {
            true => format!("{at}: requests is not specified"),
            false => format!("{at}: at most 100 requests can be in one batch"),
        });
    }
    let embed = |(index, request): (usize, &Value)| {
        if request["model"].as_str().and_then(|named| named.strip_prefix("models/")) != Some(model) {
            return Err(format!("{at}[{index}].model: model must match the model of the batch"));
        }
        let parts = list(&request["content"]["parts"]);
        let text: String = parts.iter().filter_map(|part| part["text"].as_str()).collect();
        if text.is_empty() {
            return Err("* EmbedContentRequest.content: contents is not specified".to_owned());
        }
        Ok(json!({ "values": vector(&text, dimensions(&request["outputDimensionality"])?) }))
    };
    let embeddings: Vec<Value> = requests.iter().enumerate().map(embed).collect::<Result<_, _>>()?;
    Ok(json!({ "embeddings": embeddings }))
}

pub fn predict(model: &str, body: &Value) -> Result<Value, String> {
    let body = shape::shaped(body, &fields::PREDICT, "")?;
    let instances = list(&body["instances"]);
    let most = if model == "gemini-embedding-001" { 1 } else { VERTEX_INPUTS_MAX };
    if instances.is_empty() || instances.len() > most {
        let found = instances.len();
        return Err(format!(
            "{found} instance(s) found in prediction request. At least 1 and at most {most} are allowed."
        ));
    }
    let dimensions = dimensions(&body["parameters"]["outputDimensionality"])?;
    let truncates = body["parameters"]["autoTruncate"] != false;
    let embed = |instance: &Value| {
        let text = instance["content"].as_str().unwrap_or_default();
        let count = tokens(text);
        if text.is_empty() {
            return Err("The text content is empty.".to_owned());
        }
        if !truncates && count > VERTEX_TOKENS_MAX {
            let limit = "the number of tokens exceeds the limit";
            return Err(format!(
                "Unable to submit request: the input token count is {count} but {limit} {VERTEX_TOKENS_MAX}."
            ));
        }
        let (count, is_cut) = (count.min(VERTEX_TOKENS_MAX), count > VERTEX_TOKENS_MAX);
        let statistics = json!({ "truncated": is_cut, "token_count": count });
        Ok(json!({ "embeddings": { "values": vector(text, dimensions), "statistics": statistics } }))
    };
    let predictions: Vec<Value> = instances.iter().map(embed).collect::<Result<_, _>>()?;
    let characters: usize = instances.iter().filter_map(|instance| Some(instance["content"].as_str()?.len())).sum();
    Ok(json!({ "predictions": predictions, "metadata": { "billableCharacterCount": characters } }))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn dimensions(given: &Value) -> Result<usize, String> {
    if given.is_null() {
        return Ok(DIMENSIONS);
    }
    let fits = given.as_u64().filter(|count| (1..=DIMENSIONS_MAX).contains(count));
    let fits = fits.and_then(|count| usize::try_from(count).ok());
    fits.ok_or(format!("The output dimensionality must be between 1 and {DIMENSIONS_MAX}."))
}
