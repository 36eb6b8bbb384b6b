//! Replies of the provider as events. This also runs over replies that go to the caller untouched, for the sake of
//! usage and faults: what it does not know it passes over.
//!
//! A whole reply has the shape of a single chunk of a stream, so there is one way to read both.

mod embeddings;
mod finish;
mod progress;
mod wire;

use crate::classify::{self, ErrorBody};
use crate::{BATCH_EMBED_CONTENTS, COUNT_TOKENS, EMBED_CONTENT, EMBEDDINGS};
use pointsman_sdk::codec::chat::{Event, Finish, Finished, Usage};
use pointsman_sdk::codec::provider::{Decoded, Frame};
use pointsman_sdk::codec::{Fault, FaultKind, fault, recall, remember};
use progress::Progress;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Default, Deserialize, Serialize)]
struct Memory {
    /// `finished` or `failed` was given: nothing may follow.
    over: bool,
    progress: Progress,
}

pub fn frames(operation: &str, memory: &[u8], frames: &[Frame], ended: bool) -> Decoded {
    let mut memory: Memory = recall(memory);
    let mut events = Vec::new();
    for frame in frames {
        if memory.over {
            break;
        }
        let said = match operation {
            EMBEDDINGS | BATCH_EMBED_CONTENTS => embeddings::whole(&frame.data, &mut events),
            EMBED_CONTENT => embeddings::one(&frame.data, &mut events),
            COUNT_TOKENS => token_count(&frame.data, &mut events),
            _ => memory.progress.chunk(&frame.data, &mut events),
        };
        memory.settle(said, &mut events);
    }
    if ended && !memory.over {
        // Counts of tokens may come after the reason to finish, so only the end of the stream ends the reply.
        let said = memory.progress.end(&mut events);
        memory.settle(said, &mut events);
    }
    Decoded { events, memory: remember(&memory) }
}

impl Memory {
    fn settle(&mut self, said: Result<(), Fault>, events: &mut Vec<Event>) {
        if let Err(fault) = said {
            events.push(Event::Failed(fault));
        }
        self.over |= matches!(events.last(), Some(Event::Finished(_) | Event::Failed(_)));
    }
}

/// The reply to `countTokens`.
fn token_count(data: &[u8], events: &mut Vec<Event>) -> Result<(), Fault> {
    let body: Value = serde_json::from_slice(data).map_err(|_| malformed("the body is not JSON"))?;
    if let Some(error) = ErrorBody::of(&body) {
        return Err(classify::in_reply(&error));
    }
    let input = body["totalTokens"].as_u64().ok_or_else(|| malformed("`totalTokens` is missing"))?;
    let cache_read = body["cachedContentTokenCount"].as_u64().unwrap_or(0);
    events.push(Event::Usage(Usage { input, output: 0, cache_read, cache_write: 0, reasoning: 0 }));
    events.push(Event::Finished(Finished { reason: Finish::Stop, stop_sequence: None }));
    Ok(())
}

fn malformed(what: &str) -> Fault {
    fault(FaultKind::MalformedReply, format!("the provider's reply is not what the protocol says: {what}"))
}
