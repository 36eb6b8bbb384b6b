//! The JSON of a reply. Chunks are written from typed structs: there are thousands of them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What stands on every chunk.
#[derive(Default, Serialize, Deserialize)]
pub struct Head {
    pub id: String,
    pub model: String,
    pub created: u64,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: &'a [Choice<'a>],
    /// Where the caller asked for usage: null on each chunk but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Value>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    delta: &'a Delta<'a>,
    logprobs: (),
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
pub struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<&'a str>,
    /// Not OpenAI's, but what the servers and clients agree on that show thoughts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<[Call<'a>; 1]>,
}

#[derive(Serialize)]
pub struct Call<'a> {
    pub index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<CallFunction<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom: Option<CallCustom<'a>>,
}

/// A call of a tool that takes free text.
#[derive(Serialize)]
pub struct CallCustom<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    pub input: &'a str,
}

#[derive(Serialize)]
pub struct CallFunction<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    pub arguments: &'a str,
}

#[derive(Serialize, Deserialize)]
pub struct Usage {
    pub input: u64,
    pub output: u64,
    pub cached: u64,
    pub reasoning: u64,
}

impl Head {
    pub fn chunk(&self, delta: &Delta, finish_reason: Option<&'static str>, null_usage: bool, bytes: &mut Vec<u8>) {
        let choice = Choice { index: 0, delta, logprobs: (), finish_reason };
        self.put(&[choice], null_usage.then_some(Value::Null), bytes);
    }

    pub fn usage_chunk(&self, usage: Usage, bytes: &mut Vec<u8>) {
        self.put(&[], Some(usage.json()), bytes);
    }

    fn put(&self, choices: &[Choice], usage: Option<Value>, bytes: &mut Vec<u8>) {
        let Head { id, model, created } = self;
        let chunk = Chunk { id, object: "chat.completion.chunk", created: *created, model, choices, usage };
        bytes.extend_from_slice(b"data: ");
        // Strings and numbers into memory: nothing here can fail.
        let _ = serde_json::to_writer(&mut *bytes, &chunk);
        bytes.extend_from_slice(b"\n\n");
    }

    pub fn completion(&self, choice: Value, usage: Option<Usage>) -> Value {
        let Head { id, model, created } = self;
        let mut completion = json!({
            "id": id, "object": "chat.completion", "created": created, "model": model, "choices": [choice],
        });
        if let Some(usage) = usage {
            completion["usage"] = usage.json();
        }
        completion
    }
}

impl Usage {
    fn json(&self) -> Value {
        json!({
            "prompt_tokens": self.input,
            "completion_tokens": self.output,
            "total_tokens": self.input.saturating_add(self.output),
            "prompt_tokens_details": {"cached_tokens": self.cached},
            "completion_tokens_details": {"reasoning_tokens": self.reasoning},
        })
    }
}
