//! Google's `Schema` as JSON Schema: <https://ai.google.dev/api/caching#Schema>. Many callers write JSON Schema there
//! already: what is not Google's own stays.

use super::camel_case;
use pointsman_sdk::codec::Fault;
use pointsman_sdk::json;
use serde_json::{Map, Value, json};

pub fn json_schema(path: &str, value: Value) -> Result<Value, Fault> {
    match value {
        Value::Object(_) => Ok(translate(value)),
        _ => Err(json::wrong(path, "an object")),
    }
}

/// A JSON Schema, as it stands in the fields for one. Gemini takes its own names of types there as well, in capitals: Gemini
/// CLI 0.61 writes them into `responseJsonSchema`. Other providers refuse those.
pub fn standard(value: Value) -> Value {
    if has_own_types(&value) { translate(value) } else { value }
}

fn has_own_types(value: &Value) -> bool {
    const NAMES: [&str; 7] = ["ARRAY", "BOOLEAN", "INTEGER", "NULL", "NUMBER", "OBJECT", "STRING"];
    match value {
        Value::Object(keywords) => {
            let own = keywords.get("type").and_then(Value::as_str).is_some_and(|name| NAMES.contains(&name));
            own || keywords.values().any(has_own_types)
        }
        Value::Array(values) => values.iter().any(has_own_types),
        _ => false,
    }
}

fn translate(value: Value) -> Value {
    let Value::Object(keywords) = value else { return value };
    let mut schema = Map::new();
    let mut nullable = false;
    for (keyword, value) in keywords {
        // `$ref` and its like have no underscores; those of callers who write snake case do.
        match (camel_case(&keyword).as_str(), value) {
            ("nullable", Value::Bool(is)) => nullable = is,
            ("type", Value::String(name)) => match name.to_ascii_lowercase().as_str() {
                "type_unspecified" => {}
                name => _ = schema.insert("type".into(), name.into()),
            },
            ("properties" | "$defs" | "definitions", Value::Object(named)) => {
                let named: Map<_, _> = named.into_iter().map(|(name, below)| (name, translate(below))).collect();
                schema.insert(camel_case(&keyword), named.into());
            }
            (keyword @ ("anyOf" | "oneOf" | "allOf" | "prefixItems"), Value::Array(branches)) => {
                schema.insert(keyword.into(), branches.into_iter().map(translate).collect());
            }
            (keyword @ ("items" | "additionalProperties"), below) => {
                _ = schema.insert(keyword.into(), translate(below))
            }
            ("example", value) => _ = schema.insert("examples".into(), json!([value])),
            // Elsewhere nobody knows these.
            ("propertyOrdering", _) => {}
            ("format", Value::String(format)) if format == "enum" => {}
            // 64-bit numbers are strings in Google's JSON.
            (
                keyword @ ("minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties"),
                Value::String(text),
            ) => {
                let number = text.parse::<u64>().map_or_else(|_| text.clone().into(), Value::from);
                schema.insert(keyword.into(), number);
            }
            (keyword, value) => _ = schema.insert(keyword.to_owned(), value),
        }
    }
    if nullable { or_null(schema) } else { Value::Object(schema) }
}

fn or_null(mut schema: Map<String, Value>) -> Value {
    if let Some(Value::Array(values)) = schema.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    match (schema.remove("type"), schema.get_mut("anyOf")) {
        (Some(name), _) if name.is_string() => _ = schema.insert("type".into(), json!([name, "null"])),
        (Some(other), _) => _ = schema.insert("type".into(), other),
        (None, Some(Value::Array(branches))) => branches.push(json!({ "type": "null" })),
        (None, _) => {}
    }
    Value::Object(schema)
}
