//! The model's name in a reply that goes through unchanged: the caller reads the name that it asked for.

use bytes::{Bytes, BytesMut};
use memchr::memmem;

use super::scan;
use crate::upstream::Frame;

/// Which fields to change, and to what.
#[derive(Clone, Debug)]
pub struct Rename {
    paths: Vec<String>,
    /// A JSON string.
    name: Bytes,
}

impl Rename {
    /// Absent when the caller used the very name that the provider was asked for: then nothing is touched.
    pub fn new(paths: &[String], asked: &str, sent: &str) -> Option<Rename> {
        let name = Bytes::from(serde_json::Value::from(asked).to_string());
        (asked != sent).then(|| Rename { paths: paths.to_vec(), name })
    }

    /// A whole JSON document.
    pub fn json(&self, json: &Bytes) -> Bytes {
        if memmem::find(json, b"\"model\"").is_none() && self.paths.iter().all(|path| path.ends_with("model")) {
            return json.clone();
        }
        let Some(at) = self.paths.iter().find_map(|path| scan::value_at(json, path)) else { return json.clone() };
        let mut renamed = BytesMut::with_capacity(json.len() + self.name.len());
        renamed.extend_from_slice(&json[..at.start]);
        renamed.extend_from_slice(&self.name);
        renamed.extend_from_slice(&json[at.end..]);
        renamed.freeze()
    }

    /// One event of a stream.
    pub fn event(&self, event: &Frame) -> Bytes {
        let Some(data) = &event.data else { return event.raw.clone() };
        let renamed = self.json(data);
        if renamed == *data {
            return event.raw.clone();
        }
        let mut raw = BytesMut::with_capacity(event.raw.len() + self.name.len());
        match event.data_at {
            Some(at) => {
                raw.extend_from_slice(&event.raw[..at]);
                raw.extend_from_slice(&renamed);
                raw.extend_from_slice(&event.raw[at + data.len()..]);
            }
            None => {
                if let Some(name) = &event.name {
                    raw.extend_from_slice(format!("event: {name}\n").as_bytes());
                }
                for line in renamed.split(|byte| *byte == b'\n') {
                    raw.extend_from_slice(b"data: ");
                    raw.extend_from_slice(line);
                    raw.extend_from_slice(b"\n");
                }
                raw.extend_from_slice(b"\n");
            }
        }
        raw.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::sse::Framer;

    fn renamed(stream: &str) -> String {
        let paths = ["model".to_owned(), "message.model".to_owned()];
        let rename = Rename::new(&paths, "asked", "sent").expect("names differ");
        let mut framer = Framer::default();
        framer.push(stream.as_bytes());
        let mut out = Vec::new();
        while let Some(event) = framer.next_frame().expect("small") {
            out.extend_from_slice(&rename.event(&event));
        }
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn only_the_models_name_changes() {
        assert_eq!(
            renamed("data: {\"a\": 1,\"model\":\"x\" }\r\n\r\n"),
            "data: {\"a\": 1,\"model\":\"asked\" }\r\n\r\n"
        );
        let start = "event: s\ndata: {\"message\":{\"model\":\"x\"}}\n\n";
        assert_eq!(renamed(start), start.replace("\"x\"", "\"asked\""));
        for untouched in [": ping\n\n", "data: [DONE]\n\n", "data: {\"delta\":\"the \\\"model\\\" is\"}\n\n"] {
            assert_eq!(renamed(untouched), untouched);
        }
        assert_eq!(renamed("data: {\"model\":\ndata: \"x\"}\n\n"), "data: {\"model\":\ndata: \"asked\"}\n\n");
    }

    #[test]
    fn the_same_name_is_left_alone() {
        assert!(Rename::new(&["model".to_owned()], "same", "same").is_none());
    }
}
