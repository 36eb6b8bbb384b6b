//! A request of another protocol, said as a Messages body.

mod content;
mod messages;
mod schema;
mod tools;

pub use content::arguments;

use crate::settings::Settings;
use pointsman_sdk::codec::chat::{Extra, OutputFormat, Request, ToolChoice};
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use serde_json::{Map, Value, json};

/// Thinking with less than this is refused.
const BUDGET_TOKENS_MIN: u32 = 1024;

/// There is no JSON mode without a schema. The model is asked, and the caller told that it was only asked.
const JSON_ONLY: &str = "Answer with one JSON object and nothing else: no words around it and no code fence.";

/// The body, and the names of the fields that it cannot say.
pub fn body(settings: &Settings, request: Request) -> Result<(Vec<u8>, Vec<String>), Fault> {
    let mut dropped = Dropped::default();
    dropped.extras(&request.extras);
    dropped.add_if(request.seed.is_some(), "seed");

    let thinking = Thinking::choose(settings, &request, &mut dropped);
    let mut body = Map::new();
    body.insert("model".into(), request.model.as_str().into());
    body.insert("max_tokens".into(), thinking.max_tokens.into());
    let mut said = messages::split(&request.messages, &mut dropped)?;
    if matches!(request.output, OutputFormat::JsonObject) {
        dropped.add("json_object");
        said.system.push(json!({ "type": "text", "text": JSON_ONLY }));
    }
    if !said.system.is_empty() {
        body.insert("system".into(), said.system.into());
    }
    body.insert("messages".into(), said.messages.into());
    tools::insert(&mut body, &request, &mut dropped)?;
    sampling(&mut body, settings, &request, &thinking, &mut dropped);
    if !request.stop.is_empty() {
        body.insert("stop_sequences".into(), stop_sequences(&request.stop)?);
    }
    output_config(&mut body, &request.output, &thinking)?;
    if let Some(config) = thinking.config {
        body.insert("thinking".into(), config);
    }
    if let Some(user) = &request.user {
        body.insert("metadata".into(), json!({ "user_id": user }));
    }
    if request.stream {
        body.insert("stream".into(), true.into());
    }
    Ok((Value::Object(body).to_string().into_bytes(), dropped.0))
}

/// Names of request fields that this protocol cannot say, each once.
#[derive(Default)]
pub struct Dropped(Vec<String>);

impl Dropped {
    pub fn add(&mut self, name: &str) {
        if !self.0.iter().any(|known| known == name) {
            self.0.push(name.to_owned());
        }
    }

    fn add_if(&mut self, dropped: bool, name: &str) {
        if dropped {
            self.add(name);
        }
    }

    pub fn extras(&mut self, extras: &[Extra]) {
        extras.iter().for_each(|extra| self.add(&extra.name));
    }

    /// Drops a part's extras but `cache_control`: callers of other protocols send it too, meant for Claude alone.
    pub fn extras_of_part(&mut self, extras: &[Extra], block: &mut Value) {
        for extra in extras {
            match serde_json::from_str::<Value>(&extra.value) {
                Ok(value) if extra.name == "cache_control" && value.is_object() => block["cache_control"] = value,
                _ => self.add(&extra.name),
            }
        }
    }
}

/// How much the model thinks, and how much room there is for it: each limits the other.
struct Thinking {
    max_tokens: u32,
    config: Option<Value>,
    effort: Option<&'static str>,
}

impl Thinking {
    fn choose(settings: &Settings, request: &Request, dropped: &mut Dropped) -> Thinking {
        let max_tokens = request.max_output_tokens.unwrap_or(settings.max_tokens);
        let mut thinking = Thinking { max_tokens, config: None, effort: None };
        if let Some(budget) = request.reasoning_budget_tokens {
            thinking.set_budget(budget, request);
            dropped.add_if(thinking.config.is_none(), "reasoning_budget_tokens");
        }
        let Some(wanted) = request.reasoning_effort.as_deref() else { return thinking };
        let effort = match wanted {
            "none" => {
                thinking.config = Some(json!({ "type": "disabled" }));
                return thinking;
            }
            "minimal" | "low" => Some("low"),
            "medium" => Some("medium"),
            "high" => Some("high"),
            "xhigh" => Some("xhigh"),
            "max" => Some("max"),
            _ => None,
        };
        if effort.is_none() || !settings.effort {
            dropped.add("reasoning_effort");
            return thinking;
        }
        thinking.effort = effort;
        if thinking.config.is_none() && !forces_a_tool(request) {
            thinking.config = Some(json!({ "type": "adaptive" }));
        }
        thinking
    }

    /// The budget must leave room for the answer. A limit of the caller's own is not raised; the default is.
    fn set_budget(&mut self, wanted: u32, request: &Request) {
        let wanted = wanted.max(BUDGET_TOKENS_MIN);
        if request.max_output_tokens.is_none() {
            self.max_tokens = self.max_tokens.saturating_add(wanted);
        }
        let budget = wanted.min(self.max_tokens.saturating_sub(1));
        // With a budget, the turn that called the tools must begin with its own signed thinking, which is not here.
        let allowed = budget >= BUDGET_TOKENS_MIN && !forces_a_tool(request) && !messages::answers_tools(request);
        if allowed {
            self.config = Some(json!({ "type": "enabled", "budget_tokens": budget }));
        }
    }

    fn is_on(&self) -> bool {
        self.config.as_ref().is_some_and(|config| config["type"] != "disabled")
    }
}

/// A forced tool is refused while thinking.
fn forces_a_tool(request: &Request) -> bool {
    matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)))
}

fn sampling(
    body: &mut Map<String, Value>,
    settings: &Settings,
    request: &Request,
    thinking: &Thinking,
    dropped: &mut Dropped,
) {
    let allowed = settings.sampling && !thinking.is_on();
    if let Some(temperature) = request.temperature {
        if allowed {
            body.insert("temperature".into(), temperature.clamp(0.0, 1.0).into());
        } else {
            dropped.add("temperature");
        }
    }
    if let Some(top_p) = request.top_p {
        // Current models refuse both together.
        if allowed && request.temperature.is_none() {
            body.insert("top_p".into(), top_p.clamp(0.0, 1.0).into());
        } else {
            dropped.add("top_p");
        }
    }
}

fn stop_sequences(stop: &[String]) -> Result<Value, Fault> {
    if stop.iter().any(|sequence| sequence.trim().is_empty()) {
        let message = "Anthropic takes no stop sequence of white space alone";
        return Err(fault_at(FaultKind::Unsupported, "stop", message));
    }
    Ok(stop.into())
}

fn output_config(body: &mut Map<String, Value>, output: &OutputFormat, thinking: &Thinking) -> Result<(), Fault> {
    let mut config = Map::new();
    if let OutputFormat::JsonSchema(wanted) = output {
        let schema = schema::closed(&wanted.schema, "output")?;
        config.insert("format".into(), json!({ "type": "json_schema", "schema": schema }));
    }
    if let Some(effort) = thinking.effort {
        config.insert("effort".into(), effort.into());
    }
    if !config.is_empty() {
        body.insert("output_config".into(), config.into());
    }
    Ok(())
}
