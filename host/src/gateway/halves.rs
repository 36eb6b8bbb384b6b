//! Letters that a provider tore apart: half of a surrogate pair at the end of one event and the other half in the next, as
//! servers written in JavaScript send them, or the first bytes of a letter without the rest. JSON allows such an escape (ECMA-404),
//! and its readers here do not (RFC 8259, 8.2). So adapters read a stand-in for each half, and what they tell is put together
//! again: two halves that meet are one letter, and one that stays alone is U+FFFD. Bytes that go through untouched stay torn.

use std::borrow::Cow;

use bytes::Bytes;
use memchr::{memchr, memmem};

use crate::plugin::bindings::chat::{Delta, Event};

/// A surrogate U+D800 to U+DFFF, or a byte 0x80 to 0xFF, stands as this and its number: in a plane for private use. Nothing
/// is put together in a reply that was not torn.
const SURROGATES: u32 = 0x10_0000;
const BYTES: u32 = 0x10_E000;

/// What of one reply waits for its other half.
#[derive(Clone, Debug, Default)]
pub struct Halves {
    is_torn: bool,
    waiting: Vec<Waiting>,
}

#[derive(Clone, Debug)]
struct Waiting {
    kind: Kind,
    index: u32,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Reasoning,
    /// JSON in a text: halves may stand there as escapes.
    Arguments,
}

impl Halves {
    /// JSON that every reader takes, with a stand-in for each half.
    pub fn mark(&mut self, json: &Bytes) -> Bytes {
        match marked(json, true) {
            None => json.clone(),
            Some(text) => {
                self.is_torn = true;
                text.into()
            }
        }
    }

    /// What the adapter told, with whole letters.
    pub fn join(&mut self, events: Vec<Event>) -> Vec<Event> {
        let has_escape = |event: &Event| match event {
            Event::ToolArgumentsDelta(delta) => delta.text.contains('\\'),
            _ => false,
        };
        if !self.is_torn && self.waiting.is_empty() && !events.iter().any(has_escape) {
            return events;
        }
        let mut joined = Vec::with_capacity(events.len());
        for event in events {
            match event {
                Event::TextDelta(delta) => joined.push(Event::TextDelta(self.delta(Kind::Text, delta))),
                Event::ReasoningDelta(delta) => {
                    joined.push(Event::ReasoningDelta(self.delta(Kind::Reasoning, delta)));
                }
                Event::ToolArgumentsDelta(delta) => {
                    joined.push(Event::ToolArgumentsDelta(self.delta(Kind::Arguments, delta)));
                }
                Event::PartFinished(index) => {
                    self.give_up(|waiting| waiting.index == index, &mut joined);
                    joined.push(event);
                }
                Event::Finished(_) | Event::Failed(_) => {
                    self.give_up(|_| true, &mut joined);
                    joined.push(event);
                }
                other => joined.push(other),
            }
        }
        joined
    }

    fn delta(&mut self, kind: Kind, mut delta: Delta) -> Delta {
        let at = self.waiting.iter().position(|waiting| waiting.kind == kind && waiting.index == delta.index);
        if let Some(at) = at {
            delta.text.insert_str(0, &self.waiting.swap_remove(at).text);
        }
        let mut end = undecided(&delta.text);
        if kind == Kind::Arguments {
            let (mended, kept) = escapes(&delta.text, |_| "\\ufffd".to_owned());
            if let Cow::Owned(mended) = mended {
                delta.text = mended;
            }
            end = end.min(delta.text.len().saturating_sub(kept));
        }
        if end < delta.text.len() {
            let text = delta.text.split_off(end);
            self.waiting.push(Waiting { kind, index: delta.index, text });
        }
        if self.is_torn {
            delta.text = whole(&delta.text);
        }
        delta
    }

    /// No other half will come for these.
    fn give_up(&mut self, is_over: impl Fn(&Waiting) -> bool, events: &mut Vec<Event>) {
        for waiting in self.waiting.extract_if(.., |waiting| is_over(waiting)) {
            let Waiting { kind, index, text } = waiting;
            // A text that ends in half an escape is no JSON whatever follows: it goes on as it came.
            let text = match is_lone_escape(&text) {
                true => "\\ufffd".to_owned(),
                false => whole(&text),
            };
            let delta = Delta { index, text };
            events.push(match kind {
                Kind::Text => Event::TextDelta(delta),
                Kind::Reasoning => Event::ReasoningDelta(delta),
                Kind::Arguments => Event::ToolArgumentsDelta(delta),
            });
        }
    }
}

