//! What is read of a reply: one shape for a chunk (`delta`) and for a whole completion (`message`). Nothing is copied
//! that can be borrowed.

use super::Usage;
use super::loose::{Count, Loose, OptionalCount, OptionalText};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

#[derive(Deserialize)]
pub struct Chunk<'a> {
    #[serde(borrow)]
    pub id: Option<Loose<'a>>,
    #[serde(borrow)]
    pub model: Option<Loose<'a>>,
    pub created: Option<Count>,
    #[serde(borrow)]
    pub choices: Option<Vec<Choice<'a>>>,
    pub usage: Option<WireUsage>,
    #[serde(borrow)]
    object: Option<Loose<'a>>,
    error: Option<IgnoredAny>,
    #[serde(borrow)]
    x_groq: Option<Groq<'a>>,
}

/// Groq's own corner of a chunk.
#[derive(Deserialize)]
struct Groq<'a> {
    usage: Option<WireUsage>,
    /// Why the stream ends early.
    #[serde(borrow)]
    error: Option<Loose<'a>>,
}

#[derive(Deserialize)]
pub struct Choice<'a> {
    pub index: Option<Count>,
    #[serde(borrow)]
    pub delta: Option<Say<'a>>,
    #[serde(borrow)]
    pub message: Option<Say<'a>>,
    #[serde(borrow)]
    pub finish_reason: Option<Loose<'a>>,
    /// vLLM's: the stop string that was met, or the number of a token.
    #[serde(borrow)]
    pub stop_reason: Option<Loose<'a>>,
    /// OpenRouter's, beside the finish reason `error`.
    pub error: Option<Value>,
    /// Moonshot's.
    usage: Option<WireUsage>,
}

#[derive(Deserialize)]
pub struct Say<'a> {
    #[serde(borrow)]
    pub content: Option<Loose<'a>>,
    #[serde(borrow)]
    pub reasoning_content: Option<Loose<'a>>,
    #[serde(borrow)]
    pub reasoning: Option<Loose<'a>>,
    /// OpenRouter's: a list of texts and summaries.
    #[serde(borrow)]
    pub reasoning_details: Option<Loose<'a>>,
    #[serde(borrow)]
    pub refusal: Option<Loose<'a>>,
    #[serde(borrow)]
    pub tool_calls: Option<Vec<Call<'a>>>,
    #[serde(borrow)]
    pub function_call: Option<Function<'a>>,
    /// OpenRouter's: openrouter.ai/docs/features/multimodal/image-generation
    #[serde(default)]
    images: Value,
    audio: Option<IgnoredAny>,
}

impl Say<'_> {
    /// Content that the contract has no word for.
    pub fn has_other_content(&self) -> bool {
        self.audio.is_some() || self.images.as_array().is_some_and(|images| !images.is_empty())
    }
}

#[derive(Deserialize)]
pub struct Call<'a> {
    pub index: Option<Count>,
    #[serde(borrow)]
    pub id: Option<Loose<'a>>,
    #[serde(borrow)]
    pub function: Option<Function<'a>>,
}

#[derive(Deserialize)]
pub struct Function<'a> {
    #[serde(borrow)]
    pub name: Option<Loose<'a>>,
    #[serde(borrow)]
    pub arguments: Option<Loose<'a>>,
}

#[derive(Deserialize)]
pub struct WireUsage {
    prompt_tokens: Option<Count>,
    completion_tokens: Option<Count>,
    total_tokens: Option<Count>,
    /// DeepSeek's.
    prompt_cache_hit_tokens: Option<Count>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Deserialize)]
struct PromptDetails {
    cached_tokens: Option<Count>,
    /// OpenRouter's.
    cache_write_tokens: Option<Count>,
}

#[derive(Deserialize)]
struct CompletionDetails {
    reasoning_tokens: Option<Count>,
}

impl Chunk<'_> {
    /// `{"error": …}`, or vLLM's older `{"object": "error", …}`.
    pub fn is_error(&self) -> bool {
        self.error.is_some() || self.object.text() == "error"
    }

    pub fn groq_error(&self) -> Option<&str> {
        Some(self.x_groq.as_ref()?.error.text()).filter(|words| !words.is_empty())
    }

    /// Wherever it stands.
    pub fn usage(&self) -> Option<&WireUsage> {
        let groq = || self.x_groq.as_ref()?.usage.as_ref();
        let moonshot = || self.choices.as_ref()?.first()?.usage.as_ref();
        self.usage.as_ref().or_else(groq).or_else(moonshot)
    }
}

impl WireUsage {
    pub fn counted(&self) -> Usage {
        let prompt = self.prompt_tokens_details.as_ref();
        let completion = self.completion_tokens_details.as_ref();
        let input = self.prompt_tokens.number();
        let cached = prompt.and_then(|details| details.cached_tokens.as_ref());
        Usage {
            input,
            // xAI and Google count reasoning beside the completion: what the total has more is output too.
            output: self.completion_tokens.number().max(self.total_tokens.number().saturating_sub(input)),
            cache_read: cached.or(self.prompt_cache_hit_tokens.as_ref()).map_or(0, Count::number),
            cache_write: prompt.and_then(|details| details.cache_write_tokens.as_ref()).map_or(0, Count::number),
            reasoning: completion.and_then(|details| details.reasoning_tokens.as_ref()).map_or(0, Count::number),
        }
    }
}
