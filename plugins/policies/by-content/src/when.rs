//! Conditions on a request.

use std::collections::BTreeMap;

use pointsman_sdk::policy::RequestFacts;
use serde::Deserialize;

/// What must hold; absent conditions always do. Names and values may end in `*`, which stands for any ending.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    operation: Option<String>,
    protocol: Option<String>,
    stream: Option<bool>,
    /// Both are guesses, as `input-tokens-estimate` is.
    min_input_tokens: Option<u64>,
    max_input_tokens: Option<u64>,
    tools: Option<bool>,
    images: Option<bool>,
    documents: Option<bool>,
    audio: Option<bool>,
    /// A reply broke off, and this is about who goes on.
    continuing: Option<bool>,
    /// The name of the key that the caller showed.
    caller: Option<String>,
    /// By name; the route must show them to its policy (`policy_headers`).
    header: BTreeMap<String, String>,
}

impl When {
    /// # Errors
    /// A condition that no request can meet.
    pub fn check(&self) -> Result<(), String> {
        const OPERATIONS: [&str; 3] = ["chat", "embeddings", "count-tokens"];
        if let Some(operation) = self.operation.as_deref().filter(|operation| !OPERATIONS.contains(operation)) {
            return Err(format!("`when.operation` is `{operation}`, but must be one of {}", OPERATIONS.join(", ")));
        }
        match (self.min_input_tokens, self.max_input_tokens) {
            (Some(min), Some(max)) if min > max => {
                Err(format!("`when.min_input_tokens` is {min}, but must not be above `max_input_tokens`, {max}"))
            }
            _ => Ok(()),
        }
    }

    /// Do all conditions hold for this request?
    pub fn holds(&self, request: &RequestFacts) -> bool {
        let is = |wanted: Option<bool>, fact: bool| wanted.is_none_or(|wanted| wanted == fact);
        let says = |wanted: &Option<String>, fact: &str| wanted.as_ref().is_none_or(|wanted| fits(wanted, fact));
        let tokens = request.input_tokens_estimate;
        says(&self.operation, &request.operation)
            && says(&self.protocol, &request.protocol)
            && says(&self.caller, &request.caller)
            && is(self.stream, request.stream)
            && is(self.tools, request.tools)
            && is(self.images, request.images)
            && is(self.documents, request.documents)
            && is(self.audio, request.audio)
            && is(self.continuing, request.continuing)
            && self.min_input_tokens.is_none_or(|min| tokens >= min)
            && self.max_input_tokens.is_none_or(|max| tokens <= max)
            && self.header.iter().all(|(name, wanted)| header(request, name).is_some_and(|value| fits(wanted, value)))
    }
}

/// Exactly, or as far as the `*`.
fn fits(wanted: &str, value: &str) -> bool {
    wanted.strip_suffix('*').map_or(wanted == value, |beginning| value.starts_with(beginning))
}

fn header<'a>(request: &'a RequestFacts, name: &str) -> Option<&'a str> {
    let is_named = |shown: &str| shown.strip_prefix("header.").is_some_and(|shown| shown.eq_ignore_ascii_case(name));
    request.attributes.iter().find(|attribute| is_named(&attribute.name)).map(|attribute| attribute.value.as_str())
}
