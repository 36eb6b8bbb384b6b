//! A provider's own bytes, for a caller who reads its protocol.

use bytes::{Bytes, BytesMut};

use super::rename::Rename;
use super::scan;
use crate::upstream::Frame;

/// The frames as they stood on the wire, but for the model's name and for names of events that are missing.
pub fn raw(frames: &[Frame], rename: Option<&Rename>, names_events: bool) -> Bytes {
    let bytes = |frame: &Frame| {
        let bytes = match rename {
            Some(rename) => rename.event(frame),
            None => frame.raw.clone(),
        };
        match event_line(frame).filter(|_| names_events) {
            Some(line) => [line.as_bytes(), &bytes].concat().into(),
            None => bytes,
        }
    };
    if let [one] = frames {
        return bytes(one);
    }
    let mut joined = BytesMut::with_capacity(frames.iter().map(|frame| frame.raw.len()).sum());
    for frame in frames {
        joined.extend_from_slice(&bytes(frame));
    }
    joined.freeze()
}

/// The line that is missing before an event's data: its name is the data's type.
fn event_line(frame: &Frame) -> Option<String> {
    let data = frame.data.as_ref().filter(|_| frame.name.is_none())?;
    let kind = scan::text(&data[scan::value_at(data, "type")?])?;
    // It becomes a line of the stream.
    (!kind.is_empty() && !kind.contains(char::is_control)).then(|| format!("event: {kind}\n"))
}
