//! What callers of each protocol ask, and how their replies are read.

use pointsman_tests::Answer;
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Caller {
    Chat,
    Responses,
    Messages,
    Gemini,
}

pub use Caller::{Chat, Gemini, Messages, Responses};

pub const CALLERS: [Caller; 4] = [Chat, Responses, Messages, Gemini];

/// A whole reply, whatever its protocol.
#[derive(Debug, Default)]
pub struct Said {
    pub text: String,
    pub calls: Vec<(String, Value)>,
    pub finish: String,
    pub input: u64,
    pub output: u64,
}

impl Caller {
    pub fn path(self, model: &str, stream: bool) -> String {
        match self {
            Chat => "/v1/chat/completions".into(),
            Responses => "/v1/responses".into(),
            Messages => "/v1/messages".into(),
            Gemini if stream => format!("/v1beta/models/{model}:streamGenerateContent?alt=sse"),
            Gemini => format!("/v1beta/models/{model}:generateContent"),
        }
    }

    pub fn body(self, prompt: &str, limit: u64, stream: bool) -> Value {
        let messages = json!([{ "role": "user", "content": prompt }]);
        match self {
            Chat => json!({
                "model": "noise", "max_tokens": limit, "stream": stream, "messages": messages,
                "stream_options": if stream { json!({ "include_usage": true }) } else { Value::Null },
            }),
            Responses => json!({ "model": "noise", "max_output_tokens": limit, "stream": stream, "input": prompt }),
            Messages => json!({ "model": "noise", "max_tokens": limit, "stream": stream, "messages": messages }),
            Gemini => json!({
                "contents": [{ "role": "user", "parts": [{ "text": prompt }] }],
                "generationConfig": { "maxOutputTokens": limit },
            }),
        }
    }

    /// The server's grammar lets nothing else through, whatever the model wants.
    pub fn with_tool(self, mut body: Value) -> Value {
        let (name, schema) = ("set_switch", schema());
        let (tools, choice) = match self {
            Chat => {
                (json!([{ "type": "function", "function": { "name": name, "parameters": schema } }]), json!("required"))
            }
            Responses => {
                (json!([{ "type": "function", "name": name, "parameters": schema, "strict": true }]), json!("required"))
            }
            Messages => (json!([{ "name": name, "input_schema": schema }]), json!({ "type": "any" })),
            Gemini => {
                body["toolConfig"] = json!({ "functionCallingConfig": { "mode": "ANY" } });
                (json!([{ "functionDeclarations": [{ "name": name, "parametersJsonSchema": schema }] }]), Value::Null)
            }
        };
        body["tools"] = tools;
        if self != Gemini {
            body["tool_choice"] = choice;
        }
        body
    }

    pub fn with_schema(self, mut body: Value) -> Value {
        let schema = schema();
        match self {
            Chat => {
                let named = json!({ "name": "switch", "strict": true, "schema": schema });
                body["response_format"] = json!({ "type": "json_schema", "json_schema": named });
            }
            Responses => {
                let format = json!({ "type": "json_schema", "name": "switch", "strict": true, "schema": schema });
                body["text"] = json!({ "format": format });
            }
            Messages => body["output_config"] = json!({ "format": { "type": "json_schema", "schema": schema } }),
            Gemini => {
                body["generationConfig"]["responseMimeType"] = json!("application/json");
                body["generationConfig"]["responseJsonSchema"] = schema;
            }
        }
        body
    }

    /// A finish for the limit, a stop, and a tool call.
    pub fn finishes(self) -> [&'static str; 3] {
        match self {
            Chat => ["length", "stop", "tool_calls"],
            Responses => ["incomplete", "completed", "completed"],
            Messages => ["max_tokens", "end_turn", "tool_use"],
            Gemini => ["MAX_TOKENS", "STOP", "STOP"],
        }
    }

