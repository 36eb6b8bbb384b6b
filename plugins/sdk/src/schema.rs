//! Schemas of tools' arguments, where a provider takes less of JSON Schema than its callers write.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::names::{Met, Names};

const CHOICES: [&str; 2] = ["anyOf", "oneOf"];

/// Fold choices at the top of a schema into one object. Anthropic and Bedrock refuse them ("input_schema does not support
/// oneOf, allOf, or anyOf at the top level"), and so does OpenAI ("schema must have type 'object' and not have
/// 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level").
///
/// The object has the properties of all branches. It requires what every choice requires, and all that the parts of an
/// `allOf` require, so whatever fits the schema fits the object too.
pub fn fold_choices(schema: &mut Map<String, Value>) {
    if !has_choices(schema) {
        return;
    }
    let definitions = definitions(schema);
    let mut left = COPIED_BYTES_MAX + definitions.values().map(bytes).sum::<usize>();
    fold(schema, &definitions, &mut left, 0);
}

/// So much of definitions may be copied besides what each has once: a small schema can refer to itself often enough to become
/// huge. A branch that is beyond it says nothing, which whatever fits the schema fits as well.
const COPIED_BYTES_MAX: usize = 1 << 20;

/// Branches in branches are folded to this depth; a schema that refers to itself ends there.
const DEPTH_MAX: usize = 8;

fn has_choices(schema: &Map<String, Value>) -> bool {
    CHOICES.iter().chain(&["allOf"]).any(|keyword| schema.get(*keyword).is_some_and(Value::is_array))
}

fn definitions(schema: &Map<String, Value>) -> Map<String, Value> {
    let mut definitions = Map::new();
    for keyword in ["$defs", "definitions"] {
        for (name, definition) in schema.get(keyword).and_then(Value::as_object).into_iter().flatten() {
            definitions.insert(format!("#/{keyword}/{name}"), definition.clone());
        }
    }
    definitions
}

fn fold(schema: &mut Map<String, Value>, definitions: &Map<String, Value>, left: &mut usize, depth: usize) {
    let mut kinds = Kinds::new();
    for keyword in CHOICES.iter().chain(&["allOf"]) {
        let Some(Value::Array(branches)) = take(schema, keyword) else { continue };
        let branches = branches.into_iter().filter_map(|branch| object(branch, definitions, left, depth));
        let branches: Vec<Map<String, Value>> = branches.collect();
        let mut required: Option<Names> = None;
        for branch in branches {
            let own = branch.get("required").and_then(Value::as_array).into_iter().flatten();
            let mut names = Names::default();
            names.extend(own.filter_map(Value::as_str));
            required = Some(match required {
                None => names,
                Some(mut all) if *keyword == "allOf" => {
                    names.into_list().iter().for_each(|name| _ = all.add(name));
                    all
                }
                Some(common) => {
                    let mut kept = Names::default();
                    kept.extend(common.into_list().iter().map(String::as_str).filter(|name| names.contains(name)));
                    kept
                }
            });
            add_properties(schema, branch, &mut kinds);
        }
        add_required(schema, required.unwrap_or_default().into_list());
    }
    // A branch's properties may be more than the schema's own: nothing may be forbidden beside them.
    take(schema, "additionalProperties");
    schema.insert("type".into(), "object".into());
    schema.entry("properties").or_insert_with(|| json!({}));
}

/// Removes a field; the others keep their order.
fn take(map: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let value = map.get_mut(name).map(Value::take)?;
    map.retain(|field, _| field != name);
    Some(value)
}

/// A branch as an object without choices of its own.
fn object(
    branch: Value,
    definitions: &Map<String, Value>,
    left: &mut usize,
    depth: usize,
) -> Option<Map<String, Value>> {
    let Value::Object(mut branch) = branch else { return None };
    let referred = branch.get("$ref").and_then(Value::as_str).and_then(|name| definitions.get(name));
    if let Some(definition @ Value::Object(fields)) = referred {
        *left = left.saturating_sub(bytes(definition));
        branch = if *left > 0 { fields.clone() } else { Map::new() };
    }
    if has_choices(&branch) && depth < DEPTH_MAX {
        fold(&mut branch, definitions, left, depth + 1);
    }
    Some(branch)
}

/// About the bytes of its text.
fn bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => 8 + text.len(),
        Value::Array(values) => values.iter().map(bytes).sum::<usize>() + 8,
        Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + bytes(value)).sum::<usize>() + 8,
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}

/// What properties with several kinds may be, by their names.
type Kinds = BTreeMap<String, Met>;

