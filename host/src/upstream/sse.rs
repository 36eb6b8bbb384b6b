//! Server-sent events: bytes in, whole events out. An event that is cut off is never handed on, and no UTF-8 character is
//! split, because nothing is looked at before its line is whole.
//!
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>

use bytes::{Buf as _, BytesMut};
use memchr::memchr2;

use serde::de::IgnoredAny;

use super::frame::{FRAME_BYTES_MAX, Frame, FrameError};

/// Cuts a stream of bytes into events.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
    /// Up to here the buffer holds whole lines of the event that is being read.
    scanned: usize,
    /// Up to here no line ends, from `scanned` on: a line that comes in pieces is searched once.
    searched: usize,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    from: usize,
    to: usize,
}

impl Framer {
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Is nothing of an unfinished event left?
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The next whole event.
    ///
    /// # Errors
    /// When an event is larger than [`FRAME_BYTES_MAX`].
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        while let Some((end, next)) = self.line_end() {
            let line = Line { from: self.scanned, to: end };
            self.scanned = next;
            if line.from < line.to {
                self.lines.push(line);
            } else if self.lines.is_empty() {
                // A blank line between two events belongs to neither.
                self.buffer.advance(next);
                (self.scanned, self.searched) = (0, 0);
            } else {
                return Ok(Some(self.finish()));
            }
        }
        if self.buffer.len() > FRAME_BYTES_MAX {
            return Err(FrameError::TooLarge(format!("one event of the stream has more than {FRAME_BYTES_MAX} bytes")));
        }
        Ok(None)
    }

    /// The event that the stream ended in, if its data is whole JSON or `[DONE]`: proxies trim the blank line at the very end,
    /// and WHATWG's rules would drop what it says. It gets that line, so that a reader by those rules sees it as well.
    pub fn last_frame(&mut self) -> Option<Frame> {
        // A carriage return at the very end ends its line.
        let to = self.buffer.strip_suffix(b"\r").unwrap_or(&self.buffer).len();
        if self.scanned < to {
            self.lines.push(Line { from: self.scanned, to });
        }
        let ending: &[u8] = if self.buffer.ends_with(b"\n") { b"\n" } else { b"\n\n" };
        self.buffer.extend_from_slice(ending);
        self.scanned = self.buffer.len();
        let frame = self.finish();
        let is_whole = |data: &[u8]| data == b"[DONE]" || serde_json::from_slice::<IgnoredAny>(data).is_ok();
        frame.data.as_ref().is_some_and(|data| is_whole(data)).then_some(frame)
    }

    /// Where the line at `scanned` ends, and where the next one begins. A carriage return at the very end may be half of
    /// a line ending, so it waits for what follows.
    fn line_end(&mut self) -> Option<(usize, usize)> {
        let from = self.scanned.max(self.searched);
        let found = memchr2(b'\n', b'\r', self.buffer.get(from..).unwrap_or_default());
        self.searched = found.map_or(self.buffer.len(), |at| from + at);
        let end = from + found?;
        match (self.buffer[end], self.buffer.get(end + 1)) {
            (b'\n', _) => Some((end, end + 1)),
            (_, Some(b'\n')) => Some((end, end + 2)),
            (_, Some(_)) => Some((end, end + 1)),
            (_, None) => None,
        }
    }

    fn finish(&mut self) -> Frame {
        let raw = self.buffer.split_to(self.scanned).freeze();
        (self.scanned, self.searched) = (0, 0);
        let mut event = Frame { raw: raw.clone(), name: None, data: None, data_at: None };
        let mut data_lines = 0;
        let mut joined = BytesMut::new();
        for line in std::mem::take(&mut self.lines) {
            let Some((field, at)) = field(&raw, &line) else { continue };
            let value = raw.slice(at..line.to);
            match field {
                b"event" => event.name = Some(String::from_utf8_lossy(&value).into_owned()),
                b"data" => {
                    data_lines += 1;
                    event.data_at = (data_lines == 1).then_some(at);
                    match &event.data {
                        None => event.data = Some(value),
                        Some(first) => {
                            if joined.is_empty() {
                                joined.extend_from_slice(first);
                            }
                            joined.extend_from_slice(b"\n");
                            joined.extend_from_slice(&value);
                        }
                    }
                }
                _ => {}
            }
        }
        if data_lines > 1 {
            event.data = Some(joined.freeze());
        }
        event
    }
}

