//! Vectors: Titan's one, or Cohere's many. The reply does not say whose it is, but their fields differ.

use super::malformed;
use crate::classify;
use pointsman_adapter_sdk::Fault;
use pointsman_adapter_sdk::chat::{Embedding, Event, Finish, Finished, Usage};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Reply<'a> {
    /// Titan's.
    embedding: Option<Vec<f32>>,
    #[serde(rename = "inputTextTokenCount")]
    tokens: Option<u64>,
    /// Cohere's: a list, or lists by their type.
    #[serde(borrow)]
    embeddings: Option<&'a RawValue>,
    /// Of an error that came with a good status.
    #[serde(rename = "__type")]
    error: Option<String>,
}

#[derive(Deserialize)]
struct ByType {
    float: Vec<Vec<f32>>,
}

/// An error is the whole reply's.
pub fn whole(data: &[u8], events: &mut Vec<Event>) -> Result<(), Fault> {
    let reply: Reply = serde_json::from_slice(data).map_err(|_| malformed("the body holds no embeddings"))?;
    if let Some(name) = &reply.error {
        return Err(classify::in_reply(name, data));
    }
    let vectors = match (reply.embedding, reply.embeddings) {
        (Some(vector), _) => vec![vector],
        (None, Some(lists)) => cohere(lists.get())?,
        (None, None) => return Err(malformed("there is neither `embedding` nor `embeddings`")),
    };
    if !vectors.iter().flatten().all(|value| value.is_finite()) {
        return Err(malformed("a number of a vector is too large"));
    }
    let vectors = (0..).zip(vectors).map(|(index, values)| Event::Embedding(Embedding { index, values }));
    events.extend(vectors);
    // Cohere's replies do not count, and zero would be a lie.
    let usage = |input| Event::Usage(Usage { input, output: 0, cache_read: 0, cache_write: 0, reasoning: 0 });
    events.extend(reply.tokens.map(usage));
    events.push(Event::Finished(Finished { reason: Finish::Stop, stop_sequence: None }));
    Ok(())
}

fn cohere(lists: &str) -> Result<Vec<Vec<f32>>, Fault> {
    let vectors = match lists.starts_with('[') {
        true => serde_json::from_str(lists),
        false => serde_json::from_str(lists).map(|ByType { float }| float),
    };
    vectors.map_err(|_| malformed("`embeddings` holds no lists of numbers"))
}
