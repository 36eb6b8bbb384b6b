//! What a caller asks, and what it reads out of a reply, in each of the protocols.

use serde_json::{Value, json};

/// A protocol that callers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    Chat,
    Responses,
    Messages,
    Gemini,
}

impl Speaks {
    pub const ALL: [Speaks; 4] = [Speaks::Chat, Speaks::Responses, Speaks::Messages, Speaks::Gemini];

    /// Path and body of a question to a model.
    pub fn ask(self, model: &str, prompt: &str, stream: bool) -> (String, Value) {
        let turns = json!([{ "role": "user", "content": prompt }]);
        match self {
            Speaks::Chat => {
                ("/v1/chat/completions".to_owned(), json!({ "model": model, "stream": stream, "messages": turns }))
            }
            Speaks::Responses => (
                "/v1/responses".to_owned(),
                json!({ "model": model, "stream": stream, "store": false, "input": prompt }),
            ),
            Speaks::Messages => (
                "/v1/messages".to_owned(),
                json!({ "model": model, "stream": stream, "max_tokens": 1000, "messages": turns }),
            ),
            Speaks::Gemini => {
                let method = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
                let body = json!({ "contents": [{ "role": "user", "parts": [{ "text": prompt }] }] });
                (format!("/v1beta/models/{model}:{method}"), body)
            }
        }
    }
}

/// A reply as its caller understands it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// How often it began.
    pub beginnings: usize,
    pub text: String,
    /// Each end that it has: a good one is true.
    pub ends: Vec<bool>,
    /// Chat Completions: it was said why it ends. Many servers say nothing more, and clients are content with it.
    has_reason: bool,
    /// Anything that is not of the protocol.
    pub nonsense: Option<String>,
}

impl Reply {
    pub fn read(speaks: Speaks, stream: bool, body: &[u8]) -> Reply {
        let mut reply = Reply::default();
        let Ok(body) = std::str::from_utf8(body) else { return Reply::nonsense("no UTF-8") };
        if !stream || !body.contains("data:") {
            match serde_json::from_str::<Value>(body) {
                Ok(json) => reply.whole(speaks, &json),
                Err(error) => reply.nonsense = Some(format!("{error}: {body:?}")),
            }
            return reply;
        }
        if !body.ends_with("\n\n") && !body.ends_with("\r\n\r\n") {
            reply.nonsense = Some(format!("half an event: {body:?}"));
        }
        for line in body.lines() {
            let Some(data) = line.strip_prefix("data:").map(str::trim) else {
                let known = line.is_empty() || line.starts_with(':') || line.starts_with("event:");
                if !known {
                    reply.nonsense = Some(format!("the line {line:?}"));
                }
                continue;
            };
            if data == "[DONE]" {
                reply.ends.push(true);
                continue;
            }
            match serde_json::from_str::<Value>(data) {
                Ok(event) => reply.event(speaks, &event),
                Err(error) => reply.nonsense = Some(format!("{error}: {data:?}")),
            }
        }
        if reply.ends.is_empty() && reply.has_reason {
            reply.ends.push(true);
        }
        reply
    }

    fn nonsense(text: &str) -> Reply {
        Reply { nonsense: Some(text.to_owned()), ..Reply::default() }
    }

    fn whole(&mut self, speaks: Speaks, json: &Value) {
        if json["error"].is_object() {
            self.ends.push(false);
            return;
        }
        self.beginnings = 1;
        self.ends.push(true);
        self.text = match speaks {
            Speaks::Chat => text(&json["choices"][0]["message"]["content"]),
            Speaks::Messages => joined(&json["content"], "text"),
            Speaks::Gemini => joined(&json["candidates"][0]["content"]["parts"], "text"),
            Speaks::Responses => {
                json["output"].as_array().into_iter().flatten().map(|item| joined(&item["content"], "text")).collect()
            }
        };
    }

    fn event(&mut self, speaks: Speaks, event: &Value) {
        let kind = event["type"].as_str().unwrap_or_default();
        match (speaks, kind) {
            (Speaks::Chat, _) => {
                if event["error"].is_object() {
                    self.ends.push(false);
                }
                self.has_reason |= event["choices"][0]["finish_reason"].is_string();
                self.beginnings += usize::from(event["choices"][0]["delta"]["role"].is_string());
                self.text += event["choices"][0]["delta"]["content"].as_str().unwrap_or_default();
            }
            (Speaks::Messages, "message_start") => self.beginnings += 1,
            (Speaks::Messages, "content_block_delta") => {
                self.text += event["delta"]["text"].as_str().unwrap_or_default();
            }
            (Speaks::Messages, "message_stop") => self.ends.push(true),
            (Speaks::Messages, "error") => self.ends.push(false),
            (Speaks::Responses, "response.created") => self.beginnings += 1,
            (Speaks::Responses, "response.output_text.delta") => {
                self.text += event["delta"].as_str().unwrap_or_default();
            }
            (Speaks::Responses, "response.completed") => self.ends.push(true),
            (Speaks::Responses, "response.failed" | "error") => self.ends.push(false),
            (Speaks::Gemini, _) => {
                // Nothing says that it begins.
                self.beginnings = 1;
                self.text += &joined(&event["candidates"][0]["content"]["parts"], "text");
                if event["error"].is_object() {
                    self.ends.push(false);
                } else if event["candidates"][0]["finishReason"].is_string() {
                    self.ends.push(true);
                }
            }
            (Speaks::Messages | Speaks::Responses, _) => {}
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn joined(list: &Value, field: &str) -> String {
    list.as_array().into_iter().flatten().map(|part| text(&part[field])).collect()
}
