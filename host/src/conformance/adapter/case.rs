//! The author's own cases, in TOML, any number in a file. An adapter stands between what its provider or its callers say and
//! what the gateway makes of it; a case is a pair of the two. The gateway's side is written as everybody knows it: a request
//! as callers of OpenAI's Chat Completions send it, an answer in a few words.
//!
//! ```toml
//! [[case]]                              # a provider's adapter says a request
//! request = '''{"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9}'''
//! sent = '''{"turns": [{"who": "user", "text": "Hi"}], "limit": 9}'''     # or refused = "stop", the field
//!
//! [[case]]                              # and reads a reply: a text is a whole one, a list a stream
//! reply = ['{"text":"Hel"}', '{"text":"lo"}', '{"end":"stop","tokens":{"in":3,"out":2}}']
//! answer = { text = "Hello", usage = { input = 3, output = 2 }, finish = "stop" }
//!
//! [[case]]                              # an adapter for callers reads what they send
//! body = '''{"turns": [{"who": "user", "text": "Hi"}]}'''
//! request = '''{"messages": [{"role": "user", "content": "Hi"}]}'''       # or refused = "turns[0].who"
//!
//! [[case]]                              # and writes an answer
//! answer = { text = ["Hel", "lo"], finish = "stop" }
//! written = ['{"text":"Hel"}', '{"text":"lo"}', '{"end":"stop"}']
//! ```

use std::fmt;

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

use super::events::{self, End};
use crate::plugin::bindings::chat::{Event, Finish};
use crate::plugin::bindings::faults::FaultKind;
use crate::plugin::bindings::provider::Frame;

const FINISHES: [(&str, Finish); 7] = [
    ("stop", Finish::Stop),
    ("stop-sequence", Finish::StopSequence),
    ("length", Finish::Length),
    ("tool-calls", Finish::ToolCalls),
    ("content-filter", Finish::ContentFilter),
    ("refusal", Finish::Refusal),
    ("pause", Finish::Pause),
];

/// A pair, and where it stands.
#[derive(Debug)]
pub struct Case {
    /// `FILE:LINE`
    pub place: String,
    /// The provider's, JSON. Absent: those that the whole test is given.
    pub settings: Option<String>,
    pub operation: String,
    pub pair: Pair,
}

/// What is given, and what is to become of it.
#[derive(Debug)]
pub enum Pair {
    /// JSON of `openai-chat`, and what is sent to the provider.
    Encode {
        request: String,
        expected: Expected<Sent>,
    },
    /// Of a reply with this status.
    Decode {
        status: u16,
        stream: bool,
        frames: Vec<Frame>,
        answer: Answer,
    },
    Read {
        body: String,
        expected: Expected<Value>,
    },
    /// A text is the whole body, a list the data of a stream's events.
    Write {
        answer: Answer,
        stream: bool,
        written: Vec<String>,
    },
}

/// Said, or refused: the field at fault, or the kind of fault.
#[derive(Debug)]
pub enum Expected<T> {
    Said(T),
    Refused(String),
}

#[derive(Debug)]
pub struct Sent {
    pub body: Value,
    pub path: Option<String>,
    pub dropped: Option<Vec<String>>,
}

/// An answer in a few words. To be read, what is not written does not matter.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    pub text: Option<Text>,
    #[serde(default)]
    pub calls: Vec<Call>,
    pub usage: Option<Usage>,
    pub finish: Option<String>,
    /// It fails: before any byte where it is not streamed.
    pub fault: Option<String>,
}

/// Whole, or in pieces.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "`text` is a text, or a list of its pieces")]
pub enum Text {
    Whole(String),
    Pieces(Vec<String>),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    #[serde(default)]
    pub id: String,
    pub name: String,
    /// JSON.
    #[serde(default)]
    pub arguments: String,
}

