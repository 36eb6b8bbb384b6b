//! A request for embeddings: <https://ai.google.dev/api/embeddings>, and Vertex's `predict`:
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/embeddings/get-text-embeddings>.

use super::Dropped;
use crate::settings::{Settings, bare};
use pointsman_sdk::codec::chat::Request;
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use pointsman_sdk::embeddings;
use serde_json::{Value, json};

/// Inputs in a call.
const STUDIO_INPUTS_MAX: usize = 100;
const VERTEX_INPUTS_MAX: usize = 250;
/// Vertex gives this model one input in a call.
const ALONE: &str = "gemini-embedding-001";

/// The body, and the names of the fields that it cannot say.
pub fn body(settings: &Settings, request: &Request) -> Result<(Vec<u8>, Vec<String>), Fault> {
    let mut dropped = Dropped::new(&request.protocol);
    let model = bare(&request.model);
    let inputs = embeddings::inputs(request)?;
    let most = match settings.is_vertex() {
        true if model == ALONE => 1,
        true => VERTEX_INPUTS_MAX,
        false => STUDIO_INPUTS_MAX,
    };
    if inputs.len() > most {
        return Err(unsupported(most, format!("this model takes no more inputs in a call than {most}")));
    }
    let (dimensions, others) = embeddings::dimensions(request)?;
    others.into_iter().for_each(|name| dropped.add(name));
    dropped.add_if(request.user.is_some(), "user");
    let body = if settings.is_vertex() { predict(&inputs, dimensions) } else { batch(model, &inputs, dimensions) };
    Ok((body.to_string().into_bytes(), dropped.names.into_list()))
}

fn batch(model: &str, inputs: &[&str], dimensions: Option<u64>) -> Value {
    let one = |text: &&str| {
        let mut one = json!({ "model": format!("models/{model}"), "content": { "parts": [{ "text": text }] } });
        if let Some(count) = dimensions {
            one["outputDimensionality"] = count.into();
        }
        one
    };
    json!({ "requests": inputs.iter().map(one).collect::<Vec<_>>() })
}

fn predict(inputs: &[&str], dimensions: Option<u64>) -> Value {
    let instances: Vec<Value> = inputs.iter().map(|text| json!({ "content": text })).collect();
    // Else a text that is too long loses its end without a word.
    let mut body = json!({ "instances": instances, "parameters": { "autoTruncate": false } });
    if let Some(count) = dimensions {
        body["parameters"]["outputDimensionality"] = count.into();
    }
    body
}

fn unsupported(position: usize, why: String) -> Fault {
    fault_at(FaultKind::Unsupported, format!("input[{position}]"), why)
}
