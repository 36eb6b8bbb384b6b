//! What must hold for any bytes, for each framing. These are the host's own files without the rest of the host: its
//! WebAssembly engine would make fuzzing slow.

#[path = "../../../host/src/upstream"]
#[allow(dead_code, reason = "the host uses more of it")]
mod upstream {
    pub mod aws;
    pub mod frame;
    pub mod lines;
    pub mod sse;
}

use std::sync::LazyLock;

use pointsman_sdk::codec::provider::{self, Framing};
use upstream::frame::{Frame, Framer};

use crate::subjects::NAMED_BY;

/// All that cut streams into frames.
pub const FRAMINGS: [Framing; 3] = [Framing::Sse, Framing::Ndjson, Framing::AwsEventStream];

/// As the environment writes it.
pub fn name_of(framing: Framing) -> &'static str {
    match framing {
        Framing::Sse => "sse",
        Framing::Ndjson => "ndjson",
        Framing::AwsEventStream => "aws-event-stream",
        Framing::WholeBody => "whole-body",
    }
}

/// The same frames wherever the bytes are cut, and each of them is what stands in the bytes. In all framings, or in the one
/// that the environment names.
///
/// # Panics
/// When it is not so, or the environment names none of them.
pub fn framing(cut: usize, bytes: &[u8]) {
    static NAMED: LazyLock<Option<String>> = LazyLock::new(|| std::env::var(NAMED_BY).ok());
    let wanted = |framing: Framing| NAMED.as_ref().is_none_or(|name| name_of(framing) == name);
    assert!(FRAMINGS.into_iter().any(wanted), "{NAMED_BY}: there are only {:?}", FRAMINGS.map(name_of));
    let cut = cut % (bytes.len() + 1);
    for framing in FRAMINGS.into_iter().filter(|framing| wanted(*framing)) {
        check(framing, bytes, cut);
    }
    if wanted(Framing::AwsEventStream) {
        // Nearly no bytes have the right checksums by chance.
        let (headers, payload) = bytes.split_at(cut);
        check(Framing::AwsEventStream, &message(headers, payload), cut);
    }
}

fn check(framing: Framing, bytes: &[u8], cut: usize) {
    let (before, after) = bytes.split_at(cut);
    let whole = cut_up(framing, [bytes]);
    assert_eq!(whole, cut_up(framing, [before, after]), "{framing:?}: cut at {cut}");
    assert_eq!(whole, cut_up(framing, bytes.chunks(1)), "{framing:?}: byte by byte");
    // An event at the very end gets the blank line that it lacks.
    let bytes = [bytes, b"\n\n"].concat();
    let mut rest = &bytes[..];
    for frame in &whole.0 {
        let at = rest.windows(frame.raw.len()).position(|piece| piece == frame.raw);
        rest = &rest[at.expect("a frame's bytes, in their order") + frame.raw.len()..];
        if let (Some(at), Some(data)) = (frame.data_at, &frame.data) {
            assert_eq!(frame.raw[at..at + data.len()], data[..], "{framing:?}");
        }
    }
}

/// The frames, and whether all bytes were good.
fn cut_up<'a>(framing: Framing, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Frame>, bool) {
    // The host's framers know the host's name for the same thing.
    let Some(mut framer) = Framer::new(framing) else { return (Vec::new(), true) };
    let mut frames = Vec::new();
    for piece in pieces {
        framer.push(piece);
        loop {
            match framer.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return (frames, false),
            }
        }
    }
    frames.extend(framer.last_frame());
    (frames, true)
}

/// A stream's frames as adapters get them.
pub fn frames(framing: Framing, bytes: &[u8]) -> Vec<provider::Frame> {
    let (frames, good) = cut_up(framing, [bytes]);
    assert!(good, "not a stream of {framing:?}");
    let frames = frames.into_iter();
    frames.filter_map(|frame| Some(provider::Frame { event: frame.name, data: frame.data?.to_vec() })).collect()
}

/// An AWS message with its lengths and checksums, whatever stands in it.
fn message(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
    let mut message = [length(headers.len() + payload.len() + 16), length(headers.len())].concat();
    message.extend(crc32(&message).to_be_bytes());
    message.extend([headers, payload].concat());
    message.extend(crc32(&message).to_be_bytes());
    message
}

/// A message of AWS's with one header, which says what it is.
pub fn named_message(header: &str, name: &str, payload: &[u8]) -> Vec<u8> {
    let (header_length, name_length) = (header.len() as u8, name.len() as u16);
    // 7 is a string.
    let parts = [&[header_length][..], header.as_bytes(), &[7], &name_length.to_be_bytes(), name.as_bytes()];
    message(&parts.concat(), payload)
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
    let byte = |sum: u32, byte: &u8| (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum));
    !bytes.iter().fold(!0, byte)
}
