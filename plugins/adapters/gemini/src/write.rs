//! Events as a caller of the Gemini API gets them.

mod parts;

use crate::usage::Counts;
use crate::{COUNT_TOKENS, refuse};
use parts::{Part, Parts};
use pointsman_sdk::codec::chat::{Event, Finish, Finished};
use pointsman_sdk::codec::client_protocol::Written;
use pointsman_sdk::codec::{recall, remember};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Default, Deserialize, Serialize)]
struct Memory {
    parts: Parts,
    id: String,
    model: String,
    counts: Counts,
    /// What was said so far of a reply that is not streamed.
    gathered: Vec<Part>,
    /// `finished` or `failed` was written: nothing may follow.
    over: bool,
}

/// What is remembered of the request.
pub fn beginning(thoughts_wanted: bool) -> Vec<u8> {
    remember(&Memory { parts: Parts::new(thoughts_wanted), ..Memory::default() })
}

pub fn events(operation: &str, stream: bool, memory: &[u8], events: Vec<Event>) -> Written {
    let mut memory: Memory = recall(memory);
    let mut bytes = Vec::new();
    for event in events {
        if memory.over {
            break;
        }
        match event {
            Event::Started(started) => (memory.id, memory.model) = (started.id, started.model),
            // There is no keep-alive: google-genai takes every line that is not data for a piece of an error.
            Event::Ping => {}
            Event::Usage(usage) => memory.counts = Counts::from_chat(&usage),
            Event::Finished(_) if operation == COUNT_TOKENS => {
                memory.over = true;
                bytes = json!({ "totalTokens": memory.counts.prompt() }).to_string().into_bytes();
            }
            Event::Finished(finished) => memory.finish(stream, &finished, &mut bytes),
            Event::Failed(fault) => {
                memory.over = true;
                if stream {
                    frame(&refuse::body(&fault), &mut bytes);
                }
            }
            content => {
                let parts = memory.parts.take(content);
                memory.say(stream, parts, &mut bytes);
            }
        }
    }
    Written { bytes, memory: remember(&memory) }
}

impl Memory {
    fn say(&mut self, stream: bool, parts: Vec<Part>, bytes: &mut Vec<u8>) {
        for part in parts {
            if stream {
                frame(&self.chunk(&[part], None), bytes);
            } else {
                parts::gather(&mut self.gathered, part);
            }
        }
    }

    fn finish(&mut self, stream: bool, finished: &Finished, bytes: &mut Vec<u8>) {
        self.over = true;
        let rest = self.parts.end();
        self.say(stream, rest, bytes);
        let reason = Some(reason(finished.reason));
        if stream {
            // Clients refuse a history in which a chunk has no parts.
            frame(&self.chunk(&[Part::text("")], reason), bytes);
        } else {
            let nothing = [Part::text("")];
            let said = if self.gathered.is_empty() { &nothing[..] } else { &self.gathered };
            bytes.extend_from_slice(self.chunk(said, reason).to_string().as_bytes());
        }
    }

    /// A chunk of a stream, and in the same shape a whole reply. Usage stands where the reason to finish does.
    fn chunk(&self, parts: &[Part], reason: Option<&str>) -> Value {
        let parts: Vec<Value> = parts.iter().map(Part::json).collect();
        let mut candidate = json!({ "content": { "parts": parts, "role": "model" } });
        if let Some(reason) = reason {
            candidate["finishReason"] = reason.into();
        }
        candidate["index"] = 0.into();
        let mut chunk = json!({ "candidates": [candidate] });
        if reason.is_some() {
            chunk["usageMetadata"] = self.counts.json();
        }
        chunk["modelVersion"] = self.model.as_str().into();
        chunk["responseId"] = self.id.as_str().into();
        chunk
    }
}

fn reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence | Finish::ToolCalls | Finish::Pause => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::ContentFilter | Finish::Refusal => "SAFETY",
    }
}

fn frame(data: &Value, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(format!("data: {data}\r\n\r\n").as_bytes());
}
