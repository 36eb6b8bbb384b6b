//! A request, said as a Messages body. Of a caller of this same protocol everything is put back where it stood: it comes
//! here on its way to a cloud, or because its history holds what another provider made.

mod content;
mod extras;
mod messages;
mod schema;
mod thinking;
mod tools;

pub use content::arguments;
pub use extras::Extras;

use crate::platform::Body;
use crate::read::LOST;
use crate::read::tools::HOSTED;
use crate::settings::Settings;
use crate::{ATTRIBUTION, PROTOCOL};
use pointsman_sdk::codec::chat::{OutputFormat, Request};
use pointsman_sdk::codec::provider::ModelFacts;
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use pointsman_sdk::extras::top_k;
use serde_json::{Map, Value, json};
use thinking::Thinking;

/// There is no JSON mode without a schema. The model is asked, and the caller told that it was only asked.
const JSON_ONLY: &str = "Answer with one JSON object and nothing else: no words around it and no code fence.";

/// The body, and the names of the fields that it cannot say.
pub fn body(
    settings: &Settings,
    operation: &str,
    request: &Request,
    facts: &ModelFacts,
) -> Result<(Body, Vec<String>), Fault> {
    let mut extras = Extras::new(request.protocol == PROTOCOL, &settings.platform);
    extras.drop_if(request.seed.is_some(), "seed");

    let thinking = Thinking::choose(settings.max_tokens, request, facts, &mut extras);
    let mut body = Map::new();
    body.insert("model".into(), request.model.as_str().into());
    body.insert("max_tokens".into(), thinking.max_tokens.into());
    let mut said = messages::split(request, facts, &mut extras)?;
    attribution(request, &mut said, &mut extras);
    if matches!(request.output, OutputFormat::JsonObject) {
        extras.drop("json_object");
        said.system.push(json!({ "type": "text", "text": JSON_ONLY }));
    }
    if !said.system.is_empty() {
        body.insert("system".into(), said.system.into());
    }
    body.insert("messages".into(), said.messages.into());
    tools::insert(&mut body, request, &mut extras)?;
    sampling(&mut body, request, facts, &thinking, &mut extras);
    if !request.stop.is_empty() {
        body.insert("stop_sequences".into(), stop_sequences(&request.stop)?);
    }
    output_config(&mut body, &request.output, &thinking, &extras)?;
    if let Some(config) = thinking.config {
        body.insert("thinking".into(), config);
    }
    if let Some(user) = &request.user {
        body.insert("metadata".into(), json!({ "user_id": user }));
    }
    if request.stream {
        body.insert("stream".into(), true.into());
    }
    put_back(&mut body, request, facts, &mut extras);
    Ok((settings.platform.body(operation, body, &mut extras), extras.into_dropped()))
}

fn sampling(
    body: &mut Map<String, Value>,
    request: &Request,
    facts: &ModelFacts,
    thinking: &Thinking,
    extras: &mut Extras,
) {
    // What this protocol's own callers ask for beside thinking is theirs to know.
    let allowed = facts.sampling != Some(false) && (extras.own || !thinking.is_on());
    if let Some(temperature) = request.temperature {
        if allowed {
            body.insert("temperature".into(), temperature.clamp(0.0, 1.0).into());
        } else {
            extras.drop("temperature");
        }
    }
    if let Some(top_p) = request.top_p {
        // Current models refuse both together.
        if allowed && (extras.own || request.temperature.is_none()) {
            body.insert("top_p".into(), top_p.clamp(0.0, 1.0).into());
        } else {
            extras.drop("top_p");
        }
    }
    let top_k = request.extras.iter().find_map(|extra| top_k(&request.protocol, extra));
    if let Some(top_k) = top_k.filter(|_| allowed && !extras.own) {
        body.insert("top_k".into(), top_k.into());
    }
}

/// Claude Code's line about itself goes to Anthropic's own API only, where it must stay: it is how subscriptions are known.
fn attribution(request: &Request, said: &mut messages::Said, extras: &mut Extras) {
    let Some(line) = request.extras.iter().find(|extra| extra.name == ATTRIBUTION) else { return };
    match serde_json::from_str::<String>(&line.value) {
        Ok(line) if extras.own && !extras.cloud => said.system.insert(0, json!({ "type": "text", "text": line })),
        _ => extras.drop(ATTRIBUTION),
    }
}

/// Is it said elsewhere in the body?
fn is_said(name: &str) -> bool {
    thinking::SAID.contains(&name) || name == ATTRIBUTION || name.starts_with(HOSTED) || name.starts_with(LOST)
}

/// Fields at the top that the contract does not know, but for those that were said in other words.
fn put_back(body: &mut Map<String, Value>, request: &Request, facts: &ModelFacts, extras: &mut Extras) {
    for extra in &request.extras {
        let said = is_said(&extra.name);
        let refused = extra.name == "top_k" && facts.sampling == Some(false);
        match serde_json::from_str(&extra.value) {
            _ if extras.own && said || body.contains_key("top_k") && top_k(&request.protocol, extra).is_some() => {}
            Ok(value) if extras.own && !refused => extras.put_one(&extra.name, value, body),
            _ => extras.drop(&extra.name),
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

fn output_config(
    body: &mut Map<String, Value>,
    output: &OutputFormat,
    thinking: &Thinking,
    extras: &Extras,
) -> Result<(), Fault> {
    let mut config = Map::new();
    if let OutputFormat::JsonSchema(wanted) = output {
        let parse = if extras.own { schema::as_written } else { schema::closed };
        let schema = parse(&wanted.schema, "output")?;
        config.insert("format".into(), json!({ "type": "json_schema", "schema": schema }));
    }
    if let Some(effort) = &thinking.effort {
        config.insert("effort".into(), effort.as_str().into());
    }
    if !config.is_empty() {
        body.insert("output_config".into(), config.into());
    }
    Ok(())
}
