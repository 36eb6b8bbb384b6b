//! A request of another protocol, said as a Converse body.

mod content;
pub mod embeddings;
mod media;
mod messages;
mod schema;
mod thinking;
mod tools;

use std::collections::{BTreeMap, BTreeSet};

use pointsman_adapter_sdk::chat::{Extra, OutputFormat, Request};
use pointsman_adapter_sdk::extras::top_k;
use pointsman_adapter_sdk::names::Names;
use pointsman_adapter_sdk::provider::ModelFacts;
use pointsman_adapter_sdk::{Fault, FaultKind, fault_at};
use serde_json::{Map, Value, json};
use thinking::Thinking;

/// Room for the answer beside a budget for thoughts.
const ANSWER_TOKENS: u32 = 8192;

/// There is no JSON mode without a schema. The model is asked, and the caller told that it was only asked.
const JSON_ONLY: &str = "Answer with one JSON object and nothing else: no words around it and no code fence.";

/// The body, and the names of the fields that it cannot say.
pub fn body(operation: &str, request: Request, facts: &ModelFacts) -> Result<(Vec<u8>, Vec<String>), Fault> {
    let mut notes = Notes::new(&request);
    let mut said = messages::split(&request.messages, facts, &mut notes)?;
    if matches!(request.output, OutputFormat::JsonObject) {
        notes.drop("json_object");
        said.system.push(json!({ "text": JSON_ONLY }));
    }
    let thinking = Thinking::choose(&request, facts, &said, &mut notes);
    let mut body = Map::new();
    let mut put = |name: &str, value: Map<String, Value>| {
        if !value.is_empty() {
            body.insert(name.into(), value.into());
        }
    };
    put("inferenceConfig", inference(&request, facts, &thinking, &mut notes)?);
    put("outputConfig", output(&request.output, &thinking)?);
    put("additionalModelRequestFields", additional(&request, facts, &thinking, &mut notes));
    put("toolConfig", tools::config(&request, &mut notes)?);
    if notes.is_claude && !request.stop.is_empty() {
        // Only so does the reply say which of them it met.
        body.insert("additionalModelResponseFieldPaths".into(), json!(["/stop_sequence"]));
    }
    if !said.system.is_empty() {
        body.insert("system".into(), said.system.into());
    }
    body.insert("messages".into(), said.messages.into());
    notes.drop_if(request.seed.is_some(), "seed");
    notes.drop_if(request.user.is_some(), "user");
    if operation == crate::COUNT_TOKENS {
        const COUNTED: [&str; 4] = ["messages", "system", "toolConfig", "additionalModelRequestFields"];
        body.retain(|name, _| COUNTED.contains(&name.as_str()));
        body = Map::from_iter([("input".to_owned(), json!({ "converse": body }))]);
    }
    Ok((Value::Object(body).to_string().into_bytes(), notes.dropped.into_list()))
}

/// What every part of the encoder asks about, and what it leaves out.
pub struct Notes {
    /// Claude takes fields of its own and is stricter than others. An ARN may hide it.
    pub is_claude: bool,
    /// `cache_control` becomes a cache point: the caller's word for it is known, and the model takes one.
    caches: bool,
    dropped: Names,
    /// Names that documents have by now: each must be another.
    pub document_names: BTreeSet<String>,
    /// The last number that was tried for a document of this title.
    pub document_numbers: BTreeMap<String, u32>,
}

impl Notes {
    fn new(request: &Request) -> Notes {
        let is_claude = request.model.contains("anthropic.claude");
        let caches = request.protocol == crate::CLAUDE && (is_claude || request.model.contains("amazon.nova"));
        Notes {
            is_claude,
            caches,
            dropped: Names::default(),
            document_names: BTreeSet::new(),
            document_numbers: BTreeMap::new(),
        }
    }

    /// Names a request field that this protocol cannot say, once.
    pub fn drop(&mut self, name: &str) {
        self.dropped.add(name);
    }

    pub fn drop_if(&mut self, dropped: bool, name: &str) {
        if dropped {
            self.drop(name);
        }
    }