/// Tokens.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    pub input: u64,
    pub output: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    case: Vec<Spanned<Written>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// For people.
    #[serde(default)]
    #[expect(dead_code, reason = "a title is welcome, and the line is told")]
    name: String,
    settings: Option<toml::Table>,
    operation: Option<String>,
    request: Option<String>,
    sent: Option<String>,
    path: Option<String>,
    dropped: Option<Vec<String>>,
    refused: Option<String>,
    reply: Option<Frames>,
    status: Option<u16>,
    body: Option<String>,
    answer: Option<Answer>,
    written: Option<Text>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "`reply` is a text (whole), or a list of frames: texts, or { event = \"…\", data = \"…\" }"
)]
enum Frames {
    Whole(String),
    Streamed(Vec<WrittenFrame>),
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum WrittenFrame {
    Data(String),
    Named { event: String, data: String },
}

/// The cases of a file.
///
/// # Errors
/// What is wrong with it, and in which line.
pub fn read(text: &str, file: &str) -> anyhow::Result<Vec<Case>> {
    let place = |at: usize| {
        let before = text.get(..at).unwrap_or(text);
        format!("{file}:{}", 1 + before.bytes().filter(|byte| *byte == b'\n').count())
    };
    let written: File = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        anyhow::anyhow!("{}: {}", place(at), error.message())
    })?;
    let resolved = written.case.into_iter().map(|written| {
        let place = place(written.span().start);
        resolve(written.into_inner(), place.clone()).context(place)
    });
    resolved.collect()
}

fn resolve(written: Written, place: String) -> anyhow::Result<Case> {
    let Written {
        settings,
        operation,
        request,
        sent,
        path,
        dropped,
        refused,
        reply,
        status,
        body,
        answer,
        written,
        ..
    } = written;
    let pair = match (request, body, reply, answer, written) {
        (Some(request), None, None, None, None) => {
            json(&request, "request")?;
            let sent = sent.map(|sent| json(&sent, "sent")).transpose()?;
            let sent = sent.map(|body| Sent { body, path, dropped });
            Pair::Encode { request, expected: expected(sent, refused, "sent")? }
        }
        (request, Some(body), None, None, None) => {
            let request = request.map(|request| json(&request, "request")).transpose()?;
            Pair::Read { body, expected: expected(request, refused, "request")? }
        }
        (None, None, Some(reply), Some(answer), None) => {
            answer.check()?;
            let (stream, frames) = match reply {
                Frames::Whole(data) => (false, vec![frame(WrittenFrame::Data(data))]),
                Frames::Streamed(frames) => (true, frames.into_iter().map(frame).collect()),
            };
            Pair::Decode { status: status.unwrap_or(200), stream, frames, answer }
        }
        (None, None, None, Some(answer), Some(written)) => {
            answer.check()?;
            let (stream, written) = match written {
                Text::Whole(text) => (false, vec![text]),
                Text::Pieces(pieces) => (true, pieces),
            };
            Pair::Write { answer, stream, written }
        }
        _ => bail!(
            "a case of an adapter is a pair: `request` and `sent`, `reply` and `answer`, `body` and `request`, or \
             `answer` and `written` (`refused` in place of what is said)"
        ),
    };
    let settings = settings.map(|settings| serde_json::to_string(&settings)).transpose()?;
    Ok(Case { place, settings, operation: operation.unwrap_or_else(|| super::CHAT.to_owned()), pair })
}

fn json(text: &str, field: &str) -> anyhow::Result<Value> {
    serde_json::from_str(text).with_context(|| format!("`{field}` is to be JSON"))
}

fn expected<T>(said: Option<T>, refused: Option<String>, field: &str) -> anyhow::Result<Expected<T>> {
    match (said, refused) {
        (Some(said), None) => Ok(Expected::Said(said)),
        (None, Some(refused)) => Ok(Expected::Refused(refused)),
        _ => bail!("a case says what is expected: either `{field}` or `refused`"),
    }
}

fn frame(written: WrittenFrame) -> Frame {
    let (event, data) = match written {
        WrittenFrame::Data(data) => (None, data),
        WrittenFrame::Named { event, data } => (Some(event), data),
    };
    Frame { event, data: data.into_bytes() }
}

impl Answer {
    fn check(&self) -> anyhow::Result<()> {
        self.end()?;
        ensure!(self.finish.is_none() || self.fault.is_none(), "an answer has a `finish` or a `fault`, not both");
        Ok(())
    }

    /// How it ends; `stop`, where nothing is said.
    pub fn end(&self) -> anyhow::Result<End> {
        if let Some(word) = &self.fault {
            let kind = FaultKind::ALL.into_iter().find(|kind| kind.word() == *word);
            let known = || FaultKind::ALL.map(FaultKind::word).join(", ");
            return kind.map(End::Badly).with_context(|| format!("`{word}` is no fault; faults: {}", known()));
        }
        let word = self.finish.as_deref().unwrap_or("stop");
        let finish = FINISHES.into_iter().find(|(known, _)| *known == word);
        let known = || FINISHES.map(|(known, _)| known).join(", ");
        finish.map(|(_, finish)| End::Well(finish)).with_context(|| format!("`{word}` is no end; ends: {}", known()))
    }

