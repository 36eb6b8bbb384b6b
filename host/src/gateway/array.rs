//! A stream as one JSON array: for callers of a protocol in which events must be asked for, and who did not. Its writer
//! knows only events; here their data become the elements, one by one as they come.

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::upstream::sse::Framer;

/// How a stream is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Events,
    Array,
}

/// From events to elements.
#[derive(Debug, Default)]
pub struct Array {
    framer: Framer,
    begun: bool,
}

impl Array {
    /// The next bytes of the array. What is left of an event that is cut off waits for its rest; after the `last` bytes the
    /// array is closed.
    ///
    /// # Errors
    /// When an event is too large.
    pub fn write(&mut self, events: &[u8], last: bool) -> Result<Bytes, String> {
        let mut array = BytesMut::with_capacity(events.len());
        self.framer.push(events);
        if last {
            // A carriage return at the very end waits to see whether a line feed follows.
            self.framer.push(b"\n");
        }
        while let Some(event) = self.framer.next_frame().map_err(|error| error.to_string())? {
            // A comment has no data.
            let Some(data) = event.data else { continue };
            self.open_or(b",\r\n", &mut array);
            array.put(data);
        }
        if last {
            self.open_or(b"", &mut array);
            array.put_u8(b']');
        }
        Ok(array.freeze())
    }

    fn open_or(&mut self, between: &[u8], array: &mut BytesMut) {
        array.put_slice(if self.begun { between } else { b"[" });
        self.begun = true;
    }
}

/// An error before any element: alone in its array.
pub fn of_refusal(body: &Bytes) -> Bytes {
    // What stands before a provider may say it in another way.
    if body.first() == Some(&b'{') { [b"[", &body[..], b"]"].concat().into() } else { body.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: &[u8] =
        ": comment\n\ndata: {\"a\":\"é\"}\r\n\r\ndata:{}\n\nevent: x\ndata: [1,\ndata: 2]\n\n".as_bytes();
    const ARRAY: &str = "[{\"a\":\"é\"},\r\n{},\r\n[1,\n2]]";

    #[test]
    fn where_the_bytes_are_split_changes_nothing() {
        for at in 0..=EVENTS.len() {
            let mut array = Array::default();
            let (before, after) = EVENTS.split_at(at);
            let pieces = [array.write(before, false), array.write(after, true)];
            let pieces = pieces.map(|piece| piece.expect("small events")).concat();
            assert_eq!(String::from_utf8_lossy(&pieces), ARRAY, "split at {at}");
        }
    }

    #[test]
    fn an_element_is_sent_as_soon_as_its_event_is_whole() {
        let mut array = Array::default();
        let mut write = |events: &str, last| array.write(events.as_bytes(), last).expect("small events");
        assert_eq!(write("data: 1\n", false), "");
        assert_eq!(write("\n", false), "[1");
        assert_eq!(write("data: 2\r\n\r\ndata", false), ",\r\n2");
        assert_eq!(write(": 3\r\r", true), ",\r\n3]");
    }

    #[test]
    fn a_stream_of_nothing_is_an_empty_array() {
        assert_eq!(Array::default().write(b"", true).expect("small"), "[]");
        assert_eq!(Array::default().write(b"data: cut off", true).expect("small"), "[]");
    }

    #[test]
    fn a_refusal_that_is_no_json_is_left_alone() {
        assert_eq!(of_refusal(&Bytes::from_static(b"{\"error\":1}")), "[{\"error\":1}]");
        for other in ["<html>", "", "[{}]"] {
            assert_eq!(of_refusal(&Bytes::from(other)), other);
        }
    }
}
