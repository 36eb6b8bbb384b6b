//! Token counts. Gemini counts thoughts apart from candidates; the contract's `output` holds both.

use pointsman_sdk::codec::chat;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// `usageMetadata`. Every field may be missing.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WireUsage {
    prompt_token_count: Option<u64>,
    tool_use_prompt_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
}

/// The counts so far: what is remembered between two calls of a fold.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Counts {
    prompt: u64,
    tool_use_prompt: u64,
    candidates: u64,
    thoughts: u64,
    cached: u64,
}

impl Counts {
    /// Counts in a stream are cumulative, and early chunks leave some out: what is missing or zero wipes out nothing.
    pub fn update(&mut self, wire: &WireUsage) {
        for (known, news) in [
            (&mut self.prompt, wire.prompt_token_count),
            (&mut self.tool_use_prompt, wire.tool_use_prompt_token_count),
            (&mut self.candidates, wire.candidates_token_count),
            (&mut self.thoughts, wire.thoughts_token_count),
            (&mut self.cached, wire.cached_content_token_count),
        ] {
            *known = news.filter(|count| *count > 0).unwrap_or(*known);
        }
    }

    pub fn chat(&self) -> chat::Usage {
        chat::Usage {
            input: self.prompt.saturating_add(self.tool_use_prompt),
            output: self.candidates.saturating_add(self.thoughts),
            cache_read: self.cached,
            cache_write: 0,
            reasoning: self.thoughts,
        }
    }

    pub fn from_chat(usage: &chat::Usage) -> Counts {
        Counts {
            prompt: usage.input,
            tool_use_prompt: 0,
            candidates: usage.output.saturating_sub(usage.reasoning),
            thoughts: usage.reasoning.min(usage.output),
            cached: usage.cache_read,
        }
    }

    pub fn prompt(&self) -> u64 {
        self.prompt
    }

    pub fn json(&self) -> Value {
        let total = self.prompt.saturating_add(self.candidates).saturating_add(self.thoughts);
        let mut usage = json!({
            "promptTokenCount": self.prompt,
            "candidatesTokenCount": self.candidates,
            "totalTokenCount": total,
        });
        for (name, count) in [("thoughtsTokenCount", self.thoughts), ("cachedContentTokenCount", self.cached)] {
            if count > 0 {
                usage[name] = count.into();
            }
        }
        usage
    }
}
