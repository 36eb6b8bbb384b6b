//! Keys that come torn: the beginning at the end of one event's text, and the rest in the next ones. Events are not held back for
//! that, so a key's first letters have gone when the rest comes; the rest is taken out.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

use super::redact::written;
use crate::upstream::Frame;

/// So many letters of a key are no key yet: what keys of one provider begin with, and a few more. Of a short key, half of it.
const BEGINNING_BYTES_MAX: usize = 16;

/// Larger events are no pieces of a text.
const DATA_BYTES_MAX: usize = 16 << 10;

/// How much of a key the events of one stream have shown so far.
#[derive(Clone, Debug, Default)]
pub struct Torn {
    /// For each key, in their order.
    shown: Vec<usize>,
}

impl Torn {
    /// Take out of the next frame what goes on with a key that began before it.
    pub fn frame<'a>(&mut self, keys: impl Iterator<Item = &'a [u8]>, frame: &mut Frame) {
        let Some(data) = frame.data.clone().filter(|data| data.len() <= DATA_BYTES_MAX) else { return };
        let mut texts = None;
        let mut masked: Vec<Range<usize>> = Vec::new();
        for (position, key) in keys.enumerate() {
            if self.shown.len() <= position {
                self.shown.push(0);
            }
            let Some(shown) = self.shown.get_mut(position) else { return };
            let texts = texts.get_or_insert_with(|| texts_of(&data));
            let mut now = None;
            for text in texts.iter() {
                let went_on = (*shown > 0).then(|| text.goes_on_with(&key[*shown..])).filter(|letters| *letters > 0);
                match went_on {
                    Some(letters) => {
                        if *shown + letters > BEGINNING_BYTES_MAX.min(key.len() / 2) {
                            masked.extend(text.place(letters));
                        }
                        now = now.max(Some((*shown + letters) % key.len()));
                    }
                    None => now = now.max(Some(text.ends_with_beginning_of(key)).filter(|letters| *letters > 0)),
                }
            }
            // An event without a text of its own, such as a ping, changes nothing.
            *shown = now.unwrap_or(*shown);
        }
        if !masked.is_empty() {
            mask(frame, &data, &masked);
        }
    }
}

fn mask(frame: &mut Frame, data: &Bytes, masked: &[Range<usize>]) {
    let cleaned = |bytes: &[u8], from: usize| {
        let mut cleaned = BytesMut::from(bytes);
        for range in masked {
            if let Some(letters) = cleaned.get_mut(from + range.start..from + range.end) {
                letters.fill(b'*');
            }
        }
        cleaned.freeze()
    };
    if let Some(at) = frame.data_at.filter(|at| frame.raw.get(*at..).is_some_and(|rest| rest.starts_with(data))) {
        frame.raw = cleaned(&frame.raw, at);
    }
    frame.data = Some(cleaned(data, 0));
}

/// A string of JSON: its letters, and where each begins.
struct Text {
    letters: Vec<u8>,
    at: Vec<usize>,
    end: usize,
}

impl Text {
    /// How many letters it goes on with: all of its own, or all that are wanted; else none.
    fn goes_on_with(&self, wanted: &[u8]) -> usize {
        let most = self.letters.len().min(wanted.len());
        if self.letters[..most] == wanted[..most] { most } else { 0 }
    }

    /// How many of a key's letters stand at its end, but not all.
    fn ends_with_beginning_of(&self, key: &[u8]) -> usize {
        let most = self.letters.len().min(key.len().saturating_sub(1));
        (1..=most).rev().find(|letters| self.letters.ends_with(&key[..*letters])).unwrap_or(0)
    }

    /// Where its first letters stand.
    fn place(&self, letters: usize) -> Option<Range<usize>> {
        let end = self.at.get(letters).copied().unwrap_or(self.end);
        Some(*self.at.first()?..end)
    }
}

/// The strings of a document, names of fields among them.
fn texts_of(json: &[u8]) -> Vec<Text> {
    let (mut texts, mut at) = (Vec::new(), 0);
    while let Some(open) = memchr::memchr(b'"', json.get(at..).unwrap_or_default()) {
        let from = at + open + 1;
        let mut end = from;
        while let Some(found) = memchr2(b'"', b'\\', json.get(end..).unwrap_or_default()) {
            end += found;
            if json.get(end) == Some(&b'"') {
                break;
            }
            end += 2;
        }
        let end = end.min(json.len());
        let mut text = Text { letters: Vec::new(), at: Vec::new(), end };
        let mut letter_at = from;
        while letter_at < end {
            let Some((letter, next)) = written(&json[..end], letter_at) else { break };
            text.letters.push(letter);
            text.at.push(letter_at);
            letter_at = next;
        }
        texts.push(text);
        at = end + 1;
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-canary-openai-5TqT3BlbkFJ0vZ";

    /// What comes out of a stream with these texts.
    fn masked(texts: &[&str]) -> String {
        let mut torn = Torn::default();
        let frames = texts.iter().map(|text| {
            let data = format!("{{\"id\":\"chunk\",\"delta\":{{\"content\":\"{text}\"}}}}");
            let raw = Bytes::from(format!("data: {data}\n\n"));
            let data = raw.slice(6..6 + data.len());
            let mut frame = Frame { raw, name: None, data: Some(data), data_at: Some(6) };
            torn.frame([KEY.as_bytes(), b"another-key-of-it-0123456789"].into_iter(), &mut frame);
            let data = frame.data.expect("data");
            assert_eq!(frame.raw.slice(6..6 + data.len()), data, "both are masked");
            serde_json::from_slice::<serde_json::Value>(&data).expect("JSON")["delta"]["content"]
                .as_str()
                .map(str::to_owned)
        });
        frames.map(|text| text.expect("a text")).collect()
    }

    /// Faults: F145
    #[test]
    fn a_key_that_comes_torn_is_not_told_whole() {
        let pieces = |size: usize| -> Vec<&str> {
            KEY.as_bytes().chunks(size).map(|piece| std::str::from_utf8(piece).expect("ASCII")).collect()
        };
        for size in 1..KEY.len() {
            let texts = [vec!["it is "], pieces(size), vec![", sir"]].concat();
            let shown = masked(&texts);
            // Pieces that are no key yet, or the first one.
            let first = if size > 15 { size } else { 15 / size * size };
            let rest = "*".repeat(KEY.len() - first);
            assert_eq!(shown, format!("it is {}{rest}, sir", &KEY[..first]), "in pieces of {size}");
        }
        let escaped = masked(&["x sk-canary-openai", "", "\\u002d5TqT", "3BlbkFJ0vZ!"]);
        assert!(escaped.starts_with("x sk-canary-openai*") && escaped.ends_with("*!"), "{escaped}");
    }

    #[test]
    fn what_only_begins_like_a_key_is_told_as_it_is() {
        for texts in [
            &["keys begin with sk-", "canary", "-", " and more"][..],
            &["sk-canary-openai", " is", "no key"],
            &["", "\\\\", "ä"],
        ] {
            let plain: String = texts.concat().replace("\\\\", "\\");
            assert_eq!(masked(texts), plain);
        }
    }
}