/// JSON that every reader takes, where nothing follows that a half could meet. Nobody cuts a body that is whole within a letter: one
/// that is no UTF-8 is garbage, and stays so.
pub fn mended(json: &Bytes) -> Bytes {
    marked(json, false).map_or_else(|| json.clone(), |text| whole(&text).into())
}

/// JSON with a stand-in for each half of a letter. `None` if no letter in it is torn, or if its bytes can never become UTF-8.
fn marked(json: &[u8], is_piece: bool) -> Option<String> {
    let text = match str::from_utf8(json) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) if !is_piece || json.iter().any(|byte| matches!(byte, 0xC0 | 0xC1 | 0xF5..)) => return None,
        Err(_) => Cow::Owned(json.utf8_chunks().fold(String::new(), |text, chunk| {
            let bytes = chunk.invalid().iter().map(|byte| stand_in(BYTES + u32::from(*byte)));
            text + chunk.valid() + &bytes.collect::<String>()
        })),
    };
    let has_surrogate = memmem::find(json, b"\\ud").or_else(|| memmem::find(json, b"\\uD")).is_some();
    let (marked, _) = match has_surrogate {
        true => escapes(&text, |half| stand_in(SURROGATES + half).to_string()),
        false => (Cow::Borrowed(&*text), 0),
    };
    match (marked, &text) {
        (Cow::Owned(marked), _) => Some(marked),
        (Cow::Borrowed(_), Cow::Owned(text)) => Some(text.clone()),
        (Cow::Borrowed(_), Cow::Borrowed(_)) => None,
    }
}

