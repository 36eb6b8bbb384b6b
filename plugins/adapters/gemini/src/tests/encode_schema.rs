//! Schemas, whole and cut down.

use super::*;

fn parameters(settings: &str, schema: Value) -> Value {
    let (body, _) = encode_with(settings, Request { tools: vec![tool("t", schema)], ..ask("hi") }, no_facts());
    body["tools"][0]["functionDeclarations"][0].clone()
}

fn full(schema: Value) -> Value {
    parameters("{}", schema)["parametersJsonSchema"].clone()
}

/// The schema of one property.
fn reduced(schema: Value) -> Value {
    let whole = json!({ "type": "object", "properties": { "x": schema }, "required": ["x", "ghost"] });
    let parameters = parameters(r#"{"schema":"subset"}"#, whole)["parameters"].clone();
    assert_eq!((&parameters["type"], &parameters["required"]), (&json!("OBJECT"), &json!(["x"])));
    parameters["properties"]["x"].clone()
}

#[test]
fn whole_but_for_what_is_refused() {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "definitions": { "P": { "type": "object", "$comment": "c", "properties": { "q": { "const": "q" } } } },
        "properties": {
            "a": { "$ref": "#/definitions/P", "description": "a point" },
            "b": { "$ref": "#/definitions/P" },
            "c": { "type": ["string", "null"], "minLength": 1 },
            "$schema": { "type": "string" },
            "d": { "const": true },
        },
        "additionalProperties": false,
    });
    let expected = json!({
        "type": "object",
        "properties": {
            "a": { "description": "a point", "anyOf": [{ "$ref": "#/$defs/P" }] },
            "b": { "$ref": "#/$defs/P" },
            "c": { "type": ["string", "null"], "minLength": 1 },
            "$schema": { "type": "string" },
            "d": { "const": true },
        },
        "additionalProperties": false,
        "$defs": { "P": { "type": "object", "properties": { "q": { "enum": ["q"] } } } },
    });
    assert_eq!(full(schema), expected);
    assert_eq!(full(json!({ "properties": { "x": {} } }))["type"], "object");
}

#[test]
fn a_tool_without_arguments_has_no_schema() {
    let nothing = [
        json!({}),
        json!({ "type": "object" }),
        json!({ "type": "object", "properties": {}, "additionalProperties": false, "$schema": "x" }),
    ];
    for schema in nothing {
        for settings in ["{}", r#"{"schema":"subset"}"#] {
            assert_eq!(parameters(settings, schema.clone()), json!({ "name": "t" }));
        }
    }
    assert!(full(json!({ "type": "object", "additionalProperties": { "type": "string" } })).is_object());
}

#[test]
fn a_schema_that_is_none() {
    let broken = Tool { parameters: "not json".into(), ..tool("t", json!({})) };
    let fault = encode_fault(Request { tools: vec![broken], ..ask("hi") });
    assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::Unsupported, Some("tools[0].parameters")));
}

#[test]
fn reduced_values() {
    let table = [
        (
            json!({ "type": "string", "minLength": 1, "pattern": "a", "examples": ["x"] }),
            json!({ "minLength": 1, "pattern": "a", "type": "STRING" }),
        ),
        (json!({ "type": "string", "format": "uri" }), json!({ "type": "STRING" })),
        (json!({ "type": "string", "format": "date-time" }), json!({ "format": "date-time", "type": "STRING" })),
        (
            json!({ "type": "integer", "minimum": 1, "exclusiveMinimum": 0, "multipleOf": 2, "default": 3 }),
            json!({ "default": 3, "minimum": 1, "type": "INTEGER" }),
        ),
        (json!({ "type": "integer", "exclusiveMinimum": true }), json!({ "type": "INTEGER" })),
        (json!({ "const": "a" }), json!({ "enum": ["a"], "type": "STRING" })),
        (json!({ "enum": ["a", "", null] }), json!({ "nullable": true, "enum": ["a"], "type": "STRING" })),
        (
            json!({ "type": "integer", "enum": [1, 2], "description": "How many." }),
            json!({ "description": "How many. One of: 1, 2.", "type": "INTEGER" }),
        ),
        (json!({ "const": true }), json!({ "description": "One of: true.", "type": "BOOLEAN" })),
        (json!({}), json!({ "type": "STRING" })),
        (json!(true), json!({ "type": "STRING" })),
        (json!({ "type": "array" }), json!({ "type": "ARRAY", "items": { "type": "STRING" } })),
        (
            json!({ "type": "array", "items": true, "uniqueItems": true }),
            json!({ "type": "ARRAY", "items": { "type": "STRING" } }),
        ),
        (
            json!({ "type": "array", "prefixItems": [{ "type": "number" }, { "type": "number" }], "maxItems": 2 }),
            json!({ "maxItems": 2, "items": { "type": "NUMBER" }, "type": "ARRAY" }),
        ),
        (json!({ "type": "object", "properties": {} }), json!({ "type": "OBJECT" })),
        (
            json!({ "type": "object", "patternProperties": { "a": {} }, "propertyNames": {}, "additionalProperties": false, "not": {} }),
            json!({ "type": "OBJECT" }),
        ),
        (json!({ "type": ["string", "null"] }), json!({ "nullable": true, "type": "STRING" })),
        (
            json!({ "type": ["string", "integer"], "minLength": 1, "minimum": 0, "description": "d" }),
            json!({ "anyOf": [
                { "description": "d", "minLength": 1, "type": "STRING" },
                { "description": "d", "minimum": 0, "type": "INTEGER" },
            ] }),
        ),
    ];
    for (schema, expected) in table {
        assert_eq!(reduced(schema.clone()), expected, "{schema}");
    }
}

