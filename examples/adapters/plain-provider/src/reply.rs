//! Replies of the API, and what they mean. A piece of a stream and a whole reply have the same shape: the latter is one
//! piece that says everything.

use pointsman_adapter_sdk::chat::{Delta, Event, Finish, Finished, Started, Usage};
use pointsman_adapter_sdk::provider::{Decoded, Frame};
use pointsman_adapter_sdk::{Fault, FaultKind, fault, recall, remember};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Piece {
    text: Option<String>,
    /// In the last one: `stop` or `length`.
    end: Option<String>,
    tokens: Option<Tokens>,
    error: Option<Wrong>,
}

#[derive(Deserialize)]
struct Tokens {
    #[serde(rename = "in")]
    input: u64,
    out: u64,
}

#[derive(Deserialize)]
struct Wrong {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

#[derive(Default, Deserialize, Serialize)]
struct Memory {
    is_started: bool,
    has_text: bool,
    /// `finished` or `failed` was given: nothing may follow.
    is_over: bool,
}

pub fn events(memory: &[u8], frames: &[Frame], ended: bool) -> Decoded {
    let mut memory: Memory = recall(memory);
    let mut events = Vec::new();
    for frame in frames {
        if memory.is_over {
            break;
        }
        match serde_json::from_slice::<Piece>(&frame.data) {
            Ok(piece) => memory.piece(piece, &mut events),
            Err(_) => {
                memory.fail(fault(FaultKind::MalformedReply, "a piece of the reply is not as agreed"), &mut events)
            }
        }
    }
    if ended && !memory.is_over {
        memory.fail(fault(FaultKind::Truncated, "the reply ended before it was complete"), &mut events);
    }
    Decoded { events, memory: remember(&memory) }
}

impl Memory {
    fn piece(&mut self, piece: Piece, events: &mut Vec<Event>) {
        if let Some(wrong) = piece.error {
            return self.fail(wrong.fault(0), events);
        }
        if !self.is_started {
            self.is_started = true;
            // The gateway fills in what this API does not say.
            events.push(Event::Started(Started { id: String::new(), model: String::new(), created_unix_s: 0 }));
        }
        if let Some(text) = piece.text.filter(|text| !text.is_empty()) {
            self.has_text = true;
            events.push(Event::TextDelta(Delta { index: 0, text }));
        }
        let Some(end) = piece.end else { return };
        if self.has_text {
            events.push(Event::PartFinished(0));
        }
        if let Some(Tokens { input, out }) = piece.tokens {
            events.push(Event::Usage(Usage { input, output: out, cache_read: 0, cache_write: 0, reasoning: 0 }));
        }
        let reason = if end == "length" { Finish::Length } else { Finish::Stop };
        events.push(Event::Finished(Finished { reason, stop_sequence: None }));
        self.is_over = true;
    }

    fn fail(&mut self, fault: Fault, events: &mut Vec<Event>) {
        events.push(Event::Failed(fault));
        self.is_over = true;
    }
}

/// What an error means, by its code where that says more than the status.
pub fn fault_of(status: u16, body: &[u8]) -> Fault {
    let wrong = serde_json::from_slice::<Piece>(body).ok().and_then(|piece| piece.error);
    let silent = || Wrong { code: String::new(), message: format!("the provider answered with status {status}") };
    wrong.unwrap_or_else(silent).fault(status)
}

impl Wrong {
    fn fault(self, status: u16) -> Fault {
        let kind = match (self.code.as_str(), status) {
            ("busy", _) => FaultKind::Overloaded,
            ("too-long", _) => FaultKind::ContextTooLong,
            (_, 401) => FaultKind::Authentication,
            (_, 403) => FaultKind::Permission,
            (_, 404) => FaultKind::ModelNotFound,
            (_, 429) => FaultKind::RateLimited,
            (_, 400..=499) => FaultKind::InvalidRequest,
            (_, 502..=504) => FaultKind::Unavailable,
            _ => FaultKind::ServerError,
        };
        let provider_code = Some(self.code).filter(|code| !code.is_empty());
        Fault { status, provider_code, ..fault(kind, self.message) }
    }
}
