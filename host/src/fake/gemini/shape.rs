//! Protocol buffers as JSON: every name must be known and every value of its kind, all the way down.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

/// With or without padding, as protocol buffers take it.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// What a field holds.
pub enum Kind {
    /// Names in camel case; `snake_case` is understood too.
    Message(&'static [(&'static str, Kind)]),
    /// A message that contains itself.
    Same(&'static Kind),
    List(&'static Kind),
    /// From names to messages.
    Map(&'static Kind),
    Text,
    Bytes,
    Number,
    Integer,
    Truth,
    /// A JSON object with anything in it.
    Struct,
    /// Any JSON.
    Any,
}

/// The value with all names in camel case and without nulls, which mean nothing; or what is wrong with it, as the API says it.
pub fn shaped(value: &Value, kind: &Kind, at: &str) -> Result<Value, String> {
    let wrong = |name: &str| Err(format!("Invalid value at '{at}' ({name}), {value}"));
    match (kind, value) {
        (Kind::Same(kind), _) => shaped(value, kind, at),
        (Kind::Message(fields), Value::Object(object)) => message(object, fields, at),
        (Kind::List(kind), Value::Array(list)) => {
            let item = |(index, item): (usize, &Value)| shaped(item, kind, &format!("{at}[{index}]"));
            Ok(Value::Array(list.iter().enumerate().map(item).collect::<Result<_, _>>()?))
        }
        (Kind::Map(kind), Value::Object(object)) => {
            let entry = |(index, (name, item)): (usize, (&String, &Value))| {
                Ok::<_, String>((name.clone(), shaped(item, kind, &format!("{at}[{index}].value"))?))
            };
            Ok(Value::Object(object.iter().enumerate().map(entry).collect::<Result<_, _>>()?))
        }
        (Kind::Bytes, Value::String(text)) if decoded(text).is_none() => {
            Err(format!("Invalid value at '{at}' (TYPE_BYTES), Base64 decoding failed for \"{text}\""))
        }
        (Kind::Text | Kind::Bytes, Value::String(_))
        | (Kind::Number, Value::Number(_))
        | (Kind::Truth, Value::Bool(_))
        | (Kind::Struct, Value::Object(_))
        | (Kind::Any, _) => Ok(value.clone()),
        (Kind::Integer, Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(value.clone()),
        (Kind::Message(_) | Kind::Text | Kind::Bytes | Kind::Number | Kind::Integer | Kind::Truth, Value::Array(_)) => {
            let (parent, name) = at.rsplit_once('.').unwrap_or(("", at));
            Err(unknown(name, parent, "Proto field is not repeating, cannot start list."))
        }
        (Kind::Text, _) => wrong("TYPE_STRING"),
        (Kind::Bytes, _) => wrong("TYPE_BYTES"),
        (Kind::Number, _) => wrong("TYPE_DOUBLE"),
        (Kind::Integer, _) => wrong("TYPE_INT32"),
        (Kind::Truth, _) => wrong("TYPE_BOOL"),
        (Kind::Struct, _) => wrong("type.googleapis.com/google.protobuf.Struct"),
        (Kind::Message(_) | Kind::List(_) | Kind::Map(_), _) => wrong("type.googleapis.com/google.protobuf.Message"),
    }
}

/// Base64 of either alphabet.
pub fn decoded(text: &str) -> Option<Vec<u8>> {
    let decode = |alphabet| GeneralPurpose::new(alphabet, LENIENT).decode(text).ok();
    decode(&STANDARD).or_else(|| decode(&URL_SAFE))
}

fn message(object: &Map<String, Value>, fields: &[(&str, Kind)], at: &str) -> Result<Value, String> {
    let mut known = Map::new();
    for (given, value) in object {
        let name = camel(given);
        let Some((name, kind)) = fields.iter().find(|(field, _)| *field == name) else {
            return Err(unknown(given, at, "Cannot find field."));
        };
        if !value.is_null() {
            let path = snake(name);
            let path = if at.is_empty() { path } else { format!("{at}.{path}") };
            known.insert((*name).to_owned(), shaped(value, kind, &path)?);
        }
    }
    Ok(Value::Object(known))
}

fn unknown(name: &str, at: &str, why: &str) -> String {
    let place = if at.is_empty() { String::new() } else { format!(" at '{at}'") };
    format!("Invalid JSON payload received. Unknown name \"{name}\"{place}: {why}")
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut name, word| {
        let mut letters = word.chars();
        name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        name + letters.as_str()
    })
}

fn snake(name: &str) -> String {
    name.chars().fold(String::new(), |mut snake, letter| {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
        snake
    })
}