/// A property that several branches have may be what any of them says.
fn add_properties(schema: &mut Map<String, Value>, mut branch: Map<String, Value>, kinds: &mut Kinds) {
    let Some(Value::Object(properties)) = take(&mut branch, "properties") else { return };
    let known = schema.entry("properties").or_insert_with(|| json!({}));
    let Some(known) = known.as_object_mut() else { return };
    for (name, property) in properties {
        match known.get_mut(&name) {
            None => _ = known.insert(name, property),
            Some(other) if *other == property => {}
            Some(Value::Object(choice)) if choice.len() == 1 && choice.contains_key("anyOf") => {
                if let Some(Value::Array(choices)) = choice.get_mut("anyOf") {
                    let met = kinds.entry(name).or_insert_with(|| {
                        let mut met = Met::default();
                        choices.iter().for_each(|choice| _ = met.add(choice));
                        met
                    });
                    if met.add(&property) {
                        choices.push(property);
                    }
                }
            }
            Some(other) => *other = json!({ "anyOf": [other.take(), property] }),
        }
    }
}

fn add_required(schema: &mut Map<String, Value>, names: Vec<String>) {
    if names.is_empty() {
        return;
    }
    let required = schema.entry("required").or_insert_with(|| json!([]));
    let Some(required) = required.as_array_mut() else { return };
    let mut met = Met::default();
    required.iter().for_each(|name| _ = met.add(name));
    required.extend(names.into_iter().map(Value::from).filter(|name| met.add(name)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(schema: Value) -> Value {
        let Value::Object(mut schema) = schema else { panic!("an object") };
        fold_choices(&mut schema);
        Value::Object(schema)
    }

    #[test]
    fn any_of_needs_what_all_choices_need() {
        let by = |name: &str| {
            json!({"type": "object", "properties": {"id": {"type": "string"}, name: {"type": "number"}},
            "required": ["id", name]})
        };
        for keyword in ["anyOf", "oneOf"] {
            let folded = folded(json!({"type": "object", "description": "d", keyword: [by("a"), by("b")],
                "additionalProperties": false}));
            let expected = json!({"type": "object", "description": "d", "properties": {"id": {"type": "string"},
                "a": {"type": "number"}, "b": {"type": "number"}}, "required": ["id"]});
            assert_eq!(folded, expected);
        }
    }

    #[test]
    fn choices_beside_properties_only_require() {
        let folded = folded(json!({"type": "object", "properties": {"a": {}, "b": {}},
            "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}));
        assert_eq!(folded, json!({"type": "object", "properties": {"a": {}, "b": {}}}));
    }

    #[test]
    fn all_of_needs_everything_and_references_are_followed() {
        let folded = folded(json!({"$defs": {"A": {"properties": {"a": {"type": "string"}}, "required": ["a"]}},
            "allOf": [{"$ref": "#/$defs/A"}, {"properties": {"b": {"type": "string"}}, "required": ["b"]}]}));
        assert_eq!(folded["properties"], json!({"a": {"type": "string"}, "b": {"type": "string"}}));
        assert_eq!(folded["required"], json!(["a", "b"]));
        assert_eq!(folded["type"], "object");
    }

    #[test]
    fn one_property_of_several_kinds_may_be_any_of_them() {
        let of = |kind: &str| json!({"properties": {"kind": {"const": kind}}, "required": ["kind"]});
        let folded = folded(json!({"oneOf": [of("a"), of("b"), of("a"), of("c")]}));
        let kinds = json!({"anyOf": [{"const": "a"}, {"const": "b"}, {"const": "c"}]});
        assert_eq!(folded["properties"], json!({"kind": kinds}));
        assert_eq!(folded["required"], json!(["kind"]));
    }

    #[test]
    fn choices_in_choices_end() {
        let folded = folded(json!({"$defs": {"A": {"anyOf": [{"$ref": "#/$defs/A"}, {"properties": {"a": {}}}]}},
            "anyOf": [{"$ref": "#/$defs/A"}, {"oneOf": [{"properties": {"b": {}}}]}]}));
        assert_eq!(folded["properties"], json!({"a": {}, "b": {}}));
    }

    #[test]
    fn what_has_no_choice_stays() {
        for schema in [
            json!({"type": "object", "properties": {"a": {"anyOf": [{}, {}]}}, "additionalProperties": false}),
            json!({}),
            json!({"anyOf": 3}),
        ] {
            assert_eq!(folded(schema.clone()), schema);
        }
    }
}
