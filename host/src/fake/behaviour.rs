//! How a fake behaves, and the short words for it.

use std::str::FromStr;
use std::time::Duration;

use super::wire::Wire;
use crate::coding::Coding;

/// What goes wrong and how long things take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Behaviour {
    pub fault: Fault,
    /// Before the first content.
    pub first_token: Duration,
    /// Before each further piece of content.
    pub between_tokens: Duration,
    /// While a stream waits for its next piece of content, a ping is sent so often; zero is never.
    pub ping_every: Duration,
    pub speech: Speech,
    /// Whatever the request says of codings: as a network in front of a provider does.
    pub coding: Option<Coding>,
    /// Of a stream.
    pub wire: Wire,
}

/// How a fake speaks when nothing goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Speech {
    /// Its tokens end with a space. Those of real models begin with one.
    pub spaces_last: bool,
    pub continuing: Continuing,
}

/// What a fake does with a last turn of its own, which it is to continue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Continuing {
    #[default]
    GoesOn,
    /// It says all of it once more.
    Again,
    /// It says first that it will.
    Greets,
}

/// What goes wrong. Chunks are pieces of content in a streamed reply; a fault after more of them than there are comes before
/// the reply's end. Without streaming the nearest thing happens: an error becomes a status, a break comes mid-body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    #[default]
    None,
    /// An error with this status, in the provider's own words for it.
    Status {
        status: u16,
        retry_after_s: Option<u64>,
    },
    StatusBody {
        status: u16,
        content_type: String,
        body: String,
    },
    /// The request is read and nothing comes back.
    HangBeforeHeaders,
    /// 200, the opening frames, silence.
    HangBeforeContent,
    HangAfter {
        chunks: usize,
    },
    /// The connection is closed instead of an answer.
    ResetBeforeHeaders,
    /// 200, the opening frames, the provider's own error event.
    ErrorBeforeContent,
    ErrorAfter {
        chunks: usize,
    },
    /// The connection breaks.
    CutAfter {
        chunks: usize,
    },
    /// The body ends as if all were well, but without the protocol's last frame.
    EndAfter {
        chunks: usize,
    },
    /// 200 and the right content type, but not the protocol.
    Garbage,
    Html,
}

impl Fault {
    /// The number of chunks that go out before it, if it happens inside a stream.
    pub(super) fn after(&self) -> Option<usize> {
        match self {
            Fault::HangBeforeContent | Fault::ErrorBeforeContent => Some(0),
            Fault::HangAfter { chunks }
            | Fault::ErrorAfter { chunks }
            | Fault::CutAfter { chunks }
            | Fault::EndAfter { chunks } => Some(*chunks),
            Fault::None
            | Fault::Status { .. }
            | Fault::StatusBody { .. }
            | Fault::HangBeforeHeaders
            | Fault::ResetBeforeHeaders
            | Fault::Garbage
            | Fault::Html => None,
        }
    }
}

const WORDS: &str = "ok, a status such as 529, 429:7 (with Retry-After: 7), slow:3s, slow:300ms, hang, hang-before-content, \
                     hang-after:3, reset, error-before-content, error-after:3, cut-after:3, end-after:3, garbage, html, \
                     spaces-last (of tokens), again or greets (instead of continuing), gzip, br or zstd (the reply is compressed), \
                     nameless (events without their names), torn (letters between two chunks)";

