//! Tools, and the shape that the answer must have: the fields that carry JSON schemas.

use std::collections::BTreeSet;

use super::extras::{put_back, take};
use super::{Terms, unsupported};
use pointsman_sdk::codec::chat::{JsonSchema, OutputFormat, Tool, ToolChoice};
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use pointsman_sdk::freeform;
use pointsman_sdk::schema::fold_choices;
use serde_json::{Map, Value, json};

const NAME_CHARS_MAX: usize = 64;

pub fn list(terms: &Terms, tools: Vec<Tool>) -> Result<Vec<Value>, Fault> {
    let numbered = tools.into_iter().enumerate();
    numbered.map(|(position, tool)| function(terms, &format!("tools[{position}]"), tool)).collect()
}

fn function(terms: &Terms, at: &str, mut tool: Tool) -> Result<Value, Fault> {
    if terms.is_own && freeform::is_marked(&tool.extras) {
        _ = take(&mut tool.extras, "type");
        let mut custom = json!({"name": tool.name});
        if let Some(description) = tool.description {
            custom["description"] = description.into();
        }
        let mut wire = Map::new();
        wire.insert("type".into(), freeform::KIND.into());
        wire.insert(freeform::KIND.into(), custom);
        put_back(&mut wire, tool.extras);
        return Ok(Value::Object(wire));
    }
    if !is_name(&tool.name) {
        let message = format!("OpenAI takes tool names of 1 to {NAME_CHARS_MAX} letters, digits, `_` and `-`");
        return Err(unsupported(format!("{at}.name"), message));
    }
    let mut function = Map::new();
    function.insert("name".into(), tool.name.into());
    if let Some(description) = tool.description {
        function.insert("description".into(), description.into());
    }
    let mut parameters = schema(&format!("{at}.parameters"), &tool.parameters)?;
    if let (false, Value::Object(parameters)) = (terms.is_own, &mut parameters) {
        fold_choices(parameters);
    }
    function.insert("parameters".into(), parameters);
    if let Some(strict) = tool.strict {
        function.insert("strict".into(), strict.into());
    }
    let mut wire = Map::new();
    wire.insert("type".into(), "function".into());
    wire.insert("function".into(), function.into());
    if terms.is_own {
        put_back(&mut wire, tool.extras);
    }
    Ok(Value::Object(wire))
}

/// A choice without tools is left out where it says nothing, and refused where it asks for a call.
pub fn choice(choice: Option<ToolChoice>, tools: &[Tool], is_own: bool) -> Result<Option<Value>, Fault> {
    Ok(match choice {
        None => None,
        Some(ToolChoice::Auto) => Some("auto".into()),
        Some(ToolChoice::None) => Some("none".into()),
        Some(_) if tools.is_empty() => {
            return Err(fault_at(FaultKind::InvalidRequest, "tool_choice", "a tool must be called, but there is none"));
        }
        Some(ToolChoice::Required) => Some("required".into()),
        Some(ToolChoice::Named(name)) => {
            let is_custom = tools.iter().any(|tool| tool.name == name && freeform::is_marked(&tool.extras));
            let kind = if is_own && is_custom { freeform::KIND } else { "function" };
            Some(json!({"type": kind, kind: {"name": name}}))
        }
    })
}

pub fn response_format(terms: &Terms, output: OutputFormat) -> Result<Option<Value>, Fault> {
    match output {
        OutputFormat::Text => Ok(None),
        OutputFormat::JsonObject => Ok(Some(json!({"type": "json_object"}))),
        OutputFormat::JsonSchema(format) => json_schema(terms, format).map(Some),
    }
}

fn json_schema(terms: &Terms, format: JsonSchema) -> Result<Value, Fault> {
    let schema = schema("response_format.json_schema.schema", &format.schema)?;
    // Other protocols are strict without saying so; OpenAI's strictness refuses schemas that theirs allows.
    let strict = match format.strict {
        None if terms.is_own => None,
        strict => Some(strict.unwrap_or_else(|| fits_strict(&schema))),
    };
    let mut wire = Map::new();
    wire.insert("name".into(), schema_name(format.name.as_deref()).into());
    if let Some(description) = format.description {
        wire.insert("description".into(), description.into());
    }
    wire.insert("schema".into(), schema);
    if let Some(strict) = strict {
        wire.insert("strict".into(), strict.into());
    }
    Ok(json!({"type": "json_schema", "json_schema": wire}))
}

fn schema(at: &str, text: &str) -> Result<Value, Fault> {
    match serde_json::from_str(text) {
        Ok(Value::Object(schema)) => Ok(Value::Object(schema)),
        _ => Err(fault_at(FaultKind::InvalidRequest, at, "a JSON schema must be a JSON object")),
    }
}

pub fn is_name(name: &str) -> bool {
    let allowed = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == '-';
    (1..=NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(allowed)
}

/// OpenAI requires a name, with the same rules as a tool's; only people read it.
fn schema_name(name: Option<&str>) -> String {
    match name {
        Some(name) if is_name(name) => name.into(),
        _ => "response".into(),
    }
}

/// Whether OpenAI's strict mode takes the schema: at every level, objects name all their keys as required and allow no
/// others.
fn fits_strict(schema: &Value) -> bool {
    match schema {
        Value::Array(items) => items.iter().all(fits_strict),
        Value::Object(map) => {
            let is_object = map.get("type").is_some_and(|kind| kind == "object");
            (!is_object || is_closed(map)) && map.values().all(fits_strict)
        }
        _ => true,
    }
}

fn is_closed(object: &Map<String, Value>) -> bool {
    let required = object.get("required").and_then(Value::as_array);
    let required: BTreeSet<&str> = required.into_iter().flatten().filter_map(Value::as_str).collect();
    let is_required = |name: &String| required.contains(name.as_str());
    let all_required = match object.get("properties") {
        Some(Value::Object(properties)) => properties.keys().all(is_required),
        _ => true,
    };
    all_required && object.get("additionalProperties") == Some(&Value::Bool(false))
}
