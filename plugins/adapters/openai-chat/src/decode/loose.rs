//! Values as some servers send them: texts that are numbers or lists, counts that are fractions. An odd type does not
//! make a reply unreadable.

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// What should be text. A list of content parts is their text; a number or an object (ids of some models, arguments of
/// some servers) is its JSON.
pub struct Loose<'a> {
    text: Cow<'a, str>,
    is_text: bool,
    /// Of the list's parts of type `thinking`, which is how Mistral tells thoughts: a list of texts in each.
    thoughts: String,
}

impl Loose<'_> {
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn thoughts(&self) -> &str {
        &self.thoughts
    }

    pub fn is_text(&self) -> bool {
        self.is_text
    }
}

/// An absent text is empty.
pub trait OptionalText {
    fn text(&self) -> &str;
}

impl OptionalText for Option<Loose<'_>> {
    fn text(&self) -> &str {
        self.as_ref().map_or("", Loose::text)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Loose<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor)
    }
}

struct LooseVisitor;

impl LooseVisitor {
    fn other<'a>(text: String) -> Loose<'a> {
        Loose { text: Cow::Owned(text), is_text: false, thoughts: String::new() }
    }
}

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Loose<'de>, E> {
        Ok(Loose { text: Cow::Borrowed(text), is_text: true, thoughts: String::new() })
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Loose<'de>, E> {
        Ok(Loose { text: Cow::Owned(text.into()), is_text: true, thoughts: String::new() })
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Loose<'de>, E> {
        Ok(Self::other(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Loose<'de>, E> {
        Ok(Self::other(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Loose<'de>, E> {
        Ok(Self::other(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Loose<'de>, E> {
        Ok(Self::other(value.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Loose<'de>, A::Error> {
        let (mut text, mut thoughts) = (String::new(), String::new());
        while let Some(item) = items.next_element::<Value>()? {
            match item.get("thinking") {
                Some(thinking) => push_words(thinking, &mut thoughts),
                None => push_words(&item, &mut text),
            }
        }
        Ok(Loose { thoughts, ..Self::other(text) })
    }

    /// Numbers come this way too: serde_json keeps their digits (`arbitrary_precision`) by calling them maps.
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Loose<'de>, A::Error> {
        Value::deserialize(MapAccessDeserializer::new(map)).map(|value| Self::other(value.to_string()))
    }
}

/// The words of a text, of a part, or of a list of either.
fn push_words(value: &Value, words: &mut String) {
    match value {
        Value::String(text) => words.push_str(text),
        Value::Array(items) => items.iter().for_each(|item| push_words(item, words)),
        Value::Object(part) => {
            if let Some(Value::String(text)) = part.get("text").or_else(|| part.get("summary")) {
                words.push_str(text);
            }
        }
        _ => {}
    }
}

/// What should be a count. Fractions are cut, and what is below zero is zero.
pub struct Count(u64);

impl Count {
    pub fn number(&self) -> u64 {
        self.0
    }
}

/// An absent count is zero.
pub trait OptionalCount {
    fn number(&self) -> u64;
}

impl OptionalCount for Option<Count> {
    fn number(&self) -> u64 {
        self.as_ref().map_or(0, Count::number)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u64(CountVisitor)
    }
}

struct CountVisitor;

impl Visitor<'_> for CountVisitor {
    type Value = Count;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a number")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Count, E> {
        Ok(Count(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Count, E> {
        Ok(Count(u64::try_from(value).unwrap_or(0)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Count, E> {
        // The cast saturates.
        Ok(Count(value as u64))
    }
}
