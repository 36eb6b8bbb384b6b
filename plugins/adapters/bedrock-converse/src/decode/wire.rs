//! The shapes of replies, as far as they matter. Every field may be missing or null.

use pointsman_adapter_sdk::chat;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockStart {
    #[serde(default)]
    pub content_block_index: u32,
    pub start: Option<Start>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Start {
    pub tool_use: Option<ToolUseStart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolUseStart {
    pub tool_use_id: String,
    pub name: String,
    /// Only of calls that the provider makes itself: `server_tool_use`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockDelta {
    #[serde(default)]
    pub content_block_index: u32,
    pub delta: Option<Piece>,
}

/// Exactly one of them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Piece {
    pub text: Option<String>,
    pub tool_use: Option<ToolUsePiece>,
    pub reasoning_content: Option<ReasoningPiece>,
}

#[derive(Deserialize)]
pub struct ToolUsePiece {
    pub input: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReasoningPiece {
    pub text: Option<String>,
    pub signature: Option<String>,
    pub redacted_content: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockStop {
    #[serde(default)]
    pub content_block_index: u32,
}

/// The end of a message in a stream; a whole reply ends with the same fields.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageStop<'a> {
    pub stop_reason: Option<String>,
    #[serde(borrow)]
    pub additional_model_response_fields: Option<&'a RawValue>,
}

/// What `encode` asks Claude for. Not worth a failed reply: other models may say anything there.
pub fn stop_sequence(fields: Option<&RawValue>) -> Option<String> {
    #[derive(Deserialize)]
    struct Fields {
        stop_sequence: Option<String>,
    }
    serde_json::from_str::<Fields>(fields?.get()).ok()?.stop_sequence
}

#[derive(Default, Deserialize)]
pub struct Metadata {
    pub usage: Option<Usage>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_write_input_tokens: Option<u64>,
}

impl Usage {
    /// Bedrock's `inputTokens` leaves out what was cached; the contract's `input` counts everything. Thoughts are not
    /// counted apart.
    pub fn chat(&self) -> chat::Usage {
        let cache_read = self.cache_read_input_tokens.unwrap_or(0);
        let cache_write = self.cache_write_input_tokens.unwrap_or(0);
        let fresh = self.input_tokens.unwrap_or(0);
        chat::Usage {
            input: fresh.saturating_add(cache_read).saturating_add(cache_write),
            output: self.output_tokens.unwrap_or(0),
            cache_read,
            cache_write,
            reasoning: 0,
        }
    }
}

/// A whole reply.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Whole<'a> {
    #[serde(borrow)]
    pub output: Option<Output<'a>>,
    pub usage: Option<Usage>,
    pub stop_reason: Option<String>,
    #[serde(borrow)]
    pub additional_model_response_fields: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub struct Output<'a> {
    #[serde(borrow)]
    pub message: Option<Message<'a>>,
}

#[derive(Deserialize)]
pub struct Message<'a> {
    #[serde(borrow)]
    pub content: Option<Vec<Block<'a>>>,
}

/// Exactly one of them, or one that is not known here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Block<'a> {
    pub text: Option<String>,
    #[serde(borrow)]
    pub tool_use: Option<ToolUse<'a>>,
    pub reasoning_content: Option<Reasoning>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolUse<'a> {
    pub tool_use_id: String,
    pub name: String,
    #[serde(borrow)]
    pub input: Option<&'a RawValue>,
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reasoning {
    pub reasoning_text: Option<ReasoningText>,
    pub redacted_content: Option<String>,
}

#[derive(Deserialize)]
pub struct ReasoningText {
    pub text: Option<String>,
    pub signature: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Count {
    pub input_tokens: u64,
}
