//! Requests of callers, as they should not be: refused in words that say where. And where callers ask at all.

use std::collections::BTreeSet;

use hyper::{Method, Uri};
use serde_json::Value;

use super::super::{Check, Failure};
use super::bad::{NO_REQUESTS, ODD_VALUES};
use super::provider::{TRANSLATED, is_header, is_name, is_operation};
use super::subject::Subject;
use super::{encode, json};
use crate::plugin::bindings::client_protocol::{Description, Endpoint, Reading, Streaming};

/// Must a refusal name the field? What is no JSON has none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Any,
    Named,
}

pub fn describes(subject: &Subject<'_>) -> Check {
    let mut check = Check::new("answers");
    let Some(description) = subject.client() else { return check };
    if !subject.client_says_it_again() {
        check.fail("a fresh instance", "it describes itself otherwise", "the same as before");
    }
    if !is_name(&description.protocol) {
        check.fail("protocol", format!("`{}`", description.protocol), "a name of small letters, digits and -");
    }
    for name in description.read_headers.iter().filter(|name| !is_header(name)) {
        check.fail("read-headers", format!("`{name}`"), "a header's name, in lower case");
    }
    let mut places = BTreeSet::new();
    for endpoint in &description.endpoints {
        let place = format!("{} {}", endpoint.method, endpoint.path);
        if let Err(expected) = sensible(endpoint) {
            check.fail(place.clone(), format!("{endpoint:?}"), expected);
        }
        if !places.insert(place.clone()) {
            check.fail(place, "two endpoints", "one at a place");
        }
    }
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    check.told = format!("callers of {} at {}", description.protocol, places.join(", "));
    check
}

fn sensible(endpoint: &Endpoint) -> Result<(), &'static str> {
    let Endpoint { method, path, operation, stream, events_query, .. } = endpoint;
    let filled = path.replace("{model}", "m");
    if Method::from_bytes(method.as_bytes()).is_err() || method.to_ascii_uppercase() != *method {
        return Err("a method, such as `POST`");
    }
    if filled.contains(['?', '#', '{', '}']) || filled.parse::<Uri>().is_err() {
        return Err("a path alone, with nothing to fill in but {model}");
    }
    if !is_operation(operation) {
        return Err("the operation `chat`, `embeddings`, `count-tokens`, or one that is only forwarded");
    }
    if matches!(stream, Streaming::Field(name) if name.is_empty()) {
        return Err("the name of the field that asks for a stream");
    }
    if !events_query.is_empty() && matches!(stream, Streaming::Field(_)) {
        return Err("`events-query` only where streaming is `always`");
    }
    Ok(())
}

pub async fn check(subject: &Subject<'_>) -> Check {
    let mut check = Check::new("reads");
    let Some(description) = subject.client() else { return check };
    let mut tried = 0;
    for (operation, endpoint) in operations(description) {
        for (name, body) in NO_REQUESTS {
            tried += 1;
            let place = format!("{operation}: {name} for a body");
            check.note(&place, is_refused(subject, operation, body, Place::Any).await);
        }
        let turns = &endpoint.turns_field;
        for value in ODD_VALUES.iter().filter(|_| !turns.is_empty()) {
            // A text may be a turn, and a list or an object may be short for one.
            let is_wrong = value.parse::<f64>().is_ok() || *value == "true";
            for value in [(*value).to_owned(), format!("[{value}]")] {
                tried += 1;
                let body = with_turns(endpoint, &value);
                let place = format!("{operation}: {body}");
                let tried = match is_wrong {
                    true => is_refused(subject, operation, body.as_bytes(), Place::Named).await,
                    false => in_words(subject, operation, body.as_bytes(), Place::Named).await.map(drop),
                };
                check.note(&place, tried);
            }
        }
    }
    check.told = format!("{tried} requests that are none, refused in words");
    check
}

/// Each once, and the first place where it is asked for.
pub fn operations(description: &Description) -> Vec<(&str, &Endpoint)> {
    let mut seen = BTreeSet::new();
    let translated = description.endpoints.iter().filter(|endpoint| TRANSLATED.contains(&endpoint.operation.as_str()));
    let endpoints = translated.filter(|endpoint| seen.insert(endpoint.operation.as_str()));
    endpoints.map(|endpoint| (endpoint.operation.as_str(), endpoint)).collect()
}