    pub fn read(self, reply: &Value) -> Said {
        match self {
            Chat => {
                let (choice, usage) = (&reply["choices"][0], &reply["usage"]);
                let calls = list(&choice["message"]["tool_calls"]).iter().map(|call| match &call["custom"] {
                    Value::Null => (text(&call["function"]["name"]), parse(&text(&call["function"]["arguments"]))),
                    custom => (text(&custom["name"]), custom["input"].clone()),
                });
                Said {
                    text: choice["message"]["content"].as_str().unwrap_or_default().into(),
                    calls: calls.collect(),
                    finish: text(&choice["finish_reason"]),
                    input: number(&usage["prompt_tokens"]),
                    output: number(&usage["completion_tokens"]),
                }
            }
            Responses => {
                let items = list(&reply["output"]);
                let parts = items.iter().flat_map(|item| list(&item["content"]));
                let calls = items.iter().filter(|item| item["type"] == "function_call");
                if reply["status"] == "incomplete" {
                    assert_eq!(reply["incomplete_details"]["reason"], "max_output_tokens");
                }
                Said {
                    text: parts.filter_map(|part| part["text"].as_str()).collect(),
                    calls: calls.map(|call| (text(&call["name"]), parse(&text(&call["arguments"])))).collect(),
                    finish: text(&reply["status"]),
                    input: number(&reply["usage"]["input_tokens"]),
                    output: number(&reply["usage"]["output_tokens"]),
                }
            }
            Messages => {
                let (blocks, usage) = (list(&reply["content"]), &reply["usage"]);
                let calls = blocks.iter().filter(|block| block["type"] == "tool_use");
                Said {
                    text: blocks.iter().filter_map(|block| block["text"].as_str()).collect(),
                    calls: calls.map(|call| (text(&call["name"]), call["input"].clone())).collect(),
                    finish: text(&reply["stop_reason"]),
                    // What the server had in its cache is told apart.
                    input: number(&usage["input_tokens"]) + usage["cache_read_input_tokens"].as_u64().unwrap_or(0),
                    output: number(&usage["output_tokens"]),
                }
            }
            Gemini => {
                let (candidate, usage) = (&reply["candidates"][0], &reply["usageMetadata"]);
                let parts = list(&candidate["content"]["parts"]);
                let calls = parts.iter().filter_map(|part| part.get("functionCall"));
                Said {
                    text: parts.iter().filter_map(|part| part["text"].as_str()).collect(),
                    calls: calls.map(|call| (text(&call["name"]), call["args"].clone())).collect(),
                    finish: candidate["finishReason"].as_str().unwrap_or_default().into(),
                    input: usage["promptTokenCount"].as_u64().unwrap_or(0),
                    output: usage["candidatesTokenCount"].as_u64().unwrap_or(0),
                }
            }
        }
    }

    /// What its pieces come to; it must begin and end as the protocol says.
    pub fn read_stream(self, answer: &Answer) -> Said {
        let events = answer.events();
        let (first, last) = (events.first().expect("an event"), events.last().expect("an event"));
        match self {
            Chat => {
                assert!(answer.complete(), "{}", answer.body);
                let (mut content, mut calls, mut finish) = (json!(""), Vec::<Value>::new(), Value::Null);
                for choice in events.iter().flat_map(|event| list(&event["choices"])) {
                    append(&mut content, &choice["delta"]["content"]);
                    for piece in list(&choice["delta"]["tool_calls"]) {
                        match calls.get_mut(number(&piece["index"]) as usize) {
                            None => calls.push(piece.clone()),
                            Some(call) => {
                                append(&mut call["function"]["arguments"], &piece["function"]["arguments"]);
                            }
                        }
                    }
                    if choice["finish_reason"].is_string() {
                        finish = choice["finish_reason"].clone();
                    }
                }
                let message = json!({ "content": content, "tool_calls": calls });
                let choice = json!({ "message": message, "finish_reason": finish });
                self.read(&json!({ "choices": [choice], "usage": last["usage"] }))
            }
            Responses => {
                assert_eq!(first["type"], "response.created");
                for (place, event) in events.iter().enumerate() {
                    assert_eq!(event["sequence_number"], place);
                }
                let said = self.read(&last["response"]);
                assert_eq!(last["type"], format!("response.{}", said.finish));
                assert_eq!(said.text, deltas(&events, "response.output_text.delta", "/delta"));
                said
            }
            Messages => {
                assert!(answer.complete(), "{}", answer.body);
                assert_eq!((&first["type"], &last["type"]), (&json!("message_start"), &json!("message_stop")));
                let mut blocks: Vec<Value> = Vec::new();
                for start in events.iter().filter(|event| event["type"] == "content_block_start") {
                    assert_eq!(start["index"], blocks.len());
                    let own: Vec<Value> =
                        events.iter().filter(|event| event["index"] == start["index"]).cloned().collect();
                    assert_eq!(own.last().expect("a block")["type"], "content_block_stop");
                    let mut block = start["content_block"].clone();
                    if block["type"] == "tool_use" {
                        block["input"] = parse(&deltas(&own, "content_block_delta", "/delta/partial_json"));
                    } else {
                        block["text"] = json!(deltas(&own, "content_block_delta", "/delta/text"));
                    }
                    blocks.push(block);
                }
                let end = events.iter().find(|event| event["type"] == "message_delta").expect("an end");
                self.read(
                    &json!({ "content": blocks, "stop_reason": end["delta"]["stop_reason"], "usage": end["usage"] }),
                )
            }
            Gemini => {
                let mut whole = Said::default();
                for piece in events.iter().map(|event| self.read(event)) {
                    assert_eq!(whole.finish, "", "nothing follows the finish: {}", answer.body);
                    whole.text += &piece.text;
                    whole.calls.extend(piece.calls);
                    (whole.finish, whole.input, whole.output) = (piece.finish, piece.input, piece.output);
                }
                whole
            }
        }
    }
}

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": { "side": { "type": "string", "enum": ["left", "right"] }, "locked": { "type": "boolean" } },
        "required": ["side", "locked"],
        "additionalProperties": false,
    })
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text and not {value}")).into()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("a number and not {value}"))
}

pub fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn append(to: &mut Value, piece: &Value) {
    *to = json!(text(to) + piece.as_str().unwrap_or_default());
}

/// The texts at `pointer` in the events of a type, as one.
fn deltas(events: &[Value], event_type: &str, pointer: &str) -> String {
    let own = events.iter().filter(|event| event["type"] == event_type);
    own.filter_map(|event| event.pointer(pointer)?.as_str()).collect()
}
