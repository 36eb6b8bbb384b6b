//! Frames of an AWS event stream.
//!
//! <https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html>

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use aws_smithy_types::str_bytes::StrBytes;
use bytes::Bytes;
use serde_json::Value;

const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// An event. `padding` is the length of the field `p`, which keeps the length of what is said a secret.
pub fn event(kind: &str, mut payload: Value, padding: usize) -> Bytes {
    payload["p"] = ALPHABET.get(..padding % ALPHABET.len()).unwrap_or_default().into();
    message(&[(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")], &payload)
}

/// An error after the beginning of a stream.
pub fn exception(kind: &str, payload: &Value) -> Bytes {
    message(
        &[(":exception-type", kind), (":content-type", "application/json"), (":message-type", "exception")],
        payload,
    )
}

fn message(headers: &[(&str, &str)], payload: &Value) -> Bytes {
    let header = |(name, value): &(&str, &str)| {
        Header::new(StrBytes::copy_from_str(name), HeaderValue::String(StrBytes::copy_from_str(value)))
    };
    let message = Message::new_from_parts(headers.iter().map(header).collect(), payload.to_string());
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).expect("a message is far from the limit of a frame");
    bytes.into()
}
