//! A small JSON document that fits a JSON schema.

use serde_json::{Map, Value, json};

pub fn sample(schema: &Value) -> Value {
    if let Some(value) = schema.get("const").or_else(|| schema["enum"].get(0)) {
        return value.clone();
    }
    if let Some(first) = schema["anyOf"].get(0) {
        return sample(first);
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"].get(0).and_then(Value::as_str));
    match kind {
        Some("object") | None => {
            let properties = schema["properties"].as_object();
            let fields = properties.into_iter().flatten().map(|(name, schema)| (name.clone(), sample(schema)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Some("array") => json!([sample(&schema["items"])]),
        Some("integer") => json!(1),
        Some("number") => json!(1.5),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        Some(_) => json!("text"),
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
                "city": { "type": "string" }, "unit": { "enum": ["C", "F"] },
                "days": { "type": "array", "items": { "type": "integer" } },
                "wind": { "anyOf": [{ "type": "number" }, { "type": "null" }] },
            },
        });
        assert_eq!(sample(&schema), json!({ "city": "text", "unit": "C", "days": [1], "wind": 1.5 }));
    }
}
