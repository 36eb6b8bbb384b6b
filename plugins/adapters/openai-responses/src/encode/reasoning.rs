//! How much the model is asked to reason. OpenAI has words for it, no budgets.

use super::Dropped;
use pointsman_sdk::codec::chat::Request;
use pointsman_sdk::codec::provider::{ModelFacts, ReasoningForm};
use serde_json::{Value, json};

/// Budgets up to this are `low`, and up to the next one `medium`.
const LOW_EFFORT_TOKENS_MAX: u32 = 4_096;
const MEDIUM_EFFORT_TOKENS_MAX: u32 = 16_384;

pub struct Ask {
    pub field: Option<Value>,
    /// The model will think, as far as is known: its thoughts must come encrypted, because nothing is stored.
    pub is_wanted: bool,
}

/// An effort that was named wins over a budget.
pub fn ask(request: &Request, model: &ModelFacts, dropped: &mut Dropped) -> Ask {
    let effort = match (&request.reasoning_effort, request.reasoning_budget_tokens) {
        (Some(effort), _) => Some(effort.as_str()),
        (None, Some(0)) => Some("none"),
        (None, Some(budget)) if budget <= LOW_EFFORT_TOKENS_MAX => Some("low"),
        (None, Some(budget)) if budget <= MEDIUM_EFFORT_TOKENS_MAX => Some("medium"),
        (None, Some(_)) => Some("high"),
        (None, None) => None,
    };
    if model.reasoning == Some(ReasoningForm::None) {
        let is_asked = effort.is_some_and(|effort| effort != "none");
        dropped.add_if(is_asked && request.reasoning_effort.is_some(), "reasoning_effort");
        dropped.add_if(is_asked && request.reasoning_effort.is_none(), "reasoning_budget_tokens");
        return Ask { field: None, is_wanted: false };
    }
    let is_wanted = effort.map_or(model.reasoning.is_some(), |effort| effort != "none");
    Ask { field: effort.map(|effort| json!({"effort": effort})), is_wanted }
}
