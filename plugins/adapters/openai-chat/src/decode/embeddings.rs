//! The reply to `POST /embeddings`: forwarded untouched, and read here only for its usage and its faults.

use super::wire::WireUsage;
use crate::classify;
use pointsman_sdk::codec::chat::{self, Event, Finish, Finished};
use pointsman_sdk::codec::provider::{Decoded, Frame};
use pointsman_sdk::codec::{Fault, FaultKind, fault, recall, remember};
use serde::Deserialize;
use serde::de::IgnoredAny;

#[derive(Deserialize)]
struct Reply {
    data: Option<Vec<IgnoredAny>>,
    usage: Option<WireUsage>,
    error: Option<IgnoredAny>,
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
    if reply.data.is_none() {
        return Err(malformed("it has no `data`".into()));
    }
    let mut events = Vec::new();
    // Some servers do not count, and zero would be a lie.
    if let Some(usage) = reply.usage {
        let usage = usage.counted();
        events.push(Event::Usage(chat::Usage { output: 0, ..usage.told() }));
    }
    events.push(Event::Finished(Finished { reason: Finish::Stop, stop_sequence: None }));
    Ok(events)
}
