//! Several schemas in one. Vertex takes nothing beside `anyOf`, so what stands there goes down into the branches.

use super::{Keywords, values};
use pointsman_sdk::names::Met;
use serde_json::{Map, Value};

/// One of several schemas that are reduced already. A single one needs no choice: its properties survive where they
/// are.
pub fn one_of_several(branches: Vec<Keywords>, nullable: bool) -> Keywords {
    let mut met = Met::default();
    let branches = branches.into_iter().map(Value::Object).filter(|branch| met.add(branch));
    let mut distinct: Vec<Keywords> = branches
        .filter_map(|branch| match branch {
            Value::Object(branch) => Some(branch),
            _ => None,
        })
        .collect();
    if nullable {
        distinct.iter_mut().for_each(|branch| _ = branch.insert("nullable".into(), true.into()));
    }
    match distinct.len() {
        0 => {
            let mut any = values::typed(Map::new());
            any.insert("nullable".into(), nullable.into());
            any
        }
        1 => distinct.swap_remove(0),
        _ => Map::from_iter([("anyOf".into(), distinct.into_iter().map(Value::Object).collect())]),
    }
}

/// Words about the choice as a whole. Those of a branch are more to the point, and stay.
pub fn annotate(choice: &mut Keywords, words: Keywords) {
    let Some(Value::Array(branches)) = choice.get_mut("anyOf") else {
        choice.extend(words);
        return;
    };
    for branch in branches.iter_mut().filter_map(Value::as_object_mut) {
        for (keyword, value) in &words {
            if !matches!(keyword.as_str(), "default" | "enum" | "required") {
                branch.entry(keyword.clone()).or_insert_with(|| value.clone());
            }
        }
    }
}

/// A schema with several types: each gets what belongs to it.
pub fn of_types(reduced: &mut Keywords, names: &[&'static str]) {
    let whole = std::mem::take(reduced);
    let branch = |name: &&'static str| {
        let belongs = |keyword: &str| match keyword {
            "properties" | "required" | "minProperties" | "maxProperties" => *name == "OBJECT",
            "items" | "minItems" | "maxItems" => *name == "ARRAY",
            "enum" | "pattern" | "minLength" | "maxLength" => *name == "STRING",
            "minimum" | "maximum" => matches!(*name, "NUMBER" | "INTEGER"),
            "default" | "format" => false,
            _ => true,
        };
        let mut branch: Keywords =
            whole.iter().filter(|(keyword, _)| belongs(keyword)).map(|(k, v)| (k.clone(), v.clone())).collect();
        branch.insert("type".into(), (*name).into());
        values::typed(branch)
    };
    *reduced = one_of_several(names.iter().map(branch).collect(), false);
}

/// Both at once: `allOf`.
pub fn merge(into: &mut Keywords, more: Keywords) {
    for (keyword, value) in more {
        match (into.get_mut(&keyword), value) {
            (Some(Value::Object(known)), Value::Object(more)) if keyword == "properties" => known.extend(more),
            (Some(Value::Array(known)), Value::Array(more)) if keyword == "required" => {
                known.extend(more);
            }
            (Some(_), _) => {}
            (None, value) => _ = into.insert(keyword, value),
        }
    }
}
