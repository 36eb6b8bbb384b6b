//! The reply to `POST /embeddings`: vectors as numbers, or as Base64 of their bytes.

use super::wire::WireUsage;
use crate::classify;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pointsman_sdk::codec::chat::{self, Embedding, Event, Finish, Finished};
use pointsman_sdk::codec::provider::{Decoded, Frame};
use pointsman_sdk::codec::{Fault, FaultKind, fault, recall, remember};
use serde::de::{self, IgnoredAny, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

#[derive(Deserialize)]
struct Reply {
    data: Option<Vec<One>>,
    usage: Option<WireUsage>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct One {
    index: Option<u32>,
    embedding: Vector,
}

/// Numbers, or Base64 of their bytes. By hand, because serde's own way would hold every number twice.
struct Vector(Vec<f32>);

impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VectorVisitor)
    }
}

struct VectorVisitor;

impl<'de> Visitor<'de> for VectorVisitor {
    type Value = Vector;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("numbers, or Base64 of their bytes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vector, E> {
        floats(text).map(Vector).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Vector, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = numbers.next_element()? {
            values.push(value);
        }
        Ok(Vector(values))
    }
}

/// What is remembered is whether the reply is over.
pub fn fold(memory: &[u8], frames: &[Frame], ended: bool) -> Decoded {
    let mut is_over: bool = recall(memory);
    let mut events = Vec::new();
    if !is_over && (ended || !frames.is_empty()) {
        is_over = true;
        match frames.first() {
            Some(body) => events = whole(body.data.trim_ascii()).unwrap_or_else(|fault| vec![Event::Failed(fault)]),
            None => {
                events.push(Event::Failed(fault(FaultKind::Truncated, "the reply ended before it was complete")));
            }
        }
    }
    Decoded { events, memory: remember(&is_over) }
}

fn whole(body: &[u8]) -> Result<Vec<Event>, Fault> {
    let malformed =
        |why: String| fault(FaultKind::MalformedReply, format!("the provider's reply is no list of embeddings: {why}"));
    let reply: Reply = serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))?;
    if reply.error.is_some() {
        return Err(classify::in_stream(body));
    }
    let data = reply.data.ok_or_else(|| malformed("it has no `data`".into()))?;
    let mut events = Vec::with_capacity(data.len() + 2);
    for (position, one) in data.into_iter().enumerate() {
        let Vector(values) = one.embedding;
        if !values.iter().all(|value| value.is_finite()) {
            return Err(malformed("a number is too large".into()));
        }
        let index = one.index.unwrap_or(u32::try_from(position).unwrap_or(u32::MAX));
        events.push(Event::Embedding(Embedding { index, values }));
    }
    // Some servers do not count, and zero would be a lie.
    if let Some(usage) = reply.usage {
        let usage = usage.counted();
        events.push(Event::Usage(chat::Usage { output: 0, ..usage.told() }));
    }
    events.push(Event::Finished(Finished { reason: Finish::Stop, stop_sequence: None }));
    Ok(events)
}

fn floats(text: &str) -> Option<Vec<f32>> {
    let bytes = STANDARD.decode(text).ok()?;
    let (floats, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| floats.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}
