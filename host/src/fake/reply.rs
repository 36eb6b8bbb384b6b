//! A fake's reply before it is sent: frames of which it is known what they are, so that faults can be put between them.

use bytes::Bytes;
use serde_json::Value;

/// A piece of a streamed reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub bytes: Bytes,
    pub part: Part,
}

impl Piece {
    pub fn new(part: Part, bytes: impl Into<Bytes>) -> Piece {
        Piece { bytes: bytes.into(), part }
    }

    #[cfg(test)]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).expect("text")
    }
}

/// What a piece is to the faults that come between pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Says only that there will be a reply. Every fault in a stream lets it pass.
    Opening,
    /// A chunk, for faults and for delays.
    Content,
    /// Stands around content.
    Frame,
    /// Says that the reply is over.
    Closing,
}

/// What a protocol has to say to a good request.
pub enum Script {
    Stream(Vec<Piece>),
    Whole {
        body: Value,
        /// Pieces of content a stream would have had: a whole reply takes as long.
        chunks: u32,
    },
}

/// A refusal.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    pub status: u16,
    /// Beside those that every reply of the provider has.
    pub headers: Vec<(&'static str, String)>,
    pub body: Value,
}

impl Refused {
    pub fn new(status: u16, body: Value) -> Refused {
        Refused { status, headers: Vec::new(), body }
    }

    pub fn with_retry_after(mut self, seconds: Option<u64>) -> Refused {
        self.headers.extend(seconds.map(|seconds| ("retry-after", seconds.to_string())));
        self
    }
}

/// How much of a stream has gone out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent {
    pub pieces: usize,
    /// Those of content.
    pub chunks: usize,
}
