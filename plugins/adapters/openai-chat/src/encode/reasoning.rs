//! How much the model shall reason, and what it thought before.

use super::{Terms, unsupported};
use crate::PROTOCOL;
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{Reasoning, Request};
use pointsman_sdk::codec::provider::ReasoningForm;
use serde_json::{Map, Value};

/// Budgets up to this are `low`, and up to the next one `medium`: OpenAI has levels, no budgets.
const LOW_EFFORT_TOKENS_MAX: u32 = 4_096;
const MEDIUM_EFFORT_TOKENS_MAX: u32 = 16_384;

/// The word for `reasoning_effort`, whatever form the model's facts tell: this protocol has only this one.
pub fn effort(terms: &Terms, request: &Request, dropped: &mut Vec<String>) -> Result<Option<String>, Fault> {
    let effort = wanted(terms, request)?;
    if terms.settings.reasoning_effort && terms.model.reasoning != Some(ReasoningForm::None) {
        return Ok(effort);
    }
    if effort.is_some() {
        dropped.push("reasoning_effort".into());
    }
    Ok(None)
}

/// A level that was named wins over a budget.
fn wanted(terms: &Terms, request: &Request) -> Result<Option<String>, Fault> {
    let Some(level) = request.reasoning_effort.as_deref() else {
        let level = request.reasoning_budget_tokens.map(|budget| match budget {
            0 => "none",
            budget if budget <= LOW_EFFORT_TOKENS_MAX => "low",
            budget if budget <= MEDIUM_EFFORT_TOKENS_MAX => "medium",
            _ => "high",
        });
        return Ok(level.map(String::from));
    };
    match level {
        // The highest that OpenAI's models agree on. A caller of this protocol knows the model's own words.
        "max" if !terms.is_own => Ok(Some("xhigh".into())),
        "none" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max" => Ok(Some(level.into())),
        other => Err(unsupported("reasoning_effort", format!("OpenAI has no reasoning effort `{other}`"))),
    }
}

/// Whether an earlier thought goes back to the server: only where it asks for them, and never one that another
/// protocol's provider sealed. Servers of this protocol do not sign theirs.
pub fn takes_thought(terms: &Terms, thought: &Reasoning) -> bool {
    let is_foreign = thought.signature.as_ref().is_some_and(|signature| signature.maker != PROTOCOL);
    terms.settings.reasoning_field.is_some() && !is_foreign && thought.redacted.is_none()
}

pub fn put_thoughts(terms: &Terms, message: &mut Map<String, Value>, thoughts: String) {
    if let Some(field) = terms.settings.reasoning_field
        && !thoughts.is_empty()
    {
        message.insert(field.into(), thoughts.into());
    }
}