fn with_turns(endpoint: &Endpoint, turns: &str) -> String {
    let model = match endpoint.model_field.as_str() {
        "" => String::new(),
        field => format!("{}: \"m\", ", Value::from(field)),
    };
    format!("{{{model}{}: {turns}}}", Value::from(endpoint.turns_field.as_str()))
}

async fn is_refused(subject: &Subject<'_>, operation: &str, body: &[u8], place: Place) -> Result<(), Failure> {
    match in_words(subject, operation, body, place).await? {
        None => Ok(()),
        Some(reading) => {
            let said = format!("it reads {} messages", reading.request.messages.len());
            Err(Failure::new(said, "a refusal in words: that is no request"))
        }
    }
}

/// What was read; nothing, when it was refused as it may be.
///
/// # Errors
/// It blames somebody else than the caller, or does not say what is wrong and where.
pub async fn in_words(
    subject: &Subject<'_>,
    operation: &str,
    body: &[u8],
    place: Place,
) -> Result<Option<Reading>, Failure> {
    let protocol = subject.client().map(|description| description.protocol.as_str()).unwrap_or_default();
    match subject.read(operation, body).await? {
        Ok(reading) if reading.request.protocol == protocol => Ok(Some(reading)),
        Ok(reading) => {
            let said = format!("a request of the protocol `{}`", reading.request.protocol);
            Err(Failure::new(said, format!("its own, `{protocol}`: that says whose the extras are")))
        }
        Err(fault) => {
            encode::in_words(&fault)?;
            if place == Place::Any || fault.field.is_some() {
                return Ok(None);
            }
            Err(Failure::new(encode::told(&fault), "the field that is wrong, in `field`"))
        }
    }
}

/// A good body with an odd value in each place, and cut off here and there: nothing that anybody sends may trap. What is
/// still a request may be read.
pub async fn odd(subject: &Subject<'_>, operation: &str, body: &Value, check: &mut Check) -> usize {
    let mut places = Vec::new();
    places_of(body, &mut Vec::new(), &mut places);
    let mut tried = 0;
    for (place, odd) in places.iter().flat_map(|place| ODD_VALUES.iter().map(move |odd| (place, odd))) {
        if check.is_full() {
            break;
        }
        tried += 1;
        // Not through a value of ours: numbers have to stay as odd as they are.
        let body = replaced(body, place, odd);
        let told = format!("{operation}: {odd} at {place}", odd = json::short(odd));
        check.note(&told, in_words(subject, operation, body.as_bytes(), Place::Any).await);
    }
    let text = body.to_string();
    for cut in (1..8).map(|eighths| text.floor_char_boundary(text.len() * eighths / 8)) {
        tried += 1;
        let place = format!("{operation}: {}", json::short(&text[..cut]));
        check.note(&place, is_refused(subject, operation, &text.as_bytes()[..cut], Place::Any).await);
    }
    tried
}

/// Pointers to all values below the top; of a list, to the first item.
fn places_of(value: &Value, path: &mut Vec<String>, places: &mut Vec<String>) {
    let steps: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items.iter().take(1).map(|value| ("0".to_owned(), value)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for (step, value) in steps {
        path.push(step.replace('~', "~0").replace('/', "~1"));
        places.push(format!("/{}", path.join("/")));
        places_of(value, path, places);
        path.pop();
    }
}

fn replaced(body: &Value, pointer: &str, odd: &str) -> String {
    const MARK: &str = "pointsman: the odd value stands here";
    let mut body = body.clone();
    if let Some(place) = body.pointer_mut(pointer) {
        *place = MARK.into();
    }
    body.to_string().replace(&Value::from(MARK).to_string(), odd)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_place_is_found_and_replaced() {
        let (body, mut places) = (json!({ "a": [{ "b/c": 1 }, 2], "d": "x" }), Vec::new());
        places_of(&body, &mut Vec::new(), &mut places);
        assert_eq!(places, ["/a", "/a/0", "/a/0/b~1c", "/d"]);
        assert_eq!(replaced(&body, "/a/0/b~1c", "1e999"), r#"{"a":[{"b/c":1e999},2],"d":"x"}"#);
    }
}
