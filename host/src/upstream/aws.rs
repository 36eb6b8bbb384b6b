//! AWS event streams: messages with headers and two checksums, read by AWS's own crate. Here stands only where one begins
//! and ends.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html>

use aws_smithy_eventstream::frame::read_message_from;
use aws_smithy_types::event_stream::Message;
use bytes::BytesMut;

use super::frame::{FRAME_BYTES_MAX, Frame, FrameError};

/// Two lengths and a checksum before, a checksum behind.
const MESSAGE_BYTES_MIN: usize = 16;

/// Cuts a stream of bytes into messages.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
}

impl Framer {
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// # Errors
    /// When a message is larger than [`FRAME_BYTES_MAX`], or damaged.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(length) = self.buffer.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if !(MESSAGE_BYTES_MIN..=FRAME_BYTES_MAX).contains(&length) {
            let text = format!("a message of the event stream says that it has {length} bytes");
            return Err(FrameError::Damaged(text));
        }
        if self.buffer.len() < length {
            return Ok(None);
        }
        let raw = self.buffer.split_to(length).freeze();
        let message = read_message_from(raw.clone());
        let message = message
            .map_err(|error| FrameError::Damaged(format!("a message of the event stream is damaged: {error}")))?;
        Ok(Some(Frame { raw, name: name(&message), data: Some(message.payload().clone()), data_at: None }))
    }
}

/// The kind of event, exception or error.
fn name(message: &Message) -> Option<String> {
    let header = |name: &str| {
        let header = message.headers().iter().find(|header| header.name().as_str() == name)?;
        header.value().as_string().ok().map(|text| text.as_str().to_owned())
    };
    header(":event-type").or_else(|| header(":exception-type")).or_else(|| header(":error-code"))
}

#[cfg(test)]
mod tests {
    use aws_smithy_eventstream::frame::write_message_to;
    use aws_smithy_types::event_stream::{Header, HeaderValue};

    use super::*;

    fn stream() -> Vec<u8> {
        let mut stream = Vec::new();
        for (header, name) in [(":event-type", "messageStart"), (":exception-type", "throttlingException")] {
            let message = Message::new(&b"{\"p\":\"abc\"}"[..])
                .add_header(Header::new(":message-type", HeaderValue::String("event".into())))
                .add_header(Header::new(header, HeaderValue::String(name.into())));
            write_message_to(&message, &mut stream).expect("a small message");
        }
        stream
    }

    #[test]
    fn messages_wherever_the_bytes_are_split() {
        let stream = stream();
        for chunk in 1..=stream.len() {
            let (mut framer, mut names) = (Framer::default(), Vec::new());
            for bytes in stream.chunks(chunk) {
                framer.push(bytes);
                while let Some(frame) = framer.next_frame().expect("good messages") {
                    assert_eq!(frame.data.as_deref(), Some(&b"{\"p\":\"abc\"}"[..]));
                    names.extend(frame.name);
                }
            }
            assert_eq!(names, ["messageStart", "throttlingException"], "in chunks of {chunk} bytes");
        }
    }

    /// Faults: F74
    #[test]
    fn damage_is_noticed_at_every_byte() {
        let stream = stream();
        let first = u32::from_be_bytes(*stream.first_chunk().expect("a length")) as usize;
        for at in 0..first {
            let mut damaged = stream.clone();
            damaged[at] ^= 1;
            let mut framer = Framer::default();
            framer.push(&damaged);
            let read = framer.next_frame();
            // A length that grew may only make it wait for bytes that do not come.
            assert!(!matches!(read, Ok(Some(_))), "byte {at}");
        }
    }
}
