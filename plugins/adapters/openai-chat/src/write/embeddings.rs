//! Vectors -> a list of embeddings for a caller of this protocol.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pointsman_sdk::codec::chat::Event;
use pointsman_sdk::codec::client_protocol::Written;
use pointsman_sdk::codec::{recall, remember};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct Reply {
    base64: bool,
    vectors: Vec<(u32, Vec<f32>)>,
    /// As the caller named it: few replies say.
    model: String,
    input_tokens: u64,
    is_over: bool,
}

/// What is written, without a tree of values: a reply may have a hundred thousand numbers.
#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Item<'a>>,
    model: &'a str,
    usage: Usage,
}

#[derive(Serialize)]
struct Item<'a> {
    object: &'static str,
    index: u32,
    embedding: Vector<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector<'a> {
    Base64(String),
    Numbers(&'a [f32]),
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: u64,
    total_tokens: u64,
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
                bytes = reply.bytes();
                reply.vectors.clear();
            }
            _ => {}
        }
    }
    Written { bytes, memory: remember(&reply) }
}

impl Reply {
    fn bytes(&mut self) -> Vec<u8> {
        self.vectors.sort_by_key(|(index, _)| *index);
        let data = self.vectors.iter().map(|(index, values)| Item {
            object: "embedding",
            index: *index,
            embedding: self.vector(values),
        });
        let list = List {
            object: "list",
            data: data.collect(),
            model: &self.model,
            usage: Usage { prompt_tokens: self.input_tokens, total_tokens: self.input_tokens },
        };
        serde_json::to_vec(&list).unwrap_or_default()
    }

    /// OpenAI's own clients ask for Base64 of the numbers' bytes, lowest first.
    fn vector<'a>(&self, values: &'a [f32]) -> Vector<'a> {
        if self.base64 {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            return Vector::Base64(STANDARD.encode(bytes));
        }
        Vector::Numbers(values)
    }
}