    /// As the host would hand it on.
    pub fn events(&self) -> anyhow::Result<Vec<Event>> {
        let text: Vec<Event> = self.pieces().iter().map(|piece| Event::TextDelta(events::delta(piece))).collect();
        let calls = self.calls.iter().map(|call| events::call(&call.id, &call.name, &[&call.arguments]));
        let parts: Vec<Vec<Event>> = std::iter::once(text).filter(|text| !text.is_empty()).chain(calls).collect();
        let parts: Vec<&[Event]> = parts.iter().map(Vec::as_slice).collect();
        let usage = self.usage.map(|usage| (usage.input, usage.output));
        Ok(events::answer(&parts, usage, &self.end()?))
    }

    pub fn pieces(&self) -> Vec<&str> {
        match &self.text {
            None => Vec::new(),
            Some(Text::Whole(text)) => vec![text],
            Some(Text::Pieces(pieces)) => pieces.iter().map(String::as_str).collect(),
        }
    }
}

pub fn word(finish: Finish) -> &'static str {
    FINISHES.iter().find(|(_, known)| *known == finish).map_or("stop", |(word, _)| word)
}

impl fmt::Display for Usage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{{ input = {}, output = {} }}", self.input, self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_pairs() {
        let text = "[[case]]\nname = \"said\"\nsettings = { a = 1 }\nrequest = '{\"messages\": []}'\nsent = '{}'\npath = \"/x\"\n\n\
                    [[case]]\nreply = ['a', { event = \"e\", data = 'b' }]\nanswer = { text = \"ab\", finish = \"length\" }\n\
                    [[case]]\nbody = 'no JSON'\nrefused = \"turns\"\n\
                    [[case]]\noperation = \"chat\"\nanswer = { text = [\"a\", \"b\"], fault = \"truncated\" }\nwritten = ['1', '2']\n";
        let cases = read(text, "cases/a.toml").expect("cases");
        let places: Vec<&str> = cases.iter().map(|case| case.place.as_str()).collect();
        assert_eq!(places, ["cases/a.toml:1", "cases/a.toml:8", "cases/a.toml:11", "cases/a.toml:14"]);
        assert_eq!(cases[0].settings.as_deref(), Some("{\"a\":1}"));
        assert!(
            matches!(&cases[0].pair, Pair::Encode { expected: Expected::Said(sent), .. } if sent.path.as_deref() == Some("/x"))
        );
        let Pair::Decode { status: 200, stream: true, frames, answer } = &cases[1].pair else { panic!("{cases:?}") };
        assert_eq!((frames[1].event.as_deref(), &*frames[1].data), (Some("e"), &b"b"[..]));
        assert!(matches!(answer.end(), Ok(End::Well(Finish::Length))));
        assert!(matches!(&cases[2].pair, Pair::Read { expected: Expected::Refused(field), .. } if field == "turns"));
        let Pair::Write { stream: true, answer, .. } = &cases[3].pair else { panic!("{cases:?}") };
        let events = answer.events().expect("an end");
        assert_eq!(
            (events::text(&events), events::failure(&events).map(|fault| fault.kind)),
            ("ab".to_owned(), Some(FaultKind::Truncated))
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (lines, words) in [
            ("request = '{}'", "either `sent` or `refused`"),
            ("request = '{'\nsent = '{}'", "`request` is to be JSON"),
            ("request = '{}'\nsent = '{}'\nrefused = \"x\"", "either `sent` or `refused`"),
            ("reply = '{}'", "is a pair"),
            ("reply = 5\nanswer = {}", "here:2: `reply` is a text (whole)"),
            ("reply = ''\nanswer = { fault = \"tired\" }", "`tired` is no fault; faults: overloaded"),
            ("reply = ''\nanswer = { finish = \"soon\" }", "`soon` is no end; ends: stop"),
            ("reply = ''\nanswer = { finish = \"stop\", fault = \"truncated\" }", "not both"),
            ("reply = ''\nanswer = { texts = \"a\" }", "unknown field `texts`"),
            ("wirtten = ''", "here:2: unknown field `wirtten`"),
        ] {
            let error = read(&format!("[[case]]\n{lines}\n"), "here").expect_err(lines);
            let text = format!("{error:#}");
            assert!(text.contains(words) && text.starts_with("here:"), "{text}");
        }
    }
}
