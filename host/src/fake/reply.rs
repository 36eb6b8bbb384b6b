//! A fake's reply before it is bytes: frames of which it is known whether they are content, so that faults can be put
//! anywhere between them.

/// A piece of a streamed reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub bytes: String,
    /// Counts as a chunk for faults and delays. Opening and closing frames do not.
    pub content: bool,
}

/// Everything that a protocol has to say to a request, well or ill.
pub struct Script {
    /// The whole stream, or one piece that is the whole reply.
    pub pieces: Vec<Piece>,
    /// What is sent where the provider breaks off with an error of its own.
    pub error_event: String,
    pub content_type: &'static str,
    pub headers: Vec<(&'static str, String)>,
}

/// A refusal: status and JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    pub status: u16,
    pub body: serde_json::Value,
}
