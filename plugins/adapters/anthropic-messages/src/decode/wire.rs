//! The shapes of replies, as far as they matter. Strings are borrowed from the frame where JSON allows it.

use crate::classify::ErrorBody;
use crate::usage::WireUsage;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A string that is borrowed unless it contains escapes. (Serde copies what stands in an `Option<Cow<str>>`.)
#[derive(Debug, Deserialize)]
pub struct Str<'a>(#[serde(borrow)] Cow<'a, str>);

impl Str<'_> {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What anything says it is.
#[derive(Deserialize)]
pub struct Kind<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Str<'a>>,
}

impl Kind<'_> {
    /// Empty when it does not say, or when it is not even an object.
    pub fn of(json: &RawValue) -> String {
        let kind: Option<Kind> = serde_json::from_str(json.get()).ok();
        kind.and_then(|kind| kind.kind).map_or_else(String::new, |kind| kind.as_str().to_owned())
    }
}

/// An event of a stream. Its parts stay unread until its type is known: those of a type nobody knows may be anything.
#[derive(Deserialize)]
pub struct StreamEvent<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub message: Option<&'a RawValue>,
    #[serde(borrow)]
    pub index: Option<&'a RawValue>,
    #[serde(borrow)]
    pub content_block: Option<&'a RawValue>,
    #[serde(borrow)]
    pub delta: Option<&'a RawValue>,
    #[serde(borrow)]
    pub usage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
}

/// A whole reply, or what a stream begins with.
#[derive(Deserialize)]
pub struct Message<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub id: Option<Str<'a>>,
    #[serde(borrow)]
    pub model: Option<Str<'a>>,
    #[serde(borrow)]
    pub content: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    pub stop_reason: Option<Str<'a>>,
    pub stop_sequence: Option<String>,
    #[serde(borrow)]
    pub usage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
}

/// A content block, or a piece of one: their fields have the same names.
#[derive(Deserialize)]
pub struct Piece<'a> {
    #[serde(borrow)]
    pub text: Option<Str<'a>>,
    #[serde(borrow)]
    pub partial_json: Option<Str<'a>>,
    #[serde(borrow)]
    pub thinking: Option<Str<'a>>,
    #[serde(borrow)]
    pub signature: Option<Str<'a>>,
    #[serde(borrow)]
    pub data: Option<Str<'a>>,
    #[serde(borrow)]
    pub id: Option<Str<'a>>,
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    #[serde(borrow)]
    pub input: Option<&'a RawValue>,
}

impl Piece<'_> {
    /// The arguments of a call, unless they are the empty placeholder.
    pub fn arguments(&self, block: &str) -> Option<&str> {
        let text = self.input.filter(|_| block == "tool_use")?.get();
        let is_empty = text == "null" || text == "\"\"" || text.bytes().all(|byte| b"{} \t\r\n".contains(&byte));
        (!is_empty).then_some(text)
    }

    /// Only thoughts are signed.
    pub fn signature(&self, block: &str) -> &str {
        if block == "thinking" { text(&self.signature) } else { "" }
    }
}

/// The `delta` of a `message_delta`.
#[derive(Deserialize)]
pub struct Stop<'a> {
    #[serde(borrow)]
    pub stop_reason: Option<Str<'a>>,
    pub stop_sequence: Option<String>,
}

pub fn usage(json: &RawValue) -> WireUsage {
    // Counts are not worth a failed reply.
    serde_json::from_str(json.get()).unwrap_or_default()
}

pub fn error(json: Option<&RawValue>) -> ErrorBody {
    json.and_then(|json| serde_json::from_str(json.get()).ok()).unwrap_or_default()
}

pub fn text<'a>(value: &'a Option<Str<'_>>) -> &'a str {
    value.as_ref().map_or("", Str::as_str)
}
