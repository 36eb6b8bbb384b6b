//! A reply's bytes, cut into what its protocol sends as one piece. Adapters get whole frames, and callers of the same
//! protocol get their bytes as they came.

use std::fmt;

use bytes::Bytes;

use super::{aws, lines, sse};
use crate::plugin::bindings::provider::Framing;

/// A frame larger than this is refused. Gemini sends an image as one event: of 2 to 10 MB, and of more than 40 now and then.
pub const FRAME_BYTES_MAX: usize = 64 << 20;

/// Why no frame can be made of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// It has more than [`FRAME_BYTES_MAX`] bytes. Its provider did nothing wrong.
    TooLarge(String),
    /// The bytes are not what the framing says.
    Damaged(String),
}

impl fmt::Display for FrameError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (FrameError::TooLarge(text) | FrameError::Damaged(text)) = self;
        formatter.write_str(text)
    }
}

/// One piece, as it stood on the wire and as it reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// All its bytes, with what ends it.
    pub raw: Bytes,
    /// What kind of event it says that it is.
    pub name: Option<String>,
    /// Absent for a comment, a blank line, or an event without data.
    pub data: Option<Bytes>,
    /// Where `data` begins in `raw`, when it stands there in one piece.
    pub data_at: Option<usize>,
}

/// Cuts a stream of bytes into frames.
#[derive(Debug)]
pub enum Framer {
    Sse(sse::Framer),
    Lines(lines::Framer),
    Aws(aws::Framer),
}

impl Framer {
    /// Absent for a reply that is not a stream.
    pub fn new(framing: Framing) -> Option<Framer> {
        match framing {
            Framing::Sse => Some(Framer::Sse(sse::Framer::default())),
            Framing::Ndjson => Some(Framer::Lines(lines::Framer::default())),
            Framing::AwsEventStream => Some(Framer::Aws(aws::Framer::default())),
            Framing::WholeBody => None,
        }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        match self {
            Framer::Sse(framer) => framer.push(bytes),
            Framer::Lines(framer) => framer.push(bytes),
            Framer::Aws(framer) => framer.push(bytes),
        }
    }

    /// The next whole frame.
    ///
    /// # Errors
    /// When no frame can be made of the bytes.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        match self {
            Framer::Sse(framer) => framer.next_frame(),
            Framer::Lines(framer) => framer.next_frame(),
            Framer::Aws(framer) => framer.next_frame(),
        }
    }

    /// What is left when no more bytes will come, if it can count as a frame: a last line needs no line feed, and a last event
    /// no blank line if its data is whole.
    pub fn last_frame(&mut self) -> Option<Frame> {
        match self {
            Framer::Lines(framer) => framer.last_frame(),
            Framer::Sse(framer) => framer.last_frame(),
            Framer::Aws(_) => None,
        }
    }
}

/// What a provider should send, and what it surely must not, by the beginning of `content-type`.
pub fn content_types(framing: Framing) -> (&'static str, &'static [&'static str]) {
    match framing {
        Framing::Sse => ("text/event-stream", &["application/json", "text/html"]),
        Framing::Ndjson => ("application/x-ndjson", &["text/event-stream", "text/html"]),
        Framing::AwsEventStream => ("application/vnd.amazon.eventstream", &["application/json", "text/"]),
        Framing::WholeBody => ("application/json", &["text/event-stream", "text/html"]),
    }
}
