//! Looking into JSON that somebody else made.

use serde_json::Value;

/// All texts in it, one after the other: what a person could read there.
pub fn texts(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(texts).collect(),
        Value::Object(fields) => fields.values().map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
    }
}

/// Is all that is expected there? Objects may have more fields; lists have as many items.
///
/// # Errors
/// The place where it is not so, such as `messages[0].role`, and what stands there.
pub fn holds(expected: &Value, found: &Value, place: &str) -> Result<(), String> {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => expected.iter().try_for_each(|(name, expected)| {
            let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
            match found.get(name) {
                Some(found) => holds(expected, found, &place),
                // Absent and null are the same to everybody.
                None if expected.is_null() => Ok(()),
                None => Err(format!("no `{place}`")),
            }
        }),
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            let mut pairs = expected.iter().zip(found).enumerate();
            pairs.try_for_each(|(at, (expected, found))| holds(expected, found, &format!("{place}[{at}]")))
        }
        (Value::Number(expected), Value::Number(found)) if expected.as_f64() == found.as_f64() => Ok(()),
        (expected, found) if expected == found => Ok(()),
        (_, found) if place.is_empty() => Err(found.to_string()),
        (_, found) => Err(format!("`{place}` is {found}")),
    }
}

/// As much of a text as one wants to read in a line.
pub fn short(text: &str) -> String {
    const LONGEST: usize = 400;
    let line: String =
        text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(LONGEST).collect();
    if line.chars().count() < LONGEST { line } else { format!("{line}…") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_is_told_with_its_place() {
        let found = json!({ "a": [{ "b": 1, "c": "x" }, 2.0], "d": null });
        for expected in [json!({}), json!({ "a": [{ "b": 1.0 }, 2] }), json!({ "d": null, "e": null }), found.clone()] {
            assert_eq!(holds(&expected, &found, ""), Ok(()), "{expected}");
        }
        for (expected, text) in [
            (json!({ "a": [{ "b": 2 }, 2] }), "`a[0].b` is 1"),
            (json!({ "a": [{ "e": 2 }, 2] }), "no `a[0].e`"),
            (json!({ "a": [{}] }), "`a` is [{\"b\":1,\"c\":\"x\"},2.0]"),
            (json!({ "d": 5 }), "`d` is null"),
            (json!([]), "{\"a\":[{\"b\":1,\"c\":\"x\"},2.0],\"d\":null}"),
        ] {
            assert_eq!(holds(&expected, &found, ""), Err(text.to_owned()), "{expected}");
        }
        assert_eq!(texts(&json!({ "a": ["b", 5, { "c": "d" }] })), "bd");
    }
}
