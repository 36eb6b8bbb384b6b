//! JSON schemas as Gemini takes them in `parametersJsonSchema` and `responseJsonSchema`. It passes over keywords that
//! it does not know, but refuses some: <https://ai.google.dev/api/generate-content#FIELDS.response_json_schema>.

pub use super::subset::reduce as subset;

use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use serde_json::{Map, Value, json};

/// Does the schema of a tool's arguments leave nothing to say?
pub fn takes_nothing(text: &str) -> bool {
    let schema: Value = serde_json::from_str(text).unwrap_or_default();
    let says = |keyword: &str| schema.get(keyword).is_some_and(|value| value != &json!({}) && value != &json!(false));
    text.trim().is_empty()
        || schema.is_object()
            && !["properties", "patternProperties", "additionalProperties", "$ref", "anyOf", "oneOf", "allOf"]
                .iter()
                .any(|keyword| says(keyword))
}

pub fn parse(text: &str, path: &str) -> Result<Map<String, Value>, Fault> {
    serde_json::from_str(text)
        .map_err(|_| fault_at(FaultKind::Unsupported, path, "Gemini takes only a schema that is a JSON object"))
}

/// The whole schema, but for what is refused.
pub fn full(text: &str, path: &str) -> Result<Value, Fault> {
    let mut schema = parse(text, path)?;
    if let Some(definitions) = schema.remove("definitions") {
        schema.entry("$defs").or_insert(definitions);
    }
    let is_open =
        ["type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const"].iter().all(|word| !schema.contains_key(*word));
    if is_open {
        schema.insert("type".into(), "object".into());
    }
    let mut schema = Value::Object(schema);
    clean(&mut schema);
    Ok(schema)
}

fn clean(schema: &mut Value) {
    let Value::Object(keywords) = schema else { return };
    keywords.remove("$schema");
    keywords.remove("$comment");
    if let Some(Value::String(target)) = keywords.get_mut("$ref")
        && let Some(name) = target.strip_prefix("#/definitions/")
    {
        *target = format!("#/$defs/{name}");
    }
    // Only numbers and strings: an enum of anything else is not known.
    if keywords.get("const").is_some_and(|value| value.is_string() || value.is_number())
        && let Some(value) = keywords.remove("const")
    {
        keywords.entry("enum").or_insert(json!([value]));
    }
    for (keyword, below) in keywords.iter_mut() {
        match (keyword.as_str(), below) {
            ("properties" | "patternProperties" | "$defs", Value::Object(named)) => named.values_mut().for_each(clean),
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(choices)) => choices.iter_mut().for_each(clean),
            ("items" | "additionalProperties", below) => clean(below),
            _ => {}
        }
    }
    part_from_reference(keywords);
}

/// Beside `$ref` nothing may stand that does not begin with `$`, so the reference goes below an `anyOf` of its own.
fn part_from_reference(keywords: &mut Map<String, Value>) {
    if keywords.keys().any(|keyword| !keyword.starts_with('$'))
        && !keywords.contains_key("anyOf")
        && let Some(reference) = keywords.remove("$ref")
    {
        keywords.insert("anyOf".into(), json!([{ "$ref": reference }]));
    }
}
