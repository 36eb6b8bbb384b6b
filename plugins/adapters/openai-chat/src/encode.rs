//! A conversation from another protocol -> the body of `POST /chat/completions`.

mod media;
mod messages;
mod tools;

use crate::ids;
use pointsman_sdk::codec::chat::Request;
use pointsman_sdk::codec::{Fault, FaultKind, fault, fault_at};
use serde::Deserialize;
use serde_json::{Map, Value, json};

const STOPS_MAX: usize = 4;
/// Budgets up to this are `low`, and up to the next one `medium`: OpenAI has levels, no budgets.
const LOW_EFFORT_TOKENS_MAX: u32 = 4_096;
const MEDIUM_EFFORT_TOKENS_MAX: u32 = 16_384;

/// The provider's `settings` table: how a server differs from OpenAI's own.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    max_tokens_field: MaxTokensField,
    /// False drops `temperature` and `top_p`, which reasoning models refuse.
    sampling: bool,
    /// False drops `reasoning_effort`, which models without reasoning refuse.
    reasoning_effort: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum MaxTokensField {
    MaxCompletionTokens,
    /// What older self-hosted servers know.
    MaxTokens,
}

impl Default for Settings {
    fn default() -> Self {
        Self { max_tokens_field: MaxTokensField::MaxCompletionTokens, sampling: true, reasoning_effort: true }
    }
}

impl Settings {
    pub fn parse(settings: &str) -> Result<Self, Fault> {
        serde_json::from_str(settings).map_err(|error| {
            fault_at(FaultKind::AdapterFailed, "settings", format!("the provider's settings for openai-chat: {error}"))
        })
    }
}

/// The body, and the names of the fields that it does not say.
pub fn body(settings: &Settings, request: Request) -> Result<(Vec<u8>, Vec<String>), Fault> {
    let mut dropped: Vec<String> = request.extras.iter().map(|extra| extra.name.clone()).collect();
    let effort = effort(&request)?;
    let mut body = Body(Map::new());
    body.put("model", Some(request.model));
    body.put("messages", Some(messages::wire(request.messages)?));

    // OpenAI refuses an empty list, and every word about tools where there are none.
    let choice = tools::choice(request.tool_choice, request.tools.is_empty())?;
    if !request.tools.is_empty() {
        body.put("tools", Some(tools::list(request.tools)?));
        body.put("tool_choice", choice);
        body.put("parallel_tool_calls", request.parallel_tool_calls);
    }
    body.put("response_format", tools::response_format(request.output)?);

    let max_tokens_field = match settings.max_tokens_field {
        MaxTokensField::MaxCompletionTokens => "max_completion_tokens",
        MaxTokensField::MaxTokens => "max_tokens",
    };
    body.put(max_tokens_field, request.max_output_tokens);
    let temperature = request.temperature.map(|temperature| temperature.clamp(0.0, 2.0));
    body.put_where(settings.sampling, "temperature", temperature, &mut dropped);
    body.put_where(settings.sampling, "top_p", request.top_p, &mut dropped);
    body.put_where(settings.reasoning_effort, "reasoning_effort", effort, &mut dropped);
    body.put("stop", stops(request.stop)?);
    body.put("seed", request.seed);
    body.put("user", request.user.map(|user| ids::user(&user)));
    if request.stream {
        body.put("stream", Some(true));
        // Always asked for: the host counts tokens, whether the caller wants to see them or not.
        body.put("stream_options", Some(json!({"include_usage": true})));
    }

    let bytes = serde_json::to_vec(&body.0).map_err(|error| fault(FaultKind::AdapterFailed, error.to_string()))?;
    Ok((bytes, dropped))
}

struct Body(Map<String, Value>);

impl Body {
    fn put(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.0.insert(name.into(), value.into());
        }
    }

    /// Puts the value where the server takes it, and else notes that it was dropped.
    fn put_where(&mut self, taken: bool, name: &str, value: Option<impl Into<Value>>, dropped: &mut Vec<String>) {
        if taken {
            self.put(name, value);
        } else if value.is_some() {
            dropped.push(name.into());
        }
    }
}

fn stops(stops: Vec<String>) -> Result<Option<Vec<String>>, Fault> {
    if stops.len() > STOPS_MAX {
        let message = format!("OpenAI takes at most {STOPS_MAX} stop sequences, and these are {}", stops.len());
        return Err(unsupported("stop", message));
    }
    Ok(if stops.is_empty() { None } else { Some(stops) })
}

/// A level that was named wins over a budget.
fn effort(request: &Request) -> Result<Option<&'static str>, Fault> {
    let Some(level) = request.reasoning_effort.as_deref() else {
        return Ok(request.reasoning_budget_tokens.map(|budget| match budget {
            0 => "none",
            budget if budget <= LOW_EFFORT_TOKENS_MAX => "low",
            budget if budget <= MEDIUM_EFFORT_TOKENS_MAX => "medium",
            _ => "high",
        }));
    };
    match level {
        "none" => Ok(Some("none")),
        "minimal" => Ok(Some("minimal")),
        "low" => Ok(Some("low")),
        "medium" => Ok(Some("medium")),
        "high" => Ok(Some("high")),
        // OpenAI's highest.
        "xhigh" | "max" => Ok(Some("xhigh")),
        other => Err(unsupported("reasoning_effort", format!("OpenAI has no reasoning effort `{other}`"))),
    }
}

fn unsupported(field: impl Into<String>, message: impl Into<String>) -> Fault {
    fault_at(FaultKind::Unsupported, field, message)
}
