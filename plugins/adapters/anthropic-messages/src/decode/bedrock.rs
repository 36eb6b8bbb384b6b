//! Bedrock's wrapping of a stream: each event of the Messages API in Base64, in a message called `chunk`. Failures are
//! messages of their own.

use super::malformed;
use crate::classify;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::provider::Frame;
use serde::Deserialize;
use std::borrow::Cow;

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    bytes: Cow<'a, str>,
}

/// The JSON of the event, wherever the frame comes from: decoding is not told of the platform. Events of the Messages
/// API are called in lower case with underscores, none of them `chunk`.
pub fn unwrap(frame: &Frame) -> Result<Cow<'_, [u8]>, Fault> {
    match frame.event.as_deref() {
        Some("chunk") => {
            let chunk: Chunk = serde_json::from_slice(&frame.data).map_err(|_| malformed("a chunk without bytes"))?;
            let bytes = STANDARD.decode(chunk.bytes.as_bytes()).map_err(|_| malformed("a chunk is not Base64"))?;
            Ok(Cow::Owned(bytes))
        }
        Some(name) if name.contains(|c: char| c.is_ascii_uppercase()) => Err(classify::exception(name, &frame.data)),
        _ => Ok(Cow::Borrowed(&frame.data)),
    }
}
