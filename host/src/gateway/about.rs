//! What a policy is told of a request besides its size: found by the words of its JSON, because reading every body would
//! cost more than most policies need.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;

use hyper::header::HeaderMap;
use memchr::memmem;

use super::endpoint::Endpoint;
use super::scan;
use crate::plugin::bindings::policy::Attribute;

/// Turns that are looked at to tell conversations apart, and bytes of each.
const TURNS_MAX: usize = 8;
const TURN_BYTES_MAX: usize = 4096;
/// Bytes of one header that a policy may see.
const HEADER_BYTES_MAX: usize = 256;

/// The names by which the protocols call what is no text: values of `type`, and the beginnings of media types.
const IMAGES: &[&str] = &["\"image\"", "\"image_url\"", "\"input_image\"", "\"image/"];
const DOCUMENTS: &[&str] = &["\"document\"", "\"file\"", "\"input_file\"", "\"application/pdf\""];
const AUDIO: &[&str] = &["\"input_audio\"", "\"audio/"];

/// See the module.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct About {
    pub tools: bool,
    pub images: bool,
    pub documents: bool,
    pub audio: bool,
    /// 0: cannot be told.
    pub conversation: u64,
}

impl About {
    /// The fields at the top of the body that are wanted, besides the endpoint's own.
    pub fn fields(endpoint: &Endpoint) -> impl Iterator<Item = &str> {
        let conversation = endpoint.conversation_fields.iter().map(String::as_str);
        ["tools", endpoint.turns_field.as_str()].into_iter().chain(conversation)
    }

    /// `found` is where those fields stand.
    pub fn new(body: &[u8], found: &[Option<Range<usize>>]) -> About {
        let value = |at: &Option<Range<usize>>| at.clone().map(|at| &body[at]).filter(|value| !is_empty(value));
        let [tools, turns, named @ ..] = found else { return About::default() };
        let named = named.iter().find_map(value);
        About {
            tools: value(tools).is_some(),
            images: says(body, IMAGES),
            documents: says(body, DOCUMENTS),
            audio: says(body, AUDIO),
            conversation: named.map(hash_of).or_else(|| value(turns).map(hash_of_turns)).unwrap_or(0),
        }
    }
}

/// The headers that a route shows its policy.
pub fn headers(headers: &HeaderMap, shown: &[String]) -> Vec<Attribute> {
    let shown = shown.iter().filter_map(|name| {
        let mut value = headers.get(name)?.to_str().ok()?.to_owned();
        value.truncate(HEADER_BYTES_MAX);
        Some(Attribute { name: format!("header.{name}"), value })
    });
    shown.collect()
}

fn is_empty(value: &[u8]) -> bool {
    let mut letters = value.iter().filter(|byte| !byte.is_ascii_whitespace());
    matches!(value, b"null" | b"false" | b"\"\"") || letters.next() == Some(&b'[') && letters.next() == Some(&b']')
}

/// Does one of the words stand in the JSON as a value, or as a value's beginning? A quote inside of a text is escaped, so
/// that no text of a user can look like one; the name of a tool's parameter is no value.
fn says(json: &[u8], words: &[&str]) -> bool {
    let is_value = |at: usize| json[..at].iter().rev().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
    words.iter().any(|word| memmem::find_iter(json, word.as_bytes()).any(is_value))
}

fn hash_of(value: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish().max(1)
}

/// A conversation's beginning: all that stands before its first user's turn, and that turn.
fn hash_of_turns(turns: &[u8]) -> u64 {
    let short = |turn: &[u8]| hash_of(&turn[..turn.len().min(TURN_BYTES_MAX)]);
    let elements = scan::elements(turns, TURNS_MAX);
    if elements.is_empty() {
        return short(turns);
    }
    let mut hasher = DefaultHasher::new();
    for turn in elements {
        let turn = &turns[turn];
        short(turn).hash(&mut hasher);
        if says(turn, &["\"user\""]) {
            break;
        }
    }
    hasher.finish().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(body: &str) -> About {
        let found = scan::fields(body.as_bytes(), &["tools", "messages", "metadata"]).expect("an object");
        About::new(body.as_bytes(), &found)
    }

    #[test]
    fn what_a_request_holds() {
        let image = about(r#"{"messages":[{"role":"user","content":[{"type" : "image","source":{}}]}]}"#);
        assert!(image.images && !image.documents && !image.tools);
        let gemini = about(r#"{"contents":[{"parts":[{"inlineData":{"mimeType":"application/pdf"}}]}]}"#);
        assert!(gemini.documents && !gemini.images);
        let tools = about(r#"{"tools":[{"input_schema":{"properties":{"file":{},"image":{}}}}],"messages":[]}"#);
        assert!(tools.tools && !tools.images && !tools.documents);
        let talks = about(r#"{"tools":[ ],"messages":[{"role":"user","content":"say {\"type\":\"image\"}"}]}"#);
        assert!(!talks.tools && !talks.images);
    }

    #[test]
    fn a_conversation_keeps_its_name_as_it_grows() {
        let first = about(r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a"}]}"#);
        let grown = r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a"},{"role":"user"}]}"#;
        assert_eq!(first.conversation, about(grown).conversation);
        let other = about(r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"b"}]}"#);
        assert_ne!(first.conversation, other.conversation);
        let named =
            |turns: &str| about(&format!(r#"{{"metadata":{{"user_id":"x"}},"messages":{turns}}}"#)).conversation;
        assert_eq!(named("[]"), named(r#"["anything"]"#));
        assert_eq!(about("{}").conversation, 0);
    }
}