    /// The cache point that the extras of a part ask for, to stand after it; all other extras are dropped.
    pub fn cache_point(&mut self, extras: &[Extra]) -> Option<Value> {
        let mut point = None;
        for extra in extras {
            match serde_json::from_str::<Value>(&extra.value) {
                Ok(control @ Value::Object(_)) if self.caches && extra.name == "cache_control" => {
                    let mut fields = json!({ "type": "default" });
                    if let Some(ttl @ ("5m" | "1h")) = control["ttl"].as_str() {
                        fields["ttl"] = ttl.into();
                    }
                    point = Some(json!({ "cachePoint": fields }));
                }
                _ => self.drop(&extra.name),
            }
        }
        point
    }
}

fn inference(
    request: &Request,
    facts: &ModelFacts,
    thinking: &Thinking,
    notes: &mut Notes,
) -> Result<Map<String, Value>, Fault> {
    let mut config = Map::new();
    // Where nobody sets a limit, the model's default might lie below the budget.
    let room = thinking
        .budget()
        .map(|budget| budget.saturating_add(ANSWER_TOKENS).min(facts.output_tokens.unwrap_or(u32::MAX)));
    if let Some(limit) = output_limit(request, facts).or(room) {
        config.insert("maxTokens".into(), limit.into());
    }
    let allowed = facts.sampling != Some(false) && !thinking.is_on();
    if let Some(temperature) = request.temperature {
        notes.drop_if(!allowed, "temperature");
        if allowed {
            config.insert("temperature".into(), temperature.clamp(0.0, 1.0).into());
        }
    }
    if let Some(top_p) = request.top_p {
        // Current models of Claude refuse both together.
        let allowed = allowed && !(notes.is_claude && request.temperature.is_some());
        notes.drop_if(!allowed, "top_p");
        if allowed {
            config.insert("topP".into(), top_p.clamp(0.0, 1.0).into());
        }
    }
    if request.stop.iter().any(|sequence| sequence.trim().is_empty()) {
        return Err(unsupported("stop", "Bedrock takes no stop sequence of white space alone"));
    }
    if !request.stop.is_empty() {
        config.insert("stopSequences".into(), request.stop.clone().into());
    }
    Ok(config)
}

/// Without a limit Bedrock takes the model's own.
fn output_limit(request: &Request, facts: &ModelFacts) -> Option<u32> {
    request.max_output_tokens.map(|limit| limit.min(facts.output_tokens.unwrap_or(limit)))
}

fn output(wanted: &OutputFormat, thinking: &Thinking) -> Result<Map<String, Value>, Fault> {
    let mut config = Map::new();
    if let OutputFormat::JsonSchema(wanted) = wanted {
        // The schema is a text here, not an object.
        let mut definition = json!({ "schema": schema::closed(&wanted.schema, "output")?.to_string() });
        if let Some(name) = &wanted.name {
            definition["name"] = name.as_str().into();
        }
        if let Some(description) = &wanted.description {
            definition["description"] = description.as_str().into();
        }
        let format = json!({ "type": "json_schema", "structure": { "jsonSchema": definition } });
        config.insert("textFormat".into(), format);
    }
    if let Some(effort) = thinking.effort {
        config.insert("effort".into(), effort.into());
    }
    Ok(config)
}

/// Fields of the model's own API.
fn additional(request: &Request, facts: &ModelFacts, thinking: &Thinking, notes: &mut Notes) -> Map<String, Value> {
    let mut fields = Map::new();
    if let Some(config) = &thinking.config {
        fields.insert("thinking".into(), config.clone());
    }
    let sampling = notes.is_claude && facts.sampling != Some(false) && !thinking.is_on();
    for extra in &request.extras {
        match top_k(&request.protocol, extra) {
            Some(top_k) if sampling => {
                fields.insert("top_k".into(), top_k.into());
            }
            _ => notes.drop(&extra.name),
        }
    }
    fields
}

/// A request that cannot be said here without changing its meaning.
pub fn unsupported(field: &str, message: &str) -> Fault {
    fault_at(FaultKind::Unsupported, field, message)
}
