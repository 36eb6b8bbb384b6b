//! The item that is being written. Each part of the reply is an item of its own, with one content or summary part.

use super::wire::Out;
use crate::PROTOCOL;
use crate::forms::Form;
use crate::reasoning::{Secret, marked};
use pointsman_sdk::codec::chat::Sealed;
use pointsman_sdk::{freeform, sealed};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Serialize, Deserialize)]
pub struct Open {
    /// The part of the reply that it tells.
    pub part: u32,
    output_index: usize,
    id: String,
    kind: Kind,
    /// Its text, its thought or its arguments.
    text: String,
    /// The caller knows of it.
    is_announced: bool,
}

#[derive(Serialize, Deserialize)]
pub enum Kind {
    Message,
    Reasoning { encrypted_content: Option<String> },
    Call { call_id: String, form: Form, name: String, namespace: Option<String> },
}

impl Open {
    pub fn new(part: u32, output_index: usize, id: String, kind: Kind) -> Open {
        Open { part, output_index, id, kind, text: String::new(), is_announced: false }
    }

    pub fn say(&mut self, text: &str, sequence: &mut u64, out: &mut Out) {
        if text.is_empty() {
            return;
        }
        self.announce(sequence, out);
        if self.text.is_empty() {
            self.begin_part(sequence, out);
        }
        self.text.push_str(text);
        if self.is_said_at_its_end() {
            return;
        }
        let (id, output_index) = (&self.id, self.output_index);
        let (event, fields) = match self.kind {
            Kind::Message => (
                "response.output_text.delta",
                json!({"item_id": id, "output_index": output_index, "content_index": 0, "delta": text, "logprobs": []}),
            ),
            Kind::Reasoning { .. } => (
                "response.reasoning_summary_text.delta",
                json!({"item_id": id, "output_index": output_index, "summary_index": 0, "delta": text}),
            ),
            Kind::Call { .. } => (
                "response.function_call_arguments.delta",
                json!({"item_id": id, "output_index": output_index, "delta": text}),
            ),
        };
        out.event(event, sequence, fields);
    }

    /// OpenAI's own encryption is bound to the item's id, which the caller must get with it: as the item's, unless that
    /// was already told.
    pub fn seal(&mut self, made: &Sealed, stream: bool) {
        let Kind::Reasoning { encrypted_content } = &mut self.kind else { return };
        let is_id_free = !(self.is_announced && stream);
        *encrypted_content = Some(match Secret::open(made) {
            Some(Secret { id: Some(id), encrypted_content }) if is_id_free => {
                self.id = id;
                encrypted_content
            }
            Some(_) => marked(made),
            None => sealed::pack(made, PROTOCOL),
        });
    }

    /// The item's last events, and the item. None for a thought of which nothing is known.
    pub fn finish(mut self, sequence: &mut u64, out: &mut Out) -> Option<Value> {
        match &self.kind {
            Kind::Reasoning { encrypted_content: None } if self.text.is_empty() => return None,
            // Callers parse the arguments, and nothing is no JSON.
            Kind::Call { .. } if self.text.is_empty() => self.say("{}", sequence, out),
            _ => self.announce(sequence, out),
        }
        if matches!(self.kind, Kind::Call { form: Form::Custom, .. }) {
            // The other provider made JSON of the text.
            self.text = freeform::input(&self.text);
        }
        let (id, output_index, text) = (&self.id, self.output_index, &self.text);
        match &self.kind {
            Kind::Message => {
                let fields = json!({"item_id": id, "output_index": output_index, "content_index": 0, "text": text,
                    "logprobs": []});
                out.event("response.output_text.done", sequence, fields);
                self.part_event("response.content_part.done", sequence, out);
            }
            Kind::Reasoning { .. } if text.is_empty() => {}
            Kind::Reasoning { .. } => {
                let fields = json!({"item_id": id, "output_index": output_index, "summary_index": 0, "text": text});
                out.event("response.reasoning_summary_text.done", sequence, fields);
                self.part_event("response.reasoning_summary_part.done", sequence, out);
            }
            Kind::Call { form: Form::Search | Form::ClientTool(_), .. } => {}
            Kind::Call { form: Form::Custom, .. } => {
                let fields = json!({"item_id": id, "output_index": output_index, "delta": text});
                out.event("response.custom_tool_call_input.delta", sequence, fields);
                let fields = json!({"item_id": id, "output_index": output_index, "input": text});
                out.event("response.custom_tool_call_input.done", sequence, fields);
            }
            Kind::Call { name, .. } => {
                let fields = json!({"item_id": id, "output_index": output_index, "name": name, "arguments": text});
                out.event("response.function_call_arguments.done", sequence, fields);
            }
        }
        let item = self.json("completed");
        out.event("response.output_item.done", sequence, json!({"output_index": output_index, "item": item}));
        Some(item)
    }

