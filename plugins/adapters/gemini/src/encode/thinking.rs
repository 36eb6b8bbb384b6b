//! How much the model thinks: `thinkingConfig`. Efforts and budgets stand for each other as in Google's own
//! compatibility layer: <https://ai.google.dev/gemini-api/docs/openai>.

use super::Dropped;
use crate::INCLUDE_THOUGHTS;
use pointsman_sdk::codec::chat::Request;
use pointsman_sdk::codec::provider::{ModelFacts, ReasoningForm};
use serde_json::{Map, Value, json};

/// Tokens. Gemini 2.5 models differ in what they take; this range all of them do.
const BUDGET_TOKENS: std::ops::RangeInclusive<u32> = 512..=24576;

/// Gemini 2.5 Pro refuses less.
const PRO_TOKENS_MIN: u32 = 128;

const LOW_TOKENS: u32 = 1024;
const MEDIUM_TOKENS: u32 = 8192;

/// What the caller asked for.
#[derive(Clone, Copy, PartialEq)]
enum Wish {
    Off,
    Minimal,
    Low,
    Medium,
    High,
    Tokens(u32),
}

/// None when the caller did not say, or when the model does not reason.
pub fn config(request: &Request, facts: &ModelFacts, dropped: &mut Dropped) -> Option<Value> {
    let mut config = asked(request, facts, dropped)?;
    if dropped.speaks_gemini && request.extras.iter().any(|extra| extra.name == INCLUDE_THOUGHTS) {
        // What the caller said goes there.
        config.as_object_mut()?.shift_remove("includeThoughts");
    }
    Some(config)
}

fn asked(request: &Request, facts: &ModelFacts, dropped: &mut Dropped) -> Option<Value> {
    if dropped.speaks_gemini && facts.reasoning.is_none() {
        return said(request);
    }
    let wish = wish(request, dropped)?;
    match facts.reasoning {
        Some(ReasoningForm::None) => {
            dropped.add_if(wish != Wish::Off && request.reasoning_effort.is_some(), "reasoning_effort");
            dropped.add_if(wish != Wish::Off && request.reasoning_budget_tokens.is_some(), "reasoning_budget_tokens");
            None
        }
        Some(ReasoningForm::Level) => {
            let level = level(wish, &request.model);
            Some(json!({ "includeThoughts": wish != Wish::Off, "thinkingLevel": level }))
        }
        _ => Some(json!({ "includeThoughts": wish != Wish::Off, "thinkingBudget": budget(wish, &request.model) })),
    }
}

/// What a caller of this protocol said itself. Of a model that nothing is known of, it is believed.
fn said(request: &Request) -> Option<Value> {
    let effort = request.reasoning_effort.as_deref();
    let mut config = Map::new();
    if let Some(tokens) = request.reasoning_budget_tokens.or((effort == Some("none")).then_some(0)) {
        config.insert("thinkingBudget".into(), tokens.into());
    }
    if let Some(level) = effort.filter(|effort| *effort != "none") {
        config.insert("thinkingLevel".into(), level.to_ascii_uppercase().into());
    }
    let thinks = request.reasoning_budget_tokens.is_some() || effort != Some("none");
    if !config.is_empty() {
        config.insert("includeThoughts".into(), thinks.into());
    }
    (!config.is_empty()).then_some(config.into())
}

/// A budget says more than a word, but `none` means none.
fn wish(request: &Request, dropped: &mut Dropped) -> Option<Wish> {
    let effort = match request.reasoning_effort.as_deref() {
        Some("none") => return Some(Wish::Off),
        Some("minimal") => Some(Wish::Minimal),
        Some("low") => Some(Wish::Low),
        Some("medium") => Some(Wish::Medium),
        Some("high" | "xhigh" | "max") => Some(Wish::High),
        Some(_) => {
            dropped.add("reasoning_effort");
            None
        }
        None => None,
    };
    match request.reasoning_budget_tokens {
        Some(0) => Some(Wish::Off),
        Some(tokens) => Some(Wish::Tokens(tokens)),
        None => effort,
    }
}

fn budget(wish: Wish, model: &str) -> u32 {
    match wish {
        // The Pro models cannot be kept from thinking.
        Wish::Off if is_pro(model) => PRO_TOKENS_MIN,
        Wish::Off => 0,
        Wish::Minimal | Wish::Low => LOW_TOKENS,
        Wish::Medium => MEDIUM_TOKENS,
        Wish::High => *BUDGET_TOKENS.end(),
        Wish::Tokens(tokens) => tokens.clamp(*BUDGET_TOKENS.start(), *BUDGET_TOKENS.end()),
    }
}

fn level(wish: Wish, model: &str) -> &'static str {
    match wish {
        // Thinking cannot be switched off here, and the Pro models refuse even the lowest level.
        Wish::Off | Wish::Minimal if is_pro(model) => "LOW",
        Wish::Off | Wish::Minimal => "MINIMAL",
        Wish::Low => "LOW",
        Wish::Medium => "MEDIUM",
        // There is an XHIGH that few models take.
        Wish::High => "HIGH",
        Wish::Tokens(tokens) if tokens <= LOW_TOKENS => "LOW",
        Wish::Tokens(tokens) if tokens <= MEDIUM_TOKENS => "MEDIUM",
        Wish::Tokens(_) => "HIGH",
    }
}

/// The models' names are all there is to tell.
fn is_pro(model: &str) -> bool {
    model.contains("-pro")
}
