//! Vectors: AI Studio's `embeddings`, or Vertex's `predictions`. A reply is decoded without the settings that would tell
//! which, but their fields differ.

use super::{malformed, wire};
use crate::classify::{self, ErrorBody};
use crate::usage::Counts;
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{Embedding, Event, Finish, Finished, Usage};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reply<'a> {
    embedding: Option<Vector>,
    embeddings: Option<Vec<Vector>>,
    predictions: Option<Vec<Prediction>>,
    #[serde(borrow)]
    usage_metadata: Option<&'a RawValue>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Prediction {
    embeddings: Vector,
}

#[derive(Deserialize)]
struct Vector {
    values: Vec<f32>,
    statistics: Option<Statistics>,
}

#[derive(Deserialize)]
struct Statistics {
    /// Vertex's numbers are all floating ones.
    token_count: Option<f64>,
}

/// The reply to `embedContent`, which has one vector.
pub fn one(data: &[u8], events: &mut Vec<Event>) -> Result<(), Fault> {
    let mut reply: Reply = serde_json::from_slice(data).map_err(|_| malformed("the body is no embedding"))?;
    reply.embeddings = reply.embedding.take().map(|one| vec![one]).or(reply.embeddings);
    tell(reply, data, events)
}

/// An error is the whole reply's.
pub fn whole(data: &[u8], events: &mut Vec<Event>) -> Result<(), Fault> {
    let reply: Reply = serde_json::from_slice(data).map_err(|_| malformed("the body is no list of embeddings"))?;
    tell(reply, data, events)
}

fn tell(reply: Reply, data: &[u8], events: &mut Vec<Event>) -> Result<(), Fault> {
    if reply.error.is_some() {
        let body = serde_json::from_slice(data).unwrap_or_default();
        return Err(classify::in_reply(&ErrorBody::of(&body).unwrap_or_default()));
    }
    let predicted = reply.predictions.map(|list| list.into_iter().map(|one| one.embeddings).collect());
    let vectors: Vec<Vector> = reply.embeddings.or(predicted).ok_or_else(|| malformed("`embeddings` is missing"))?;
    if !vectors.iter().flat_map(|vector| &vector.values).all(|value| value.is_finite()) {
        return Err(malformed("a number of a vector is too large"));
    }
    let usage = tokens(&vectors).or_else(|| reply.usage_metadata.map(counted));
    let vectors =
        (0..).zip(vectors).map(|(index, vector)| Event::Embedding(Embedding { index, values: vector.values }));
    events.extend(vectors);
    // Zero would be a lie where nobody counted.
    events.extend(usage.map(Event::Usage));
    events.push(Event::Finished(Finished { reason: Finish::Stop, stop_sequence: None }));
    Ok(())
}

/// Vertex counts each input.
fn tokens(vectors: &[Vector]) -> Option<Usage> {
    let counts = vectors.iter().map(|vector| vector.statistics.as_ref()?.token_count);
    let sum: f64 = counts.sum::<Option<f64>>().filter(|_| !vectors.is_empty())?;
    Some(Usage { input: sum as u64, output: 0, cache_read: 0, cache_write: 0, reasoning: 0 })
}

fn counted(metadata: &RawValue) -> Usage {
    let mut counts = Counts::default();
    counts.update(&wire::usage(metadata));
    counts.chat()
}