    /// The first events of the item, once. Nothing was said yet.
    pub fn announce(&mut self, sequence: &mut u64, out: &mut Out) {
        if !self.is_announced {
            self.is_announced = true;
            let fields = json!({"output_index": self.output_index, "item": self.json("in_progress")});
            out.event("response.output_item.added", sequence, fields);
        }
    }

    /// The first event of the item's text.
    fn begin_part(&self, sequence: &mut u64, out: &mut Out) {
        match self.kind {
            Kind::Message => self.part_event("response.content_part.added", sequence, out),
            Kind::Reasoning { .. } => self.part_event("response.reasoning_summary_part.added", sequence, out),
            Kind::Call { .. } => {}
        }
    }

    fn part_event(&self, event: &str, sequence: &mut u64, out: &mut Out) {
        let index_name = if self.is_reasoning() { "summary_index" } else { "content_index" };
        let part = self.part();
        let fields = json!({"item_id": self.id, "output_index": self.output_index, index_name: 0, "part": part});
        out.event(event, sequence, fields);
    }

    /// A call whose arguments are not the caller's words until they are complete.
    fn is_said_at_its_end(&self) -> bool {
        matches!(self.kind, Kind::Call { form: Form::Custom | Form::Search | Form::ClientTool(_), .. })
    }

    fn is_reasoning(&self) -> bool {
        matches!(self.kind, Kind::Reasoning { .. })
    }

    fn part(&self) -> Value {
        match self.kind {
            Kind::Reasoning { .. } => json!({"type": "summary_text", "text": self.text}),
            _ => json!({"type": "output_text", "text": self.text, "annotations": [], "logprobs": []}),
        }
    }

    fn json(&self, status: &str) -> Value {
        let parts = if self.text.is_empty() { Vec::new() } else { vec![self.part()] };
        match &self.kind {
            Kind::Message => {
                json!({"id": self.id, "type": "message", "status": status, "role": "assistant", "content": parts})
            }
            Kind::Reasoning { encrypted_content: None } => {
                json!({"id": self.id, "type": "reasoning", "summary": parts})
            }
            Kind::Reasoning { encrypted_content } => {
                json!({"id": self.id, "type": "reasoning", "summary": parts, "encrypted_content": encrypted_content})
            }
            Kind::Call { call_id, form, name, namespace } => {
                let mut call = json!({"id": self.id, "type": "function_call", "status": status, "call_id": call_id});
                match form {
                    Form::Function => {
                        (call["name"], call["arguments"]) = (name.as_str().into(), self.text.as_str().into())
                    }
                    Form::Custom => {
                        call["type"] = "custom_tool_call".into();
                        (call["name"], call["input"]) = (name.as_str().into(), self.text.as_str().into());
                    }
                    Form::ClientTool(tool) => {
                        call["type"] = format!("{}_call", tool.name()).into();
                        call[tool.field()] = tool.wanted(&self.text);
                    }
                    Form::Search => {
                        call["type"] = "tool_search_call".into();
                        call["execution"] = "client".into();
                        call["arguments"] = serde_json::from_str(&self.text).unwrap_or_else(|_| json!({}));
                    }
                }
                if let Some(namespace) = namespace {
                    call["namespace"] = namespace.as_str().into();
                }
                call
            }
        }
    }
}
