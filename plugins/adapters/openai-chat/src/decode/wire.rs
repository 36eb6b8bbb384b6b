//! What is read of a reply: one shape for a chunk (`delta`) and for a whole completion (`message`). Nothing is copied
//! that can be borrowed, and texts of an odd type do not make a reply unreadable.

use super::Usage;
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

#[derive(Deserialize)]
pub struct Chunk<'a> {
    #[serde(borrow)]
    pub id: Option<Loose<'a>>,
    #[serde(borrow)]
    pub model: Option<Loose<'a>>,
    pub created: Option<Count>,
    #[serde(borrow)]
    pub choices: Option<Vec<Choice<'a>>>,
    pub usage: Option<WireUsage>,
    #[serde(borrow)]
    object: Option<Loose<'a>>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
pub struct Choice<'a> {
    pub index: Option<Count>,
    #[serde(borrow)]
    pub delta: Option<Say<'a>>,
    #[serde(borrow)]
    pub message: Option<Say<'a>>,
    #[serde(borrow)]
    pub finish_reason: Option<Loose<'a>>,
    /// vLLM's: the stop string that was met, or the number of a token.
    #[serde(borrow)]
    pub stop_reason: Option<Loose<'a>>,
}

#[derive(Deserialize)]
pub struct Say<'a> {
    #[serde(borrow)]
    pub content: Option<Loose<'a>>,
    #[serde(borrow)]
    pub reasoning_content: Option<Loose<'a>>,
    #[serde(borrow)]
    pub reasoning: Option<Loose<'a>>,
    #[serde(borrow)]
    pub refusal: Option<Loose<'a>>,
    #[serde(borrow)]
    pub tool_calls: Option<Vec<Call<'a>>>,
}

#[derive(Deserialize)]
pub struct Call<'a> {
    pub index: Option<Count>,
    #[serde(borrow)]
    pub id: Option<Loose<'a>>,
    #[serde(borrow)]
    pub function: Option<Function<'a>>,
}

#[derive(Deserialize)]
pub struct Function<'a> {
    #[serde(borrow)]
    pub name: Option<Loose<'a>>,
    #[serde(borrow)]
    pub arguments: Option<Loose<'a>>,
}

#[derive(Deserialize)]
pub struct WireUsage {
    prompt_tokens: Option<Count>,
    completion_tokens: Option<Count>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Deserialize)]
struct PromptDetails {
    cached_tokens: Option<Count>,
    /// OpenRouter's.
    cache_write_tokens: Option<Count>,
}

#[derive(Deserialize)]
struct CompletionDetails {
    reasoning_tokens: Option<Count>,
}

impl Chunk<'_> {
    /// `{"error": …}`, or vLLM's older `{"object": "error", …}`.
    pub fn is_error(&self) -> bool {
        self.error.is_some() || self.object.text() == "error"
    }
}

impl WireUsage {
    pub fn counted(&self) -> Usage {
        let prompt = self.prompt_tokens_details.as_ref();
        let completion = self.completion_tokens_details.as_ref();
        Usage {
            input: self.prompt_tokens.number(),
            output: self.completion_tokens.number(),
            cache_read: prompt.and_then(|details| details.cached_tokens.as_ref()).map_or(0, Count::number),
            cache_write: prompt.and_then(|details| details.cache_write_tokens.as_ref()).map_or(0, Count::number),
            reasoning: completion.and_then(|details| details.reasoning_tokens.as_ref()).map_or(0, Count::number),
        }
    }
}

/// What should be text. A list of content parts is their text; a number or an object (ids of some models, arguments of
/// some servers) is its JSON.
pub struct Loose<'a> {
    text: Cow<'a, str>,
    is_text: bool,
}

impl Loose<'_> {
    pub fn text(&self) -> &str {
        &self.text
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
        Loose { text: Cow::Owned(text), is_text: false }
    }
}

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Loose<'de>, E> {
        Ok(Loose { text: Cow::Borrowed(text), is_text: true })
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Loose<'de>, E> {
        Ok(Loose { text: Cow::Owned(text.into()), is_text: true })
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
        let mut text = String::new();
        while let Some(item) = items.next_element::<Value>()? {
            text.push_str(item.get("text").and_then(Value::as_str).unwrap_or_default());
        }
        Ok(Self::other(text))
    }

    /// Numbers come this way too: serde_json keeps their digits (`arbitrary_precision`) by calling them maps.
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Loose<'de>, A::Error> {
        Value::deserialize(MapAccessDeserializer::new(map)).map(|value| Self::other(value.to_string()))
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
