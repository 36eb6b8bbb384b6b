//! JSON schemas, as Anthropic takes them.

use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use pointsman_sdk::schema::fold_choices;
use serde_json::{Map, Value};

/// The schema of a tool's arguments: an object, whatever else it says. Choices at its top are refused; a caller of this
/// protocol has written none (`as_written`).
pub fn of_arguments(text: &str, path: &str, as_written: bool) -> Result<Value, Fault> {
    let mut schema = if text.trim().is_empty() { Map::new() } else { parse(text, path)? };
    if !as_written {
        fold_choices(&mut schema);
    }
    schema.entry("type").or_insert_with(|| "object".into());
    Ok(Value::Object(schema))
}

/// The schema of an answer. Anthropic demands that its objects are closed; closing those that say nothing about it only
/// makes the answer narrower, so it still fits what the caller asked for.
pub fn closed(text: &str, path: &str) -> Result<Value, Fault> {
    let mut schema = Value::Object(parse(text, path)?);
    close(&mut schema);
    Ok(schema)
}

/// The schema of an answer that a caller of this protocol wrote.
pub fn as_written(text: &str, path: &str) -> Result<Value, Fault> {
    parse(text, path).map(Value::Object)
}

fn parse(text: &str, path: &str) -> Result<Map<String, Value>, Fault> {
    serde_json::from_str(text)
        .map_err(|_| fault_at(FaultKind::Unsupported, path, "Anthropic takes only a schema that is a JSON object"))
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