fn stand_in(number: u32) -> char {
    char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// JSON with something else in place of each escape that is half of a pair, and how many bytes at its end may be the beginning of
/// one.
fn escapes(text: &str, lone: impl Fn(u32) -> String) -> (Cow<'_, str>, usize) {
    let (mut mended, mut taken, mut at) = (String::new(), 0, 0);
    while let Some(found) = memchr(b'\\', &text.as_bytes()[at..]) {
        at += found;
        match Escape::at(&text[at..]) {
            Escape::Other(bytes) => at = (at + bytes).min(text.len()),
            Escape::Cut => break,
            Escape::Lone(half) => {
                mended.push_str(&text[taken..at]);
                mended.push_str(&lone(half));
                at += 6;
                taken = at;
            }
        }
    }
    let kept = if memchr(b'\\', &text.as_bytes()[at..]).is_some() { text.len() - at } else { 0 };
    if taken == 0 {
        return (Cow::Borrowed(text), kept);
    }
    mended.push_str(&text[taken..]);
    (Cow::Owned(mended), kept)
}

enum Escape {
    /// So many bytes that are no half.
    Other(usize),
    Lone(u32),
    /// The text ends where it could still become half of a pair, or its other half could follow.
    Cut,
}

impl Escape {
    /// `text` begins with a backslash.
    fn at(text: &str) -> Escape {
        let bytes = text.as_bytes();
        match (bytes.get(1), unit(bytes)) {
            (None, _) => Escape::Cut,
            (Some(b'u'), None) if bytes.len() < 6 => Escape::Cut,
            (Some(b'u'), Some(0xDC00..=0xDFFF)) => Escape::Lone(unit(bytes).unwrap_or_default()),
            (Some(b'u'), Some(high @ 0xD800..=0xDBFF)) => {
                let rest = &bytes[6..];
                match unit(rest) {
                    Some(0xDC00..=0xDFFF) => Escape::Other(12),
                    None if rest.len() < 6 && (rest.is_empty() || rest == b"\\" || rest.starts_with(b"\\u")) => {
                        Escape::Cut
                    }
                    _ => Escape::Lone(high),
                }
            }
            // The letter behind the backslash may have several bytes.
            _ => Escape::Other(1 + text[1..].chars().next().map_or(0, char::len_utf8)),
        }
    }
}

/// The number of an escape like `\ud83d`, at the beginning.
fn unit(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

fn is_lone_escape(text: &str) -> bool {
    text.len() == 6 && matches!(unit(text.as_bytes()), Some(0xD800..=0xDFFF))
}

fn half(letter: char) -> Option<u32> {
    u32::from(letter).checked_sub(SURROGATES).filter(|half| (0xD800..=0xDFFF).contains(half))
}

fn byte(letter: char) -> Option<u8> {
    u32::from(letter).checked_sub(BYTES).and_then(|byte| u8::try_from(byte).ok()).filter(|byte| *byte >= 0x80)
}

/// From where on the text may still become a letter with what follows.
fn undecided(text: &str) -> usize {
    let Some(last) = text.chars().next_back() else { return 0 };
    if half(last).is_some_and(|half| half < 0xDC00) {
        return text.len() - last.len_utf8();
    }
    // Of a letter in UTF-8 at most three bytes are here.
    let bytes: Vec<u8> = text.chars().rev().map_while(byte).take(3).collect();
    let bytes: Vec<u8> = bytes.into_iter().rev().collect();
    let may_go_on = |from: usize| matches!(str::from_utf8(&bytes[from..]), Err(error) if error.error_len().is_none() && error.valid_up_to() == 0);
    let open = (0..bytes.len()).find(|from| may_go_on(*from)).map_or(0, |from| bytes.len() - from);
    text.len() - open * last.len_utf8()
}

/// With letters in place of stand-ins.
fn whole(text: &str) -> String {
    let (mut whole, mut letters) = (String::with_capacity(text.len()), text.chars().peekable());
    while let Some(letter) = letters.next() {
        if let Some(high) = half(letter) {
            let low = letters.peek().copied().and_then(half).filter(|low| high < 0xDC00 && *low >= 0xDC00);
            let pair = low.map(|low| 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00));
            if pair.is_some() {
                letters.next();
            }
            whole.push(stand_in(pair.unwrap_or(u32::from(char::REPLACEMENT_CHARACTER))));
        } else if let Some(first) = byte(letter) {
            let mut bytes = vec![first];
            while let Some(next) = letters.peek().copied().and_then(byte) {
                bytes.push(next);
                letters.next();
            }
            whole.push_str(&String::from_utf8_lossy(&bytes));
        } else {
            whole.push(letter);
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::bindings::chat::{Finish, Finished};

    /// As an adapter does: the field `t` of each frame is a delta.
    fn joined_text(kind: fn(Delta) -> Event, frames: &[&[u8]]) -> String {
        let (mut halves, mut text) = (Halves::default(), String::new());
        let mut note = |events: Vec<Event>| {
            for event in events {
                match event {
                    Event::TextDelta(delta) | Event::ReasoningDelta(delta) | Event::ToolArgumentsDelta(delta) => {
                        text += &delta.text;
                    }
                    _ => {}
                }
            }
        };
        for frame in frames {
            let json = halves.mark(&Bytes::copy_from_slice(frame));
            let value: serde_json::Value = serde_json::from_slice(&json).expect("JSON that is read");
            let delta = Delta { index: 0, text: value["t"].as_str().expect("a text").to_owned() };
            note(halves.join(vec![kind(delta), Event::Ping]));
        }
        note(halves.join(vec![Event::Finished(Finished { reason: Finish::Stop, stop_sequence: None })]));
        text
    }

    #[test]
    fn halves_that_meet_are_one_letter() {
        for kind in [Event::TextDelta, Event::ReasoningDelta] {
            assert_eq!(joined_text(kind, &[br#"{"t":"a \ud83d"}"#, br#"{"t":"\ude00 b"}"#]), "a 😀 b");
            assert_eq!(joined_text(kind, &[br#"{"t":"\uD83D"}"#, br#"{"t":""}"#, br#"{"t":"\uDE00"}"#]), "😀");
            assert_eq!(
                joined_text(kind, &[br#"{"t":"\ud83d\ude00\ud83d"}"#, br#"{"t":"\ude00\ud83d"}"#]),
                "😀😀\u{fffd}"
            );
            assert_eq!(joined_text(kind, &[b"{\"t\":\"a \xf0\x9f\"}", b"{\"t\":\"\x98\x80 b\"}"]), "a 😀 b");
            assert_eq!(
                joined_text(
                    kind,
                    &[b"{\"t\":\"\xf0\"}", b"{\"t\":\"\x9f\"}", b"{\"t\":\"\x98\"}", b"{\"t\":\"\x80\"}"]
                ),
                "😀"
            );
            assert_eq!(joined_text(kind, &[b"{\"t\":\"caf\xc3\"}", b"{\"t\":\"\xa9\"}"]), "café");
        }
    }

    #[test]
    fn a_half_that_stays_alone_is_a_replacement() {
        let text = |frames: &[&[u8]]| joined_text(Event::TextDelta, frames);
        assert_eq!(text(&[br#"{"t":"a \ud83d"}"#, br#"{"t":"b"}"#]), "a \u{fffd}b");
        assert_eq!(text(&[br#"{"t":"\ude00 b"}"#]), "\u{fffd} b");
        assert_eq!(text(&[br#"{"t":"\ud83d"}"#]), "\u{fffd}");
        assert_eq!(text(&[br#"{"t":"\ude00\ud83d"}"#, br#"{"t":"\ud83d\ude00"}"#]), "\u{fffd}\u{fffd}😀");
        assert_eq!(text(&[br#"{"t":"a\\ud83d \ud83dx"}"#]), "a\\ud83d \u{fffd}x", "an escaped backslash is no escape");
        assert_eq!(text(&[b"{\"t\":\"a\xf0\x9f\"}", b"{\"t\":\"b\"}"]), "a\u{fffd}b");
        assert_eq!(text(&[b"{\"t\":\"\x80\"}"]), "\u{fffd}");
    }

    #[test]
    fn what_is_whole_stays_as_it_is() {
        let private = "\u{10d83d}\u{10e0ff}";
        for json in [r#"{"t":"😀 \ud83d\ude00 \u00e9 \\ud83d"}"#.to_owned(), format!("{{\"t\":\"{private}\"}}")] {
            let json = Bytes::from(json);
            let mut halves = Halves::default();
            assert_eq!(halves.mark(&json), json);
            assert_eq!(mended(&json), json);
        }
        assert_eq!(joined_text(Event::TextDelta, &[format!("{{\"t\":\"{private}\"}}").as_bytes()]), private);
    }

    #[test]
    fn arguments_are_json_in_a_text() {
        let arguments = |pieces: &[&str]| {
            let frames: Vec<String> =
                pieces.iter().map(|piece| serde_json::json!({ "t": piece }).to_string()).collect();
            joined_text(Event::ToolArgumentsDelta, &frames.iter().map(String::as_bytes).collect::<Vec<_>>())
        };
        let pair = r#"{"q":"\ud83d\ude00 \\ud83d \n"}"#;
        for at in (0..=pair.len()).filter(|at| pair.is_char_boundary(*at)) {
            assert_eq!(arguments(&[&pair[..at], &pair[at..]]), pair, "cut at {at}");
        }
        let lone = r#"{"q":"\ud83d","r":"x\ude00"}"#;
        let mended = r#"{"q":"\ufffd","r":"x\ufffd"}"#;
        for at in 0..=lone.len() {
            assert_eq!(arguments(&[&lone[..at], &lone[at..]]), mended, "cut at {at}");
        }
        assert_eq!(arguments(&[r#"{"q":"\ud83d"#]), r#"{"q":"\ufffd"#);
        assert_eq!(arguments(&[r#"{"q":"\é"#, r#"\u12"#]), r#"{"q":"\é\u12"#, "no JSON, and no panic");
    }

    #[test]
    fn a_whole_body_is_mended() {
        let body = Bytes::from_static(br#"{"a":"\ud83d","b":"\ud83d\ude00","c":"\udc00x"}"#);
        assert_eq!(mended(&body), "{\"a\":\"\u{fffd}\",\"b\":\"\\ud83d\\ude00\",\"c\":\"\u{fffd}x\"}");
        for garbage in [&b"{\"a\":\"\xff\xfe\"}"[..], b"{\"a\":\"\xc0\x80\"}"] {
            let garbage = Bytes::from_static(garbage);
            assert_eq!((mended(&garbage), Halves::default().mark(&garbage)), (garbage.clone(), garbage));
        }
        let cut = Bytes::from_static(b"{\"a\":\"\xf0\x9f\"}");
        assert_eq!(mended(&cut), cut, "a body that is whole is not cut within a letter");
    }
}
