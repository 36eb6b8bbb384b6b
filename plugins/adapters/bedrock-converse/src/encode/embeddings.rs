//! A request for embeddings, said as the body of `invoke`, which is another for each maker:
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html> and
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html>.

use super::{Notes, unsupported};
use pointsman_adapter_sdk::chat::Request;
use pointsman_adapter_sdk::{Fault, embeddings};
use serde_json::{Value, json};

/// Texts in a call to Cohere.
const COHERE_TEXTS_MAX: usize = 96;

/// The body, and the names of the fields that it cannot say.
pub fn body(request: &Request) -> Result<(Vec<u8>, Vec<String>), Fault> {
    let mut notes = Notes::new(request);
    let inputs = embeddings::inputs(request)?;
    let (dimensions, others) = embeddings::dimensions(request)?;
    others.into_iter().for_each(|name| notes.drop(name));
    // A prefix of regions may stand before it.
    let is_of = |family: &str| request.model.contains(family);
    let body = if is_of("amazon.titan-embed-text") {
        titan(&inputs, dimensions, is_of("amazon.titan-embed-text-v1"))?
    } else if is_of("cohere.embed") {
        cohere(&inputs, dimensions, is_of("cohere.embed-v4"))?
    } else {
        return Err(unsupported("model", "only Titan's and Cohere's text embeddings are known here"));
    };
    notes.drop_if(request.user.is_some(), "user");
    Ok((body.to_string().into_bytes(), notes.dropped.into_list()))
}

fn titan(inputs: &[&str], dimensions: Option<u64>, is_first: bool) -> Result<Value, Fault> {
    let [input] = inputs else {
        return Err(unsupported("input[1]", "Titan takes one input in a call"));
    };
    let mut body = json!({ "inputText": input });
    if let Some(count) = dimensions {
        if is_first {
            return Err(one_size());
        }
        body["dimensions"] = count.into();
    }
    Ok(body)
}

fn cohere(inputs: &[&str], dimensions: Option<u64>, is_fourth: bool) -> Result<Value, Fault> {
    if inputs.len() > COHERE_TEXTS_MAX {
        let field = format!("input[{COHERE_TEXTS_MAX}]");
        return Err(unsupported(&field, "Cohere takes at most 96 inputs in a call"));
    }
    // Cohere demands to know what they are for, which callers do not say.
    let mut body = json!({ "texts": inputs, "input_type": "search_document" });
    if let Some(count) = dimensions {
        if !is_fourth {
            return Err(one_size());
        }
        body["output_dimension"] = count.into();
    }
    Ok(body)
}

fn one_size() -> Fault {
    unsupported("dimensions", "this model's vectors have one size")
}