#[test]
fn reduced_choices() {
    let object =
        json!({ "type": "object", "properties": { "y": { "type": "string", "const": "z" } }, "required": ["y"] });
    let reduced_object = json!({ "properties": { "y": { "enum": ["z"], "type": "STRING" } }, "type": "OBJECT", "nullable": true, "required": ["y"], "description": "d" });
    // What is nullable keeps what is nested in it.
    for keyword in ["anyOf", "oneOf"] {
        let nullable = json!({ keyword: [object, { "type": "null" }], "description": "d" });
        assert_eq!(reduced(nullable), reduced_object);
    }
    let choice = json!({ "oneOf": [{ "type": "string" }, { "type": "integer" }, { "type": "null" }], "title": "t", "default": 1 });
    let expected = json!({ "anyOf": [
        { "type": "STRING", "nullable": true, "title": "t" },
        { "type": "INTEGER", "nullable": true, "title": "t" },
    ] });
    assert_eq!(reduced(choice), expected);
    let narrowed =
        json!({ "type": "object", "properties": { "a": { "type": "string" } }, "anyOf": [{ "required": ["a"] }] });
    assert_eq!(reduced(narrowed), json!({ "properties": { "a": { "type": "STRING" } }, "type": "OBJECT" }));
    let both = json!({ "properties": { "a": { "type": "string" } }, "allOf": [
        { "properties": { "b": { "type": "number" } }, "required": ["b"] }, { "required": ["a"] }] });
    let expected = json!({ "properties": { "a": { "type": "STRING" }, "b": { "type": "NUMBER" } }, "type": "OBJECT",
        "required": ["b", "a"] });
    assert_eq!(reduced(both), expected);
}

#[test]
fn references_are_put_in_place_and_circles_cut() {
    let schema = json!({
        "type": "object",
        "$defs": { "Node": { "type": "object", "properties": {
            "name": { "type": "string" }, "next": { "$ref": "#/$defs/Node" } } } },
        "properties": {
            "list": { "$ref": "#/$defs/Node", "description": "first" },
            "lost": { "$ref": "other.json" },
        },
    });
    let reduced = parameters(r#"{"schema":"subset"}"#, schema)["parameters"].clone();
    let node = json!({ "properties": { "name": { "type": "STRING" }, "next": { "type": "OBJECT" } }, "type": "OBJECT",
        "description": "first" });
    assert_eq!(reduced["properties"], json!({ "list": node, "lost": { "type": "OBJECT" } }));
    assert!(!reduced.to_string().contains('$'));
}

#[test]
fn a_schema_that_would_explode_is_refused() {
    let mut definitions = json!({ "d0": { "type": "string" } });
    for i in 1..30 {
        let below = json!({ "$ref": format!("#/$defs/d{}", i - 1) });
        definitions[format!("d{i}")] =
            json!({ "type": "object", "properties": { "a": below, "b": below, "c": below } });
    }
    let schema = json!({ "$defs": definitions, "type": "object", "properties": { "x": { "$ref": "#/$defs/d29" } } });
    let request = Request { tools: vec![tool("t", schema)], ..ask("hi") };
    let fault = Codec::encode(r#"{"schema":"subset"}"#.into(), "chat".into(), request, no_facts()).unwrap_err();
    assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::Unsupported, Some("tools[0].parameters")));
}
