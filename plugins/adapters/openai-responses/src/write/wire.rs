//! Bytes for the caller.

use serde_json::{Map, Value};

/// Where the bytes of one call go. A reply that is not streamed has no events, only its whole.
pub struct Out {
    pub stream: bool,
    pub bytes: Vec<u8>,
}

impl Out {
    /// One event; its name stands in the data too. `fields` is an object.
    pub fn event(&mut self, kind: &str, sequence_number: &mut u64, fields: Value) {
        if !self.stream {
            return;
        }
        let mut data = Map::new();
        data.insert("type".into(), kind.into());
        data.insert("sequence_number".into(), (*sequence_number).into());
        if let Value::Object(fields) = fields {
            data.extend(fields);
        }
        *sequence_number = sequence_number.saturating_add(1);
        self.bytes.extend_from_slice(format!("event: {kind}\ndata: ").as_bytes());
        self.whole(&Value::Object(data));
        self.bytes.extend_from_slice(b"\n\n");
    }

    /// A comment: clients pass over it, and proxies see that the connection lives.
    pub fn ping(&mut self) {
        if self.stream {
            self.bytes.extend_from_slice(b": ping\n\n");
        }
    }

    pub fn whole(&mut self, body: &Value) {
        // A value into memory: nothing here can fail.
        let _ = serde_json::to_writer(&mut self.bytes, body);
    }
}
