//! Vectors -> a list of embeddings for a caller of this protocol.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pointsman_sdk::codec::chat::Event;
use pointsman_sdk::codec::client_protocol::Written;
use pointsman_sdk::codec::{recall, remember};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Default, Serialize, Deserialize)]
struct Reply {
    base64: bool,
    vectors: Vec<(u32, Vec<f32>)>,
    /// As the caller named it: few replies say.
    model: String,
    input_tokens: u64,
    is_over: bool,
}

/// What reading a request leaves for its reply.
pub fn first_memory(base64: bool, model: &str) -> Vec<u8> {
    remember(&Reply { base64, model: model.to_owned(), ..Reply::default() })
}

pub fn fold(memory: &[u8], events: Vec<Event>) -> Written {
    let mut reply: Reply = recall(memory);
    let mut bytes = Vec::new();
    for event in events {
        match event {
            Event::Embedding(embedding) => reply.vectors.push((embedding.index, embedding.values)),
            Event::Usage(usage) => reply.input_tokens = usage.input,
            Event::Finished(_) if !reply.is_over => {
                reply.is_over = true;
                bytes = reply.json().to_string().into_bytes();
            }
            _ => {}
        }
    }
    Written { bytes, memory: remember(&reply) }
}

impl Reply {
    fn json(&mut self) -> Value {
        self.vectors.sort_by_key(|(index, _)| *index);
        let data: Vec<Value> = self
            .vectors
            .iter()
            .map(|(index, values)| json!({ "object": "embedding", "index": index, "embedding": self.vector(values) }))
            .collect();
        json!({
            "object": "list", "data": data, "model": self.model,
            "usage": { "prompt_tokens": self.input_tokens, "total_tokens": self.input_tokens },
        })
    }

    /// OpenAI's own clients ask for Base64 of the numbers' bytes, lowest first.
    fn vector(&self, values: &[f32]) -> Value {
        if self.base64 {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            return STANDARD.encode(bytes).into();
        }
        values.iter().map(|value| Value::from(*value)).collect()
    }
}
