//! How much the model thinks. Claude is told in a field of its own (`thinking`), and by Converse's `effort`; others
//! only by the latter, and only where it is known that they listen.

use super::messages::Said;
use super::{Notes, output_limit};
use pointsman_adapter_sdk::chat::{Request, ToolChoice};
use pointsman_adapter_sdk::provider::{ModelFacts, ReasoningForm};
use serde_json::{Value, json};

/// Claude refuses to think with less.
const BUDGET_TOKENS_MIN: u32 = 1024;

#[derive(Default)]
pub struct Thinking {
    /// Claude's `thinking`.
    pub config: Option<Value>,
    /// `outputConfig.effort`: low, medium, high, xhigh or max.
    pub effort: Option<&'static str>,
}

impl Thinking {
    pub fn choose(request: &Request, facts: &ModelFacts, said: &Said, notes: &mut Notes) -> Thinking {
        let mut thinking = Thinking::default();
        let budget = request.reasoning_budget_tokens;
        let asked_effort = request.reasoning_effort.as_deref();
        if asked_effort == Some("none") {
            // Models that take a budget do not think unless they are asked.
            if notes.is_claude && facts.reasoning == Some(ReasoningForm::Adaptive) {
                thinking.config = Some(json!({ "type": "disabled" }));
            }
            return thinking;
        }
        let effort = asked_effort.and_then(effort_word);
        match form(facts, budget, notes.is_claude) {
            _ if asked_effort.is_none() && budget.is_none() => return thinking,
            ReasoningForm::None => {}
            // A forced tool is refused while Claude thinks.
            ReasoningForm::Budget | ReasoningForm::Adaptive if forces_a_tool(request) => {}
            ReasoningForm::Budget => thinking.set_budget(request, facts, said),
            ReasoningForm::Adaptive => {
                thinking.config = Some(json!({ "type": "adaptive" }));
                thinking.effort = effort;
            }
            ReasoningForm::Effort | ReasoningForm::Level => thinking.effort = effort,
        }
        let is_budget = thinking.config.as_ref().is_some_and(|config| config["type"] == "enabled");
        notes.drop_if(budget.is_some() && !is_budget, "reasoning_budget_tokens");
        // Where the caller gave a budget too, that one was followed.
        let followed = thinking.effort.is_some() || (is_budget && budget.is_none());
        notes.drop_if(asked_effort.is_some() && !followed, "reasoning_effort");
        thinking
    }

    /// The budget must leave room for the answer, and the turn that called the tools must begin with its own signed
    /// thoughts.
    fn set_budget(&mut self, request: &Request, facts: &ModelFacts, said: &Said) {
        let limit = output_limit(request, facts).or(facts.output_tokens).unwrap_or(u32::MAX);
        let budget = match (request.reasoning_budget_tokens, request.reasoning_effort.as_deref()) {
            (Some(wanted), _) => wanted.max(BUDGET_TOKENS_MIN).min(limit.saturating_sub(1)),
            // A guess of ours must not eat up the answer.
            (None, effort) => tokens(effort).min(limit / 2),
        };
        if budget >= BUDGET_TOKENS_MIN && !said.lost_thoughts {
            self.config = Some(json!({ "type": "enabled", "budget_tokens": budget }));
        }
    }

    /// Tokens, where the model is told a budget.
    pub fn budget(&self) -> Option<u32> {
        let budget = self.config.as_ref()?.get("budget_tokens")?.as_u64()?;
        u32::try_from(budget).ok()
    }

    /// Claude refuses sampling parameters while it thinks.
    pub fn is_on(&self) -> bool {
        self.config.as_ref().is_some_and(|config| config["type"] != "disabled")
    }
}

/// Where nothing is known of a Claude, it is asked as the caller asked.
fn form(facts: &ModelFacts, budget: Option<u32>, is_claude: bool) -> ReasoningForm {
    match facts.reasoning {
        Some(ReasoningForm::Budget | ReasoningForm::Adaptive) if !is_claude => ReasoningForm::None,
        Some(form) => form,
        None if !is_claude => ReasoningForm::None,
        None if budget.is_some() => ReasoningForm::Budget,
        None => ReasoningForm::Adaptive,
    }
}

fn effort_word(effort: &str) -> Option<&'static str> {
    match effort {
        "minimal" | "low" => Some("low"),
        "medium" => Some("medium"),
        "high" => Some("high"),
        "xhigh" => Some("xhigh"),
        "max" => Some("max"),
        _ => None,
    }
}

/// An effort as a budget. The words have no numbers anywhere; these lie between the least and the most that is taken.
fn tokens(effort: Option<&str>) -> u32 {
    match effort {
        Some("minimal") => BUDGET_TOKENS_MIN,
        Some("low") => 2048,
        Some("high") => 16_384,
        Some("xhigh") => 24_576,
        Some("max") => 32_000,
        _ => 8192,
    }
}

fn forces_a_tool(request: &Request) -> bool {
    matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)))
}