impl FromStr for Behaviour {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || format!("`{text}` is not a behaviour; there are: {WORDS}");
        let (word, rest) = text.trim().split_once(':').map_or((text.trim(), None), |(word, rest)| (word, Some(rest)));
        let simple = |fault: Fault| if rest.is_none() { Ok(fault) } else { Err(unknown()) };
        let number = || rest.and_then(|rest| rest.parse().ok()).ok_or_else(unknown);
        let fault = match word {
            "ok" => simple(Fault::None)?,
            "hang" => simple(Fault::HangBeforeHeaders)?,
            "hang-before-content" => simple(Fault::HangBeforeContent)?,
            "hang-after" => Fault::HangAfter { chunks: number()? },
            "reset" => simple(Fault::ResetBeforeHeaders)?,
            "error-before-content" => simple(Fault::ErrorBeforeContent)?,
            "error-after" => Fault::ErrorAfter { chunks: number()? },
            "cut-after" => Fault::CutAfter { chunks: number()? },
            "end-after" => Fault::EndAfter { chunks: number()? },
            "garbage" => simple(Fault::Garbage)?,
            "html" => simple(Fault::Html)?,
            "spaces-last" | "again" | "greets" => {
                simple(Fault::None)?;
                let continuing = match word {
                    "again" => Continuing::Again,
                    "greets" => Continuing::Greets,
                    _ => Continuing::GoesOn,
                };
                let speech = Speech { spaces_last: word == "spaces-last", continuing };
                return Ok(Behaviour { speech, ..Behaviour::default() });
            }
            "nameless" | "torn" => {
                simple(Fault::None)?;
                let wire = if word == "torn" { Wire::Torn } else { Wire::Nameless };
                return Ok(Behaviour { wire, ..Behaviour::default() });
            }
            "gzip" | "br" | "zstd" => {
                simple(Fault::None)?;
                let coding = match word {
                    "gzip" => Coding::Gzip,
                    "br" => Coding::Brotli,
                    _ => Coding::Zstd,
                };
                return Ok(Behaviour { coding: Some(coding), ..Behaviour::default() });
            }
            "slow" => {
                let first_token = rest.and_then(duration).ok_or_else(unknown)?;
                return Ok(Behaviour { first_token, ..Behaviour::default() });
            }
            status => {
                let status = status.parse().ok().filter(|status| (400..=599).contains(status)).ok_or_else(unknown)?;
                let retry_after_s = rest.map(|rest| rest.parse().map_err(|_| unknown())).transpose()?;
                Fault::Status { status, retry_after_s }
            }
        };
        Ok(Behaviour { fault, ..Behaviour::default() })
    }
}

fn duration(text: &str) -> Option<Duration> {
    if let Some(millis) = text.strip_suffix("ms") {
        return millis.parse().ok().map(Duration::from_millis);
    }
    text.strip_suffix('s')?.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let fault = |text: &str| text.parse::<Behaviour>().map(|behaviour| behaviour.fault);
        assert_eq!(fault("529"), Ok(Fault::Status { status: 529, retry_after_s: None }));
        assert_eq!(fault("429:7"), Ok(Fault::Status { status: 429, retry_after_s: Some(7) }));
        for (text, expected) in [
            ("ok", Fault::None),
            ("hang", Fault::HangBeforeHeaders),
            ("hang-before-content", Fault::HangBeforeContent),
            ("hang-after:3", Fault::HangAfter { chunks: 3 }),
            ("reset", Fault::ResetBeforeHeaders),
            ("error-before-content", Fault::ErrorBeforeContent),
            ("error-after:0", Fault::ErrorAfter { chunks: 0 }),
            (" cut-after:3\n", Fault::CutAfter { chunks: 3 }),
            ("end-after:3", Fault::EndAfter { chunks: 3 }),
            ("garbage", Fault::Garbage),
            ("html", Fault::Html),
        ] {
            assert_eq!(fault(text), Ok(expected), "{text}");
        }
        assert_eq!("slow:300ms".parse::<Behaviour>().map(|slow| slow.first_token), Ok(Duration::from_millis(300)));
        for wrong in
            ["", "200", "600", "slow", "slow:3", "cut-after", "cut-after:-1", "529:x", "hang-on", "ok:1", "hang:3"]
        {
            assert!(fault(wrong).is_err_and(|text| text.contains("there are: ok")), "{wrong}");
        }
    }
}
