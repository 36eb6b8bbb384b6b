//! The reply to `count-tokens`.

use super::{malformed, wire};
use crate::classify;
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{Event, Finish, Finished, Usage};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Count<'a> {
    /// Bedrock writes `inputTokens`.
    #[serde(alias = "inputTokens")]
    input_tokens: Option<u64>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// An error is the whole reply's.
pub fn body(data: &[u8], events: &mut Vec<Event>) -> Result<(), Fault> {
    let count: Count = serde_json::from_slice(data).map_err(|_| malformed("the body is not JSON of a count"))?;
    if count.error.is_some() {
        return Err(classify::in_reply(wire::error(count.error)));
    }
    let input = count.input_tokens.ok_or_else(|| malformed("`input_tokens` is missing"))?;
    events.push(Event::Usage(Usage { input, output: 0, cache_read: 0, cache_write: 0, reasoning: 0 }));
    events.push(Event::Finished(Finished { reason: Finish::Stop, stop_sequence: None }));
    Ok(())
}
