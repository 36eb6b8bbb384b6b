//! JSON schemas: a small document that fits one, and what providers demand of them.

use serde_json::{Map, Value, json};

/// A schema can contain itself through `$ref`; documents end somewhere.
const DEPTH_MAX: usize = 12;

/// The smallest plain document that fits, every property included.
pub fn sample(schema: &Value) -> Value {
    sample_at(schema, schema, DEPTH_MAX)
}

fn sample_at(schema: &Value, root: &Value, depth: usize) -> Value {
    let Some(depth) = depth.checked_sub(1) else { return Value::Null };
    let inner = |schema: &Value| sample_at(schema, root, depth);
    if let Some(value) = schema.get("const").or_else(|| schema["enum"].get(0)) {
        return value.clone();
    }
    if let Some(pointer) = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        return root.pointer(pointer).map_or(Value::Null, inner);
    }
    if let Some(first) = ["anyOf", "oneOf", "allOf"].iter().find_map(|word| schema[*word].get(0)) {
        return inner(first);
    }
    // Gemini takes its own names of types, in capitals, in JSON Schema as well.
    let kind = schema["type"].as_str().or_else(|| schema["type"].get(0).and_then(Value::as_str));
    match kind.map(str::to_ascii_lowercase).as_deref() {
        Some("object") | None => Value::Object(fields(schema, inner)),
        Some("array") if schema["items"].is_object() => {
            let count = schema["minItems"].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(1);
            vec![inner(&schema["items"]); count.clamp(1, 100)].into()
        }
        Some("array") => json!([]),
        Some("integer") => schema.get("minimum").filter(|minimum| minimum.is_i64()).cloned().unwrap_or(json!(1)),
        Some("number") => schema.get("minimum").filter(|minimum| minimum.is_number()).cloned().unwrap_or(json!(1.5)),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        Some(_) => json!("text"),
    }
}

/// What is required, even if nothing else is said about it, and everything that is described.
fn fields(schema: &Value, inner: impl Fn(&Value) -> Value) -> Map<String, Value> {
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let required = required.map(|name| (name.to_owned(), json!("text")));
    let described = schema["properties"].as_object().into_iter().flatten();
    required.chain(described.map(|(name, schema)| (name.clone(), inner(schema)))).collect()
}

/// A type that JSON Schema does not have.
pub fn unknown_type(schema: &Value) -> Option<&str> {
    const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];
    match schema {
        Value::Object(object) => {
            let own = object.get("type").and_then(Value::as_str).filter(|name| !TYPES.contains(name));
            own.or_else(|| object.values().filter(|value| !value.is_string()).find_map(unknown_type))
        }
        Value::Array(list) => list.iter().find_map(unknown_type),
        _ => None,
    }
}

/// Is every object in it closed: `additionalProperties: false`?
pub fn is_closed(schema: &Value) -> bool {
    every_object(schema, &|object| object.get("additionalProperties") == Some(&json!(false)))
}

/// Is every property of every object required?
pub fn is_all_required(schema: &Value) -> bool {
    every_object(schema, &|object| {
        let required = object.get("required").and_then(Value::as_array);
        let is_required = |name: &str| required.is_some_and(|required| required.iter().any(|entry| entry == name));
        object.get("properties").and_then(Value::as_object).is_none_or(|all| all.keys().all(|name| is_required(name)))
    })
}

fn every_object(schema: &Value, holds: &impl Fn(&Map<String, Value>) -> bool) -> bool {
    match schema {
        Value::Object(object) => {
            let is_object =
                object.get("type").is_some_and(|kind| kind == "object" || kind.get(0) == Some(&json!("object")));
            (!is_object || holds(object)) && object.values().all(|value| every_object(value, holds))
        }
        Value::Array(list) => list.iter().all(|value| every_object(value, holds)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits() {
        let schema = json!({
            "type": "object",
            "properties": {
                "city": { "type": "string" }, "unit": { "enum": ["C", "F"] }, "kind": { "const": "weather" },
                "days": { "type": "array", "items": { "type": "integer" } },
                "wind": { "anyOf": [{ "type": "number" }, { "type": "null" }] },
                "wet": { "type": ["boolean", "null"] }, "sun": { "$ref": "#/$defs/sun" },
            },
            "required": ["city", "unsaid"],
            "$defs": { "sun": { "type": "object", "properties": { "up": { "type": "boolean" } } } },
        });
        let expected = json!({
            "city": "text", "unit": "C", "kind": "weather", "days": [1], "wind": 1.5, "wet": true, "sun": { "up": true },
            "unsaid": "text",
        });
        assert_eq!(sample(&schema), expected);
    }

    #[test]
    fn types_in_capitals() {
        let schema =
            json!({ "type": "OBJECT", "properties": { "a": { "type": "INTEGER" }, "type": { "type": "STRING" } } });
        assert_eq!(sample(&schema), json!({ "a": 1, "type": "text" }));
        assert_eq!(unknown_type(&schema), Some("OBJECT"));
        assert_eq!(unknown_type(&json!({ "properties": { "type": { "type": "string" } } })), None);
    }

    #[test]
    fn a_schema_that_contains_itself_ends() {
        let schema = json!({ "type": "object", "properties": { "next": { "$ref": "#" } } });
        assert!(sample(&schema)["next"]["next"].is_object());
    }

    #[test]
    fn closed_and_required_go_all_the_way_down() {
        let inner =
            json!({ "type": "object", "properties": { "a": {} }, "required": ["a"], "additionalProperties": false });
        let outer = |inner: Value| json!({ "type": "object", "properties": { "b": inner }, "required": ["b"], "additionalProperties": false });
        assert!(is_closed(&outer(inner.clone())) && is_all_required(&outer(inner)));
        let open = json!({ "type": "object", "properties": { "a": {} } });
        assert!(!is_closed(&outer(open.clone())) && !is_all_required(&outer(open)));
    }
}
