//! What a schema says about a value itself: its type, its bounds, the values it may have.

use super::Keywords;
use pointsman_sdk::names::Names;
use serde_json::{Map, Value};

/// Keywords that are kept as they are, if they are numbers.
const BOUNDS: [&str; 8] =
    ["minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"];

pub struct Types {
    /// In Google's words. Several where the schema has several, none where it does not say.
    pub names: Vec<&'static str>,
    pub nullable: bool,
}

/// What is kept without looking further down.
pub fn plain(keywords: &Keywords) -> Keywords {
    let mut kept = annotations(keywords);
    for name in BOUNDS {
        if let Some(number @ Value::Number(_)) = keywords.get(name) {
            kept.insert(name.into(), number.clone());
        }
    }
    if let Some(pattern @ Value::String(_)) = keywords.get("pattern") {
        kept.insert("pattern".into(), pattern.clone());
    }
    // The API knows no others, and refuses them.
    if let Some(Value::String(format)) = keywords.get("format")
        && ["date-time", "int32", "int64", "float", "double"].contains(&format.as_str())
    {
        kept.insert("format".into(), format.as_str().into());
    }
    if keywords.get("nullable") == Some(&Value::Bool(true)) {
        kept.insert("nullable".into(), true.into());
    }
    allowed_values(keywords, &mut kept);
    kept
}

/// Words about a schema, which may stand anywhere.
pub fn annotations(keywords: &Keywords) -> Keywords {
    let mut kept = Map::new();
    for name in ["title", "description"] {
        if let Some(text @ Value::String(_)) = keywords.get(name) {
            kept.insert(name.into(), text.clone());
        }
    }
    if let Some(value) = keywords.get("default").filter(|value| !value.is_null()) {
        kept.insert("default".into(), value.clone());
    }
    kept
}

pub fn types(keywords: &Keywords) -> Types {
    let said = match keywords.get("type") {
        Some(Value::Array(several)) => several.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    let words: Vec<String> = said.into_iter().filter_map(Value::as_str).map(str::to_ascii_lowercase).collect();
    let mut types = Types { names: words.iter().filter_map(|word| google_name(word)).collect(), nullable: false };
    types.nullable = words.iter().any(|word| word == "null");
    types
}

fn google_name(word: &str) -> Option<&'static str> {
    Some(match word {
        "string" => "STRING",
        "number" => "NUMBER",
        "integer" => "INTEGER",
        "boolean" => "BOOLEAN",
        "array" => "ARRAY",
        "object" => "OBJECT",
        _ => return None,
    })
}

/// `enum` and `const`. Google's enum holds strings alone; other values go into the description, so that the argument
/// keeps its type.
fn allowed_values(keywords: &Keywords, kept: &mut Keywords) {
    let values: Vec<&Value> = match (keywords.get("const"), keywords.get("enum")) {
        (Some(value), _) => vec![value],
        (None, Some(Value::Array(values))) => values.iter().collect(),
        _ => return,
    };
    if values.contains(&&Value::Null) {
        kept.insert("nullable".into(), true.into());
    }
    let values: Vec<&Value> = values.into_iter().filter(|value| !value.is_null()).collect();
    if values.iter().all(|value| value.is_string()) {
        // An empty string in an enum is refused.
        let strings: Vec<Value> = values.into_iter().filter(|value| *value != "").cloned().collect();
        if !strings.is_empty() {
            kept.insert("enum".into(), strings.into());
        }
        return;
    }
    let words: Vec<String> = values.iter().map(|value| value.to_string()).collect();
    let sentence = format!("One of: {}.", words.join(", "));
    let description = match kept.get("description") {
        Some(Value::String(before)) => format!("{before} {sentence}"),
        _ => sentence,
    };
    kept.insert("description".into(), description.into());
    if !keywords.contains_key("type")
        && let Some(first) = values.first()
    {
        kept.insert("type".into(), type_of(first).into());
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "BOOLEAN",
        Value::Number(number) if number.is_i64() || number.is_u64() => "INTEGER",
        Value::Number(_) => "NUMBER",
        Value::Array(_) => "ARRAY",
        Value::Object(_) => "OBJECT",
        Value::String(_) | Value::Null => "STRING",
    }
}

/// Every schema but a choice must say its type, an array what it holds, and only properties that are there are
/// required.
pub fn typed(mut reduced: Keywords) -> Keywords {
    if let Some(Value::Array(required)) = reduced.remove("required") {
        let properties = reduced.get("properties");
        let is_there = |name: &Value| Some(properties?.get(name.as_str()?)?.is_object());
        let mut names = Names::default();
        names.extend(required.iter().filter(|name| is_there(name) == Some(true)).filter_map(Value::as_str));
        let kept = names.into_list();
        if !kept.is_empty() {
            reduced.insert("required".into(), kept.into());
        }
    }
    if reduced.contains_key("anyOf") {
        return reduced;
    }
    if !reduced.contains_key("type") {
        let name = match () {
            () if reduced.contains_key("properties") => "OBJECT",
            () if reduced.contains_key("items") => "ARRAY",
            () if reduced.contains_key("minimum") || reduced.contains_key("maximum") => "NUMBER",
            () => "STRING",
        };
        reduced.insert("type".into(), name.into());
    }
    let is = |name: &str| reduced.get("type").is_some_and(|said| said == name);
    let (is_array, is_string) = (is("ARRAY"), is("STRING"));
    if is_array && !reduced.contains_key("items") {
        reduced.insert("items".into(), Value::Object(Map::from_iter([("type".into(), "STRING".into())])));
    }
    if !is_string {
        reduced.remove("enum");
    }
    reduced
}
