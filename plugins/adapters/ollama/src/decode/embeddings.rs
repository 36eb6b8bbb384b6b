//! The reply to `/api/embed`: one vector for each input, in their order.

use super::{malformed, usage};
use crate::classify;
use pointsman_adapter_sdk::Fault;
use pointsman_adapter_sdk::chat::{Embedding, Event, Finish, Finished};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Reply {
    embeddings: Option<Vec<Vec<f32>>>,
    prompt_eval_count: Option<u64>,
    error: Option<Value>,
}

/// An error is the whole reply's.
pub fn whole(data: &[u8], events: &mut Vec<Event>) -> Result<(), Fault> {
    let reply: Reply = serde_json::from_slice(data).map_err(|_| malformed("the body is no list of embeddings"))?;
    if let Some(error) = &reply.error {
        return Err(classify::in_reply(error, None));
    }
    let vectors = reply.embeddings.ok_or_else(|| malformed("`embeddings` is missing"))?;
    if !vectors.iter().flatten().all(|value| value.is_finite()) {
        return Err(malformed("a number of a vector is too large"));
    }
    let vectors = (0..).zip(vectors).map(|(index, values)| Event::Embedding(Embedding { index, values }));
    events.extend(vectors);
    // Older versions do not count, and zero would be a lie.
    events.extend(reply.prompt_eval_count.map(|input| Event::Usage(usage(Some(input), None))));
    events.push(Event::Finished(Finished { reason: Finish::Stop, stop_sequence: None }));
    Ok(())
}
