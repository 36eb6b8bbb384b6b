//! JSON schemas cut down to Google's `Schema`, which is a subset of OpenAPI 3.0 with words of its own and refuses a
//! request for any other keyword: <https://ai.google.dev/api/caching#Schema>. The README lists what becomes of each
//! keyword.

mod choices;
mod values;

use super::schema::parse;
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use serde_json::{Map, Value, json};

type Keywords = Map<String, Value>;

/// References are copied to where they are used, and a small schema can refer to itself often enough to become huge.
const NODES_MAX: u32 = 10_000;
/// So many bytes of words (descriptions, lists of values) may be copied besides those that the schema has.
const COPIED_BYTES_MAX: usize = 1 << 20;

/// Deeper down, a value may be anything. The API itself refuses schemas long before.
const DEPTH_MAX: u32 = 100;

pub fn reduce(text: &str, path: &str) -> Result<Value, Fault> {
    let root = Value::Object(parse(text, path)?);
    let mut reducer =
        Reducer { root: &root, inside: Vec::new(), nodes: 0, bytes_left: COPIED_BYTES_MAX + text.len(), depth: 0 };
    let reduced = reducer.schema(&root);
    if reducer.is_too_large() {
        let message = "the schema is too large with its references in place";
        return Err(fault_at(FaultKind::Unsupported, path, message));
    }
    Ok(Value::Object(reduced))
}

/// About the bytes of its text.
fn text_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(text_bytes).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + text_bytes(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}

struct Reducer<'a> {
    root: &'a Value,
    /// The references that lead to where we are: one that comes again is a circle.
    inside: Vec<&'a str>,
    nodes: u32,
    /// Of words that may still be said.
    bytes_left: usize,
    depth: u32,
}

impl<'a> Reducer<'a> {
    fn schema(&mut self, schema: &'a Value) -> Keywords {
        values::typed(self.untyped(schema))
    }

    fn is_too_large(&self) -> bool {
        self.nodes > NODES_MAX || self.bytes_left == 0
    }

    /// `words` are said so many times.
    fn count(&mut self, words: &Keywords, times: usize) {
        let bytes = words.iter().map(|(_, value)| text_bytes(value)).sum::<usize>();
        self.bytes_left = self.bytes_left.saturating_sub(bytes.saturating_mul(times));
    }

    /// Not yet complete: what the rest says may still be told by a schema around it.
    fn untyped(&mut self, schema: &'a Value) -> Keywords {
        self.nodes = self.nodes.saturating_add(1);
        let keywords = match schema {
            Value::Object(keywords) if !self.is_too_large() && self.depth < DEPTH_MAX => keywords,
            // `true` and `false` are schemas too.
            _ => return Map::new(),
        };
        self.depth += 1;
        let reduced = self.keywords(keywords);
        self.depth -= 1;
        reduced
    }

    fn keywords(&mut self, keywords: &'a Keywords) -> Keywords {
        if let Some(Value::String(target)) = keywords.get("$ref") {
            return self.reference(target, keywords);
        }
        let mut reduced = values::plain(keywords);
        self.count(&reduced, 1);
        let types = values::types(keywords);
        if types.nullable {
            reduced.insert("nullable".into(), true.into());
        }
        self.object(keywords, &mut reduced);
        self.array(keywords, &mut reduced);
        for branch in list(keywords, "allOf") {
            let branch = self.untyped(branch);
            choices::merge(&mut reduced, branch);
        }
        match types.names.as_slice() {
            [name] => _ = reduced.insert("type".into(), (*name).into()),
            [] => self.choices(keywords, &mut reduced),
            several => choices::of_types(&mut reduced, several),
        }
        reduced
    }

    /// What a reference means, in its place. What stands beside it goes on top.
    fn reference(&mut self, target: &'a str, beside: &'a Keywords) -> Keywords {
        let found = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
        let mut reduced = match found {
            Some(found) if !self.inside.contains(&target) => {
                self.inside.push(target);
                let reduced = self.untyped(found);
                self.inside.pop();
                reduced
            }
            // A circle is cut here; another document is not at hand.
            _ => Map::from_iter([("type".into(), "OBJECT".into())]),
        };
        let words = values::annotations(beside);
        self.count(&words, 1);
        for (keyword, value) in words {
            reduced.insert(keyword, value);
        }
        reduced
    }

    fn object(&mut self, keywords: &'a Keywords, reduced: &mut Keywords) {
        // An object without properties is refused if it says so.
        if let Some(Value::Object(named)) = keywords.get("properties").filter(|named| *named != &json!({})) {
            let below = named.iter().map(|(name, below)| (name.clone(), Value::Object(self.schema(below))));
            let properties: Keywords = below.collect();
            reduced.insert("properties".into(), properties.into());
        }
        let required: Vec<Value> = list(keywords, "required").cloned().collect();
        if !required.is_empty() {
            reduced.insert("required".into(), required.into());
        }
    }

    fn array(&mut self, keywords: &'a Keywords, reduced: &mut Keywords) {
        let items = match keywords.get("items") {
            Some(Value::Array(places)) => self.any_of(places),
            Some(items @ Value::Object(_)) => self.schema(items),
            _ => match keywords.get("prefixItems") {
                Some(Value::Array(places)) => self.any_of(places),
                _ => return,
            },
        };
        reduced.insert("items".into(), items.into());
    }

    /// `anyOf` and `oneOf`. Beside constraints of its own, a schema's choices only narrow it further, and are left out.
    fn choices(&mut self, keywords: &'a Keywords, reduced: &mut Keywords) {
        if reduced.contains_key("properties") || reduced.contains_key("items") || reduced.contains_key("type") {
            return;
        }
        let Some(Value::Array(branches)) = keywords.get("anyOf").or_else(|| keywords.get("oneOf")) else { return };
        let mut choice = self.any_of(branches);
        self.count(reduced, branches.len());
        if !self.is_too_large() {
            choices::annotate(&mut choice, std::mem::take(reduced));
        }
        *reduced = choice;
    }

    fn any_of(&mut self, branches: &'a [Value]) -> Keywords {
        let is_null = |branch: &Value| branch.get("type").is_some_and(|name| name == "null");
        let (nulls, others): (Vec<_>, Vec<_>) = branches.iter().partition(|branch| is_null(branch));
        let reduced = others.into_iter().map(|branch| self.schema(branch)).collect();
        choices::one_of_several(reduced, !nulls.is_empty())
    }
}

fn list<'a>(keywords: &'a Keywords, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    keywords.get(name).and_then(Value::as_array).into_iter().flatten()
}