/// The line's field name, and where its value begins. A line that begins with a colon is a comment.
fn field<'a>(raw: &'a [u8], line: &Line) -> Option<(&'a [u8], usize)> {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    let from = if raw[line.from..line.to].starts_with(BYTE_ORDER_MARK) { line.from + 3 } else { line.from };
    let text = &raw[from..line.to];
    let Some(colon) = memchr::memchr(b':', text) else { return Some((text, line.to)) };
    if colon == 0 {
        return None;
    }
    let space = usize::from(text.get(colon + 1) == Some(&b' '));
    Some((&text[..colon], from + colon + 1 + space))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Faults: F150
    #[test]
    fn a_line_that_comes_in_pieces_is_searched_once() {
        let mut framer = Framer::default();
        for _ in 0..1_000 {
            framer.push(b"data: x");
            assert_eq!(framer.next_frame(), Ok(None));
            assert_eq!(framer.searched, framer.buffer.len(), "the next search begins here");
        }
        framer.push(b"\r");
        assert_eq!((framer.next_frame(), framer.searched), (Ok(None), framer.buffer.len() - 1), "half a line ending");
        framer.push(b"\n\n");
        assert!(framer.next_frame().is_ok_and(|frame| frame.is_some()) && framer.is_empty());
    }

    /// Each line was copied once for every line behind it: minutes for such an event.
    ///
    /// Faults: F150
    #[test]
    fn an_event_of_very_many_data_lines_takes_no_longer_than_its_bytes() {
        let mut framer = Framer::default();
        framer.push(&b"data:xxxxx\n".repeat(500_000));
        framer.push(b"\n");
        let frame = framer.next_frame().expect("it is not too large").expect("an event");
        assert_eq!(frame.data.map(|data| data.len()), Some(500_000 * 6 - 1));
    }

    fn events(stream: &[u8], chunk: usize) -> Vec<Frame> {
        let mut framer = Framer::default();
        let mut events = Vec::new();
        for bytes in stream.chunks(chunk) {
            framer.push(bytes);
            while let Some(event) = framer.next_frame().expect("small events") {
                events.push(event);
            }
        }
        events
    }

    const MIXED: &[u8] = "\u{feff}event: a\ndata: {\"x\":\"é\"}\n\n: comment\r\n\r\ndata:one\r\ndata: two\r\n\r\n\n\ndata\rid: 7\r\rdata: cut"
        .as_bytes();

    /// Faults: F59, F61
    #[test]
    fn line_endings_comments_and_several_data_lines() {
        let events = events(MIXED, MIXED.len());
        let read: Vec<_> = events
            .iter()
            .map(|event| (event.name.as_deref(), event.data.as_deref().map(String::from_utf8_lossy)))
            .collect();
        let data = |text: &'static str| Some(text.into());
        assert_eq!(
            read,
            [(Some("a"), data("{\"x\":\"é\"}")), (None, None), (None, data("one\ntwo")), (None, data(""))]
        );
        assert_eq!(&events[0].raw[events[0].data_at.expect("one line")..][..7], b"{\"x\":\"\xc3");
        assert_eq!(events[2].data_at, None);
    }

    /// Faults: F58, F60
    #[test]
    fn where_the_bytes_are_split_changes_nothing() {
        let whole = events(MIXED, MIXED.len());
        for chunk in 1..MIXED.len() {
            assert_eq!(events(MIXED, chunk), whole, "in chunks of {chunk} bytes");
        }
    }

    #[test]
    fn a_last_event_without_its_blank_line_counts_if_it_is_whole() {
        let last = |stream: &str| {
            let mut framer = Framer::default();
            framer.push(stream.as_bytes());
            while framer.next_frame().expect("small events").is_some() {}
            framer.last_frame()
        };
        for whole in ["data: {\"x\":1}\n", "data: {\"x\":1}", "data:{\"x\":1}\r\n", "data: {\"x\":1}\r", "data: [DONE]"]
        {
            let frame = last(&format!("data: {{}}\n\n{whole}")).unwrap_or_else(|| panic!("{whole:?}"));
            let mut again = Framer::default();
            again.push(&frame.raw);
            let again = again.next_frame().expect("a small event").expect("it has its blank line");
            assert_eq!((again.data, again.name), (frame.data, frame.name), "{whole:?}");
        }
        let named = last("event: message_stop\ndata: {\"type\":\"message_stop\"}").expect("whole");
        assert_eq!(named.name.as_deref(), Some("message_stop"));
        for cut in [
            "",
            "\n",
            "data: {\"x\":",
            "data: [DON",
            "data: {}\n\n",
            ": comment\n",
            "event: ping\n",
            "data",
            "data: {} {}",
        ] {
            assert_eq!(last(cut), None, "{cut:?}");
        }
    }

    /// Faults: F63
    #[test]
    fn an_event_without_an_end_is_refused_when_it_grows_too_large() {
        let mut framer = Framer::default();
        framer.push(b"data: ");
        framer.push(&vec![b'x'; FRAME_BYTES_MAX]);
        assert!(framer.next_frame().is_err());
    }
}
