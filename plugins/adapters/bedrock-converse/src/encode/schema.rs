//! JSON schemas, as Bedrock takes them.

use super::unsupported;
use pointsman_adapter_sdk::Fault;
use pointsman_adapter_sdk::schema::fold_choices;
use serde_json::{Map, Value};

/// The schema of a tool's arguments: an object, whatever else it says. Choices at its top are refused, so they are folded.
pub fn of_arguments(text: &str, path: &str) -> Result<Value, Fault> {
    let mut schema = if text.trim().is_empty() { Map::new() } else { parse(text, path)? };
    fold_choices(&mut schema);
    schema.entry("type").or_insert_with(|| "object".into());
    Ok(Value::Object(schema))
}

/// The schema of an answer. Its objects must be closed; closing those that say nothing about it only makes the answer
/// narrower, so it still fits what the caller asked for.
pub fn closed(text: &str, path: &str) -> Result<Value, Fault> {
    let mut schema = Value::Object(parse(text, path)?);
    close(&mut schema);
    Ok(schema)
}

fn parse(text: &str, path: &str) -> Result<Map<String, Value>, Fault> {
    serde_json::from_str(text).map_err(|_| unsupported(path, "Bedrock takes only a schema that is a JSON object"))
}

fn close(schema: &mut Value) {
    let Value::Object(schema) = schema else { return };
    if schema.get("type").is_some_and(|kind| kind == "object") {
        schema.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    for (keyword, below) in schema.iter_mut() {
        match (keyword.as_str(), below) {
            ("properties" | "$defs" | "definitions", Value::Object(named)) => named.values_mut().for_each(close),
            // Not `allOf`: closing each of its branches would leave nothing that fits them all.
            ("anyOf" | "oneOf" | "prefixItems", Value::Array(choices)) => choices.iter_mut().for_each(close),
            ("items", below) => close(below),
            _ => {}
        }
    }
}
