//! Token counts. Anthropic's `input_tokens` leaves out what was cached; the contract's `input` counts everything.

use pointsman_sdk::codec::chat;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Usage as the wire says it. Every field may be missing or null.
#[derive(Debug, Default, Deserialize)]
pub struct WireUsage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Debug, Default, Deserialize)]
struct OutputDetails {
    thinking_tokens: Option<u64>,
}

/// The counts so far: what is remembered between two calls of a fold.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Counts {
    fresh_input: u64,
    output: u64,
    cache_read: u64,
    cache_write: u64,
    thinking: u64,
}

impl Counts {
    /// Counts in a stream are cumulative and partial. Some servers begin with zeros, others end with them: a zero never
    /// wipes out what is known.
    pub fn update(&mut self, wire: &WireUsage) {
        let thinking = wire.output_tokens_details.as_ref().and_then(|details| details.thinking_tokens);
        for (known, news) in [
            (&mut self.fresh_input, wire.input_tokens),
            (&mut self.output, wire.output_tokens),
            (&mut self.cache_read, wire.cache_read_input_tokens),
            (&mut self.cache_write, wire.cache_creation_input_tokens),
            (&mut self.thinking, thinking),
        ] {
            *known = news.filter(|count| *count > 0).unwrap_or(*known);
        }
    }

    pub fn chat(&self) -> chat::Usage {
        chat::Usage {
            input: self.fresh_input.saturating_add(self.cache_read).saturating_add(self.cache_write),
            output: self.output,
            cache_read: self.cache_read,
            cache_write: self.cache_write,
            reasoning: self.thinking,
        }
    }

    pub fn from_chat(usage: &chat::Usage) -> Counts {
        Counts {
            fresh_input: usage.input.saturating_sub(usage.cache_read).saturating_sub(usage.cache_write),
            output: usage.output,
            cache_read: usage.cache_read,
            cache_write: usage.cache_write,
            thinking: usage.reasoning,
        }
    }

    /// Callers' SDKs add these numbers up: none may be missing.
    pub fn json(&self) -> Value {
        let mut usage = json!({
            "input_tokens": self.fresh_input,
            "cache_creation_input_tokens": self.cache_write,
            "cache_read_input_tokens": self.cache_read,
            "output_tokens": self.output,
        });
        if self.thinking > 0 {
            usage["output_tokens_details"] = json!({ "thinking_tokens": self.thinking });
        }
        usage
    }
}
