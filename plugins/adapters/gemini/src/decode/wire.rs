//! The shapes of replies, as far as they matter.

use crate::usage::WireUsage;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// A string that is borrowed unless it contains escapes. (Serde copies what stands in an `Option<Cow<str>>`.)
#[derive(Debug, Deserialize)]
pub struct Str<'a>(#[serde(borrow)] Cow<'a, str>);

impl Str<'_> {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A chunk of a stream, or a whole reply.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Chunk<'a> {
    #[serde(borrow)]
    pub candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow)]
    pub prompt_feedback: Option<&'a RawValue>,
    #[serde(borrow)]
    pub usage_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    pub model_version: Option<Str<'a>>,
    #[serde(borrow)]
    pub response_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate<'a> {
    #[serde(borrow)]
    pub content: Option<Content<'a>>,
    #[serde(borrow)]
    pub finish_reason: Option<Str<'a>>,
    #[serde(borrow)]
    pub finish_message: Option<Str<'a>>,
    pub index: Option<u32>,
}

#[derive(Deserialize)]
pub struct Content<'a> {
    #[serde(borrow)]
    pub parts: Option<Vec<Part<'a>>>,
}

/// Exactly one of the kinds of content. Of kinds that the contract has no word for only their presence matters.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part<'a> {
    #[serde(borrow)]
    pub text: Option<Str<'a>>,
    pub thought: Option<bool>,
    #[serde(borrow)]
    pub thought_signature: Option<Str<'a>>,
    #[serde(borrow)]
    pub function_call: Option<FunctionCall<'a>>,
    #[serde(borrow)]
    pub inline_data: Option<&'a RawValue>,
    #[serde(borrow)]
    pub file_data: Option<&'a RawValue>,
    #[serde(borrow)]
    pub executable_code: Option<&'a RawValue>,
    #[serde(borrow)]
    pub code_execution_result: Option<&'a RawValue>,
}

impl Part<'_> {
    pub fn is_other_content(&self) -> bool {
        let others = [self.inline_data, self.file_data, self.executable_code, self.code_execution_result];
        others.iter().any(Option::is_some)
    }
}

#[derive(Deserialize)]
pub struct FunctionCall<'a> {
    #[serde(borrow)]
    pub id: Option<Str<'a>>,
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    #[serde(borrow)]
    pub args: Option<&'a RawValue>,
}

impl FunctionCall<'_> {
    /// The arguments' text, unless there are none. Whole replies come with the API's indentation, which is no part of
    /// what the model wrote.
    pub fn arguments(&self) -> Option<String> {
        let text = self.args?.get();
        let value: Value = serde_json::from_str(text).ok()?;
        let is_empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
        (!is_empty).then(|| value.to_string())
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PromptFeedback {
    pub block_reason: Option<String>,
}

pub fn text<'a>(value: &'a Option<Str<'_>>) -> &'a str {
    value.as_ref().map_or("", Str::as_str)
}

pub fn usage(json: &RawValue) -> WireUsage {
    // Counts are not worth a failed reply.
    serde_json::from_str(json.get()).unwrap_or_default()
}

pub fn block_reason(json: Option<&RawValue>) -> Option<String> {
    let feedback: PromptFeedback = serde_json::from_str(json?.get()).unwrap_or_default();
    feedback.block_reason.filter(|reason| reason != "BLOCKED_REASON_UNSPECIFIED")
}
