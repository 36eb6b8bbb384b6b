//! A fake's reply before it is bytes: frames of which it is known what they are, so that faults can be put between them.

use serde_json::Value;

/// A piece of a streamed reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub bytes: String,
    pub part: Part,
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

/// A refusal: status and JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    pub status: u16,
    pub body: Value,
}
