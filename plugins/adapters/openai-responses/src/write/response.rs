//! The response object: what the first events carry, and in full the last one, or the body of a whole reply.

use crate::ids;
use pointsman_sdk::codec::chat::{Started, Usage};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// All of a response but its status.
#[derive(Default, Serialize, Deserialize)]
pub struct Response {
    /// The request's fields that the response repeats: the text of a JSON object.
    echo: String,
    id: String,
    model: String,
    created_at: u64,
    usage: Option<Counts>,
    /// The finished items, each as JSON.
    output: Vec<String>,
}

/// Fields of the request that the official SDKs' type `Response` has, as the caller wrote them.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Echo<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    instructions: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    prompt_cache_key: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    safety_identifier: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    temperature: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    text: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    tool_choice: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    tools: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    top_p: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    truncation: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    user: Option<&'a RawValue>,
}

#[derive(Serialize, Deserialize)]
struct Counts {
    input: u64,
    output: u64,
    cache_read: u64,
    cache_write: u64,
    reasoning: u64,
}

impl Response {
    /// The body was read before this: it is JSON.
    pub fn to_request(body: &[u8]) -> Response {
        let echo: Echo = serde_json::from_slice(body).unwrap_or_default();
        Response { echo: serde_json::to_string(&echo).unwrap_or_default(), ..Response::default() }
    }

    pub fn start(&mut self, started: Started) {
        (self.id, self.model) = (ids::response(&started.id), started.model);
        self.created_at = started.created_unix_s;
    }

    pub fn set_usage(&mut self, usage: Usage) {
        let Usage { input, output, cache_read, cache_write, reasoning } = usage;
        self.usage = Some(Counts { input, output, cache_read, cache_write, reasoning });
    }

    pub fn input_tokens(&self) -> u64 {
        self.usage.as_ref().map_or(0, |usage| usage.input)
    }

    /// Where the next item will stand.
    pub fn output_index(&self) -> usize {
        self.output.len()
    }

    pub fn push(&mut self, item: &Value) {
        self.output.push(item.to_string());
    }

    /// An id for the next item, in the shape that OpenAI gives and takes back. The provider's own id of the reply may be
    /// empty; then what else is known tells it from others.
    pub fn item_id(&self, prefix: &str) -> String {
        let (created, index) = (self.created_at.to_string(), self.output.len().to_string());
        ids::made(prefix, &[&self.id, &self.model, &created, &index])
    }

    /// `incomplete_details` and `error` are null unless the status asks for them.
    pub fn json(&self, status: &str, incomplete_details: Value, error: Value) -> Value {
        let mut response = json!({
            "id": self.id,
            "object": "response",
            "created_at": self.created_at,
            "status": status,
            "background": false,
            "error": error,
            "incomplete_details": incomplete_details,
            "instructions": null,
            "max_output_tokens": null,
            "metadata": {},
            "model": self.model,
            "output": self.output.iter().filter_map(|item| serde_json::from_str(item).ok()).collect::<Vec<Value>>(),
            "parallel_tool_calls": true,
            "previous_response_id": null,
            "reasoning": {"effort": null, "summary": null},
            "store": false,
            "temperature": null,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_p": null,
            "truncation": "disabled",
            "usage": self.usage.as_ref().map(Counts::json),
        });
        let echo: Map<String, Value> = serde_json::from_str(&self.echo).unwrap_or_default();
        if let Value::Object(fields) = &mut response {
            fields.extend(echo);
        }
        response
    }
}

impl Counts {
    /// The SDKs' types demand every count.
    fn json(&self) -> Value {
        json!({
            "input_tokens": self.input,
            "input_tokens_details": {"cached_tokens": self.cache_read, "cache_write_tokens": self.cache_write},
            "output_tokens": self.output,
            "output_tokens_details": {"reasoning_tokens": self.reasoning},
            "total_tokens": self.input.saturating_add(self.output),
        })
    }
}
