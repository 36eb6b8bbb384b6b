//! One reply, streamed or whole: one machine writes both, because every event of the stream says what the whole says.

use super::error;
use super::open::{Kind, Open};
use super::response::Response;
use super::wire::Out;
use crate::forms::{Form, Forms};
use crate::reasoning::redacted;
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{Event, Finish, Sealed, Started, ToolCallStarted};
use pointsman_sdk::openai;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Beyond all that the one before may have used, and within what callers keep such a number in.
const SEQUENCE_OF_ANOTHER: u64 = i32::MAX as u64;

/// What is remembered of one reply.
#[derive(Default, Serialize, Deserialize)]
pub struct Reply {
    pub is_over: bool,
    pub response: Response,
    is_started: bool,
    /// ... by another, which has not said yet how.
    follows_another: bool,
    /// Of the next event.
    sequence: u64,
    open: Option<Open>,
    /// What calls look like to this caller.
    forms: Forms,
}

impl Reply {
    pub fn to_request(body: &[u8], forms: Forms) -> Reply {
        Reply { response: Response::to_request(body), forms, ..Reply::default() }
    }

    /// The bytes so far were another's, passed on untouched: only a failure can follow. How they began is told yet, or not.
    pub fn follow_another(&mut self) {
        self.sequence = SEQUENCE_OF_ANOTHER;
        (self.is_started, self.follows_another) = (true, true);
        self.response.start(Started { id: String::new(), model: String::new(), created_unix_s: 0 });
    }

    pub fn write(&mut self, event: Event, out: &mut Out) {
        match event {
            Event::Started(started) => self.start(started, out),
            Event::Ping => out.ping(),
            // Only in the reply to another operation.
            Event::Embedding(_) => {}
            Event::TextDelta(delta) | Event::ReasoningDelta(delta) if delta.text.is_empty() => {}
            Event::TextDelta(delta) => self.say(delta.index, Kind::Message, &delta.text, out),
            Event::ReasoningDelta(delta) => {
                self.say(delta.index, Kind::Reasoning { encrypted_content: None }, &delta.text, out);
            }
            Event::ReasoningSignature(delta) => self.seal(delta.index, &delta.sealed, out),
            Event::RedactedReasoning(delta) => self.seal(delta.index, &redacted(delta.sealed), out),
            Event::ToolCallStarted(call) => self.call(call, out),
            Event::ToolArgumentsDelta(delta) => {
                if let Some(open) = self.open.as_mut().filter(|open| open.part == delta.index) {
                    open.say(&delta.text, &mut self.sequence, out);
                }
            }
            Event::PartFinished(_) => self.close(out),
            Event::Usage(usage) => self.response.set_usage(usage),
            Event::Finished(finished) => self.finish(finished.reason, out),
            Event::Failed(fault) => self.fail(&fault, out),
        }
    }

    fn start(&mut self, started: Started, out: &mut Out) {
        if self.is_started {
            if std::mem::take(&mut self.follows_another) {
                self.response.start(started);
            }
            return;
        }
        self.is_started = true;
        self.response.start(started);
        for event in ["response.created", "response.in_progress"] {
            self.response_event(event, "in_progress", Value::Null, Value::Null, out);
        }
    }

    fn open(&mut self, part: u32, kind: Kind, out: &mut Out) -> &mut Open {
        if self.open.as_ref().is_some_and(|open| open.part != part) {
            self.close(out);
        }
        let prefix = match kind {
            Kind::Message => "msg",
            Kind::Reasoning { .. } => "rs",
            Kind::Call { form: Form::Function, .. } => "fc",
            Kind::Call { form: Form::Custom, .. } => "ctc",
            Kind::Call { form: Form::Search, .. } => "tsc",
            Kind::Call { form: Form::ClientTool(tool), .. } => tool.id_prefix(),
        };
        let response = &self.response;
        self.open.get_or_insert_with(|| Open::new(part, response.output_index(), response.item_id(prefix), kind))
    }

    fn say(&mut self, part: u32, kind: Kind, text: &str, out: &mut Out) {
        self.open(part, kind, out);
        if let Some(open) = &mut self.open {
            open.say(text, &mut self.sequence, out);
        }
    }

    fn seal(&mut self, part: u32, sealed: &Sealed, out: &mut Out) {
        let stream = out.stream;
        self.open(part, Kind::Reasoning { encrypted_content: None }, out).seal(sealed, stream);
    }

    fn call(&mut self, call: ToolCallStarted, out: &mut Out) {
        let (form, name, namespace) = self.forms.of(&call.name);
        self.open(call.index, Kind::Call { call_id: call.id, form, name, namespace }, out);
        if let Some(open) = &mut self.open {
            open.announce(&mut self.sequence, out);
        }
    }

    fn close(&mut self, out: &mut Out) {
        if let Some(item) = self.open.take().and_then(|open| open.finish(&mut self.sequence, out)) {
            self.response.push(&item);
        }
    }

    fn finish(&mut self, reason: Finish, out: &mut Out) {
        self.close(out);
        let incomplete = |reason: &str| ("incomplete", json!({"reason": reason}));
        let (status, details) = match reason {
            Finish::Stop | Finish::StopSequence | Finish::ToolCalls => ("completed", Value::Null),
            // A pause is not complete and may be continued: the only word for that.
            Finish::Length | Finish::Pause => incomplete("max_output_tokens"),
            // The refusal's words were streamed as text before anyone knew what they were: `completed` would hide that
            // this is not the answer.
            Finish::ContentFilter | Finish::Refusal => incomplete("content_filter"),
        };
        if out.stream {
            self.response_event(&format!("response.{status}"), status, details, Value::Null, out);
        } else {
            out.whole(&self.response.json(status, details, Value::Null));
        }
        self.is_over = true;
    }

    /// Nothing comes after it, and callers wait for it: Codex takes a stream that only ends for a broken connection.
    pub fn fail(&mut self, fault: &Fault, out: &mut Out) {
        if out.stream {
            self.response_event("response.failed", "failed", Value::Null, error::of_response(fault), out);
        } else {
            out.whole(&openai::body(fault));
        }
        self.is_over = true;
    }

    fn response_event(&mut self, event: &str, status: &str, details: Value, error: Value, out: &mut Out) {
        if out.stream {
            let response = self.response.json(status, details, error);
            out.event(event, &mut self.sequence, json!({"response": response}));
        }
    }
}
