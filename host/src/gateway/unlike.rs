//! Where two answers part, without a word of either: a path through them, and what stands there by kind and length. Prompts
//! are in what adapters answer, and nothing of them may come out.

use serde_json::Value;

/// What an answer or an event may be, as the contract's types are written: these names are nobody's text.
const VARIANTS: [&str; 14] = [
    "Ok",
    "Err",
    "Started",
    "TextDelta",
    "ReasoningDelta",
    "ReasoningSignature",
    "RedactedReasoning",
    "ToolCallStarted",
    "ToolArgumentsDelta",
    "PartFinished",
    "Usage",
    "Embedding",
    "Finished",
    "Failed",
];

/// Places where two answers part that are told: the first ones show what it is.
const PLACES_MAX: usize = 3;

/// The first places where they part; names of fields are shown only if the first one has them.
pub fn unlike(one: &Value, other: &Value) -> Option<String> {
    let mut places = Vec::new();
    part(one, other, &mut String::new(), &mut places);
    (!places.is_empty()).then(|| places.join("; "))
}

fn part(one: &Value, other: &Value, path: &mut String, places: &mut Vec<String>) {
    let mut tell = |one: &str, other: &str| {
        let place = if path.is_empty() { "all of it" } else { path.as_str() };
        let other = if one == other { "another" } else { other };
        places.push(format!("{place}: {one}, and {other} in the shadow"));
    };
    match (one, other) {
        _ if one == other => {}
        (Value::Object(fields), Value::Object(others)) if variant(one) == variant(other) => {
            if fields.keys().all(|name| others.contains_key(name)) && fields.len() < others.len() {
                tell(&kind(one), &kind(other));
            }
            for (name, value) in fields {
                let missing = Value::Null;
                step(shown(name), value, others.get(name).unwrap_or(&missing), path, places);
            }
        }
        (Value::Array(items), Value::Array(others)) => {
            if items.len() != others.len() {
                tell(&kind(one), &kind(other));
            }
            for (position, (item, other)) in items.iter().zip(others).enumerate() {
                step(&position.to_string(), item, other, path, places);
            }
        }
        _ => tell(&kind(one), &kind(other)),
    }
}

fn step(name: &str, one: &Value, other: &Value, path: &mut String, places: &mut Vec<String>) {
    if places.len() < PLACES_MAX {
        let before = path.len();
        path.push('/');
        path.push_str(name);
        part(one, other, path, places);
        path.truncate(before);
    }
}

/// Long names, and those with unusual letters, are rather somebody's text.
fn shown(name: &str) -> &str {
    let usual = name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if usual { name } else { "*" }
}

fn kind(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(_) => "a number".to_owned(),
        Value::String(text) => format!("a text of {} bytes", text.len()),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(fields) => {
            variant(value).map_or_else(|| format!("an object of {}", fields.len()), ToOwned::to_owned)
        }
    }
}

fn variant(value: &Value) -> Option<&'static str> {
    let fields = value.as_object().filter(|fields| fields.len() == 1)?;
    let name = fields.keys().next()?;
    VARIANTS.into_iter().find(|variant| variant == name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_place_is_named_and_no_word() {
        let one = json!({ "model": "m", "messages": [{ "content": "my secret" }], "max_tokens": 10 });
        let with = |place: &str, value: Value| {
            let mut other = one.clone();
            *other.pointer_mut(place).expect("a place") = value;
            unlike(&one, &other).unwrap_or_default()
        };
        assert_eq!(unlike(&one, &one), None);
        assert_eq!(
            with("/messages/0/content", json!("my other secret")),
            "/messages/0/content: a text of 9 bytes, and a text of 15 bytes in the shadow"
        );
        assert_eq!(
            with("/messages/0/content", json!("MY SECRET")),
            "/messages/0/content: a text of 9 bytes, and another in the shadow"
        );
        assert_eq!(with("/max_tokens", json!(11)), "/max_tokens: a number, and another in the shadow");
        assert_eq!(with("/messages", json!([])), "/messages: a list of 1, and a list of 0 in the shadow");
        assert_eq!(with("/messages/0", json!({})), "/messages/0/content: a text of 9 bytes, and nothing in the shadow");
        let more = with("/messages/0", json!({ "content": "my secret", "my secret": 1 }));
        assert_eq!(more, "/messages/0: an object of 1, and an object of 2 in the shadow", "its names are not shown");
        let events = unlike(&json!([{ "TextDelta": { "text": "a" } }]), &json!([{ "Failed": { "message": "b" } }]));
        assert_eq!(events.as_deref(), Some("/0: TextDelta, and Failed in the shadow"));
        assert_eq!(
            with("/messages/0", json!({ "Secret": 1 })),
            "/messages/0/content: a text of 9 bytes, and nothing in the shadow"
        );
        let strange = unlike(&json!({ "my secret key": 1 }), &json!({ "my secret key": 2 }));
        assert_eq!(strange.as_deref(), Some("/*: a number, and another in the shadow"));
    }
}
