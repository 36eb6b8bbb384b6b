//! How much the model thinks, and how much room there is for it: each limits the other.

use super::{Extras, messages};
use crate::PROTOCOL;
use pointsman_sdk::codec::chat::{Request, ToolChoice};
use pointsman_sdk::codec::provider::{ModelFacts, ReasoningForm};
use serde_json::{Value, json};

/// The protocol demands `max_tokens` and others do not: room for a long answer, within every current model's limit.
const MAX_TOKENS: u32 = 8192;

/// Thinking with less than this is refused.
const BUDGET_TOKENS_MIN: u32 = 1024;

/// Extras at the top that are said here.
pub const SAID: [&str; 2] = ["thinking.type", "output_config.effort"];

pub struct Thinking {
    pub max_tokens: u32,
    /// The field `thinking`.
    pub config: Option<Value>,
    /// The field `output_config.effort`.
    pub effort: Option<String>,
}

/// What the caller asked for.
struct Wish {
    /// Not to think.
    off: bool,
    effort: Option<&'static str>,
    budget: Option<u32>,
    /// A `thinking.type` without a budget, from a caller of this protocol.
    kind: Option<String>,
}

impl Thinking {
    /// `default` is the operator's limit for callers who set none.
    pub fn choose(default: Option<u32>, request: &Request, facts: &ModelFacts, extras: &mut Extras) -> Thinking {
        let limit = facts.output_tokens.unwrap_or(u32::MAX);
        let max_tokens = request.max_output_tokens.or(default).or(facts.output_tokens).unwrap_or(MAX_TOKENS);
        let mut thinking = Thinking { max_tokens: max_tokens.min(limit), config: None, effort: None };
        let wish = Wish::of(request, extras);
        let form = match facts.reasoning {
            None if extras.own => {
                thinking.as_asked(wish, request, limit, extras);
                return thinking;
            }
            None if wish.budget.is_some() => ReasoningForm::Budget,
            None => ReasoningForm::Adaptive,
            Some(form) => form,
        };
        match form {
            ReasoningForm::None => wish.drop(extras),
            _ if wish.off => {
                thinking.config = Some(json!({ "type": "disabled" }));
                // Of this protocol's own callers: an effort beside no thinking.
                let sayable = form != ReasoningForm::Budget;
                thinking.effort = wish.effort.filter(|_| sayable).map(str::to_owned);
                extras.drop_if(wish.effort.is_some() && !sayable, "reasoning_effort");
            }
            ReasoningForm::Budget => {
                // Where nothing is known of the model, an effort beside the budget is the caller's to know.
                let effort = wish.effort.filter(|_| facts.reasoning.is_none());
                thinking.effort = effort.map(str::to_owned);
                let wanted = wish.budget.or_else(|| wish.as_budget(extras.own, thinking.max_tokens));
                if let Some(wanted) = wanted {
                    thinking.set_budget(wanted, request, limit, false);
                }
                let unsaid = wanted.is_some() && thinking.config.is_none();
                extras.drop_if(unsaid && wish.budget.is_some(), "reasoning_budget_tokens");
                let unsaid = wish.effort.is_some() && effort.is_none() && thinking.config.is_none();
                extras.drop_if(unsaid, "reasoning_effort");
            }
            ReasoningForm::Adaptive | ReasoningForm::Effort | ReasoningForm::Level => {
                let effort = wish.effort.or_else(|| wish.budget.map(as_effort));
                thinking.effort = effort.map(str::to_owned);
                // Callers of this protocol ask for thinking beside the effort, or mean to have none.
                let wanted = wish.kind.is_some() || wish.budget.is_some() || (effort.is_some() && !extras.own);
                if wanted && form == ReasoningForm::Adaptive && !forces_a_tool(request) {
                    thinking.config = Some(json!({ "type": wish.kind.as_deref().unwrap_or("adaptive") }));
                }
            }
        }
        thinking
    }

    /// A caller of this protocol, and a model that nothing is known of.
    fn as_asked(&mut self, wish: Wish, request: &Request, limit: u32, extras: &mut Extras) {
        self.effort = wish.effort.map(str::to_owned);
        if wish.off {
            self.config = Some(json!({ "type": "disabled" }));
        } else if let Some(kind) = wish.kind {
            self.config = Some(json!({ "type": kind }));
        } else if let Some(budget) = wish.budget {
            self.set_budget(budget, request, limit, request.max_output_tokens == Some(self.max_tokens));
            extras.drop_if(self.config.is_none(), "reasoning_budget_tokens");
        }
    }

    /// The budget must leave room for the answer, but where the caller knows better (interleaved thinking may go beyond
    /// it). A limit of the caller's own is not raised; the default is, up to the model's `limit`.
    fn set_budget(&mut self, wanted: u32, request: &Request, limit: u32, as_written: bool) {
        let wanted = wanted.max(BUDGET_TOKENS_MIN);
        if request.max_output_tokens.is_none() {
            self.max_tokens = self.max_tokens.saturating_add(wanted).min(limit);
        }
        let budget = if as_written { wanted } else { wanted.min(self.max_tokens.saturating_sub(1)) };
        // With a budget, the turn that called the tools must begin with its own signed thinking.
        let own = request.protocol == PROTOCOL;
        let allowed = budget >= BUDGET_TOKENS_MIN && !forces_a_tool(request) && !messages::lacks_thought(request, own);
        if allowed {
            self.config = Some(json!({ "type": "enabled", "budget_tokens": budget }));
        }
    }

    pub fn is_on(&self) -> bool {
        self.config.as_ref().is_some_and(|config| config["type"] != "disabled")
    }
}

impl Wish {
    fn of(request: &Request, extras: &mut Extras) -> Wish {
        let own = |name: &str| {
            let extra = request.extras.iter().find(|extra| extras.own && extra.name == name)?;
            serde_json::from_str::<String>(&extra.value).ok()
        };
        let (kind, own_effort) = (own(SAID[0]), own(SAID[1]));
        let asked = request.reasoning_effort.as_deref();
        let effort = match own_effort.as_deref().or(asked) {
            Some("minimal" | "low") => Some("low"),
            Some("medium") => Some("medium"),
            Some("high") => Some("high"),
            Some("xhigh") => Some("xhigh"),
            Some("max") => Some("max"),
            Some("none") | None => None,
            Some(_) => {
                extras.drop("reasoning_effort");
                None
            }
        };
        Wish { off: asked == Some("none"), effort, budget: request.reasoning_budget_tokens, kind }
    }

    fn drop(&self, extras: &mut Extras) {
        extras.drop_if(self.effort.is_some(), "reasoning_effort");
        extras.drop_if(self.budget.is_some(), "reasoning_budget_tokens");
        extras.drop_if(self.kind.is_some(), "thinking");
    }

    /// Where only budgets are known: at most half of the room, so that the answer has the rest.
    fn as_budget(&self, own: bool, max_tokens: u32) -> Option<u32> {
        let effort = if own { self.kind.as_ref().map(|_| self.effort.unwrap_or("high")) } else { self.effort }?;
        let budget = match effort {
            "low" => 2048,
            "medium" => 8192,
            "high" => 16_384,
            _ => 32_768,
        };
        Some(budget.min(max_tokens / 2))
    }
}

/// Where only efforts are known.
fn as_effort(budget_tokens: u32) -> &'static str {
    match budget_tokens {
        0..=4096 => "low",
        4097..=12_288 => "medium",
        _ => "high",
    }
}

/// A forced tool is refused while thinking.
fn forces_a_tool(request: &Request) -> bool {
    matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)))
}
