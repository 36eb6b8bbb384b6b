//! Newline-delimited JSON: each line is a document.

use bytes::{Bytes, BytesMut};
use memchr::memchr;

use super::frame::{FRAME_BYTES_MAX, Frame, FrameError};

/// Cuts a stream of bytes into lines. Blank ones are dropped.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
    /// Up to here there is no line feed.
    scanned: usize,
}

impl Framer {
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// # Errors
    /// When a line is larger than [`FRAME_BYTES_MAX`].
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        while let Some(at) = memchr(b'\n', self.buffer.get(self.scanned..).unwrap_or_default()) {
            let line = self.buffer.split_to(self.scanned + at + 1).freeze();
            self.scanned = 0;
            if let Some(frame) = frame(line) {
                return Ok(Some(frame));
            }
        }
        self.scanned = self.buffer.len();
        if self.buffer.len() > FRAME_BYTES_MAX {
            return Err(FrameError::TooLarge(format!("one line of the stream has more than {FRAME_BYTES_MAX} bytes")));
        }
        Ok(None)
    }

    pub fn last_frame(&mut self) -> Option<Frame> {
        self.scanned = 0;
        frame(self.buffer.split().freeze())
    }
}

fn frame(line: Bytes) -> Option<Frame> {
    let data = line.slice_ref(line.trim_ascii());
    if data.is_empty() {
        return None;
    }
    let data_at = line.len() - line.trim_ascii_start().len();
    Some(Frame { raw: line, name: None, data: Some(data), data_at: Some(data_at) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_wherever_the_bytes_are_split() {
        let stream = "{\"a\":\"é\"}\n\n {\"b\":2} \r\n{\"last\":true}".as_bytes();
        for chunk in 1..=stream.len() {
            let (mut framer, mut lines) = (Framer::default(), Vec::new());
            for bytes in stream.chunks(chunk) {
                framer.push(bytes);
                while let Some(frame) = framer.next_frame().expect("small lines") {
                    lines.push(frame.data.expect("data"));
                }
            }
            lines.extend(framer.last_frame().and_then(|frame| frame.data));
            assert_eq!(lines, ["{\"a\":\"é\"}", "{\"b\":2}", "{\"last\":true}"], "in chunks of {chunk} bytes");
            assert_eq!(framer.last_frame(), None);
        }
    }

    #[test]
    fn a_line_without_an_end_is_refused_when_it_grows_too_large() {
        let mut framer = Framer::default();
        framer.push(&vec![b'x'; FRAME_BYTES_MAX + 1]);
        assert!(framer.next_frame().is_err());
    }
}
