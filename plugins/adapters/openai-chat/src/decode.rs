//! A reply of the provider, streamed or whole -> events.
//!
//! Many servers speak this protocol, each with an accent: usage in every chunk or in one without choices, no `[DONE]`,
//! calls without ids, whole calls in one piece. Whatever is merely unknown is passed over: replies that go to the
//! caller untouched are read here as well, for their usage and their faults.

mod assembly;
mod completeness;
mod embeddings;
mod loose;
mod wire;

pub use embeddings::fold as embeddings;

use crate::classify;
use assembly::{Assembly, CallPiece};
use loose::{Count, Loose, OptionalCount, OptionalText};
use pointsman_sdk::codec::chat::{self, Event, Finish, Finished, Started};
use pointsman_sdk::codec::provider::{Decoded, Frame};
use pointsman_sdk::codec::{Fault, FaultKind, fault, other_content, recall, remember};
use serde::{Deserialize, Serialize};
use serde_json::json;
use wire::{Choice, Chunk, Say};

pub fn fold(stream: bool, memory: &[u8], frames: &[Frame], ended: bool) -> Decoded {
    let mut reply: Reply = recall(memory);
    let mut events = Vec::new();
    for frame in frames {
        if !reply.is_over {
            reply.frame(stream, frame, &mut events);
        }
    }
    if ended && !reply.is_over {
        reply.complete(&mut events);
    }
    Decoded { events, memory: remember(&reply) }
}

/// What is remembered of one reply.
#[derive(Default, Serialize, Deserialize)]
struct Reply {
    started: bool,
    is_over: bool,
    id: String,
    assembly: Assembly,
    refused: bool,
    /// As the provider said it. Held until the stream's end, because the usage comes after it.
    finish_reason: Option<String>,
    stop_sequence: Option<String>,
    usage: Option<Usage>,
}

#[derive(Default, Serialize, Deserialize)]
struct Usage {
    input: u64,
    output: u64,
    cache_read: u64,
    cache_write: u64,
    reasoning: u64,
}

impl Usage {
    fn told(&self) -> chat::Usage {
        let &Usage { input, output, cache_read, cache_write, reasoning } = self;
        chat::Usage { input, output, cache_read, cache_write, reasoning }
    }
}

impl Reply {
    fn frame(&mut self, stream: bool, frame: &Frame, events: &mut Vec<Event>) {
        let data = frame.data.trim_ascii();
        if data.is_empty() && stream {
            return;
        }
        if data == b"[DONE]" {
            // Some servers say that all is said and not why. What is visibly cut is still told as such.
            if self.finish_reason.is_none() && self.assembly.looks_whole() {
                self.finish_reason = Some("stop".into());
            }
            return self.complete(events);
        }
        if frame.event.as_deref() == Some("error") {
            return self.fail(classify::in_stream(data), events);
        }
        let chunk: Chunk = match serde_json::from_slice(data) {
            Ok(chunk) => chunk,
            Err(error) => {
                let message = format!("the provider's reply is not a chat completion: {error}");
                return self.fail(fault(FaultKind::MalformedReply, message), events);
            }
        };
        if chunk.is_error() {
            return self.fail(classify::in_stream(data), events);
        }
        if let Some(words) = chunk.groq_error() {
            return self.fail(fault(FaultKind::ServerError, words), events);
        }
        if !stream && chunk.choices.as_ref().is_none_or(Vec::is_empty) {
            return self.fail(fault(FaultKind::MalformedReply, "the provider's reply has no choices"), events);
        }
        self.chunk(chunk, events);
        if !stream && !self.is_over {
            // A whole body that is whole JSON is complete, even where a server forgets to say why it stopped.
            self.finish_reason.get_or_insert_with(|| "stop".into());
            self.complete(events);
        }
    }

    fn chunk(&mut self, chunk: Chunk, events: &mut Vec<Event>) {
        if let Some(usage) = chunk.usage() {
            self.usage = Some(usage.counted());
        }
        let choices = chunk.choices.unwrap_or_default();
        // Azure begins with a chunk that has no choices, no id and no model: nothing has started yet.
        if !self.started && !choices.is_empty() {
            self.started = true;
            self.id = chunk.id.text().into();
            let model = chunk.model.text().into();
            let created_unix_s = chunk.created.number();
            events.push(Event::Started(Started { id: self.id.clone(), model, created_unix_s }));
        }
        // Only one answer was asked for; further ones are for callers of this same protocol.
        for choice in choices.into_iter().filter(|choice| choice.index.number() == 0) {
            self.choice(choice, events);
            if self.is_over {
                return;
            }
        }
    }

    fn choice(&mut self, choice: Choice, events: &mut Vec<Event>) {
        if let Some(error) = choice.error {
            let body = json!({"error": error}).to_string();
            return self.fail(classify::in_stream(body.as_bytes()), events);
        }
        if let Some(say) = choice.delta.or(choice.message) {
            self.say(say, events);
        }
        let reason = choice.finish_reason.text();
        if !reason.is_empty() {
            self.finish_reason = Some(reason.into());
            self.stop_sequence = choice.stop_reason.filter(|stop| stop.is_text()).map(|stop| stop.text().into());
        }
    }

    fn say(&mut self, say: Say, events: &mut Vec<Event>) {
        // Some servers fill several of them, with the same text.
        let names = [&say.reasoning_content, &say.reasoning, &say.reasoning_details];
        let named = names.into_iter().map(OptionalText::text).find(|text| !text.is_empty());
        let reasoning = named.unwrap_or_else(|| say.content.as_ref().map_or("", Loose::thoughts));
        self.assembly.reasoning(&self.id, reasoning, events);
        self.assembly.text(&self.id, say.content.text(), events);
        let refusal = say.refusal.text();
        if !refusal.is_empty() {
            self.refused = true;
            self.assembly.text(&self.id, refusal, events);
        }
        // OpenRouter's images, OpenAI's speech.
        if say.has_other_content() {
            events.push(other_content());
        }
        // What calls were before there were several.
        if let Some(function) = &say.function_call {
            let (name, arguments) = (function.name.text(), function.arguments.text());
            self.assembly.call(&self.id, CallPiece { wire_index: None, id: "", name, arguments }, events);
        }
        for call in say.tool_calls.unwrap_or_default() {
            // Custom tools have no function: only callers of this protocol can ask for them.
            if call.function.is_none() {
                events.push(other_content());
            }
            if let Some(function) = &call.function {
                let piece = CallPiece {
                    wire_index: call.index.as_ref().map(Count::number),
                    id: call.id.text(),
                    name: function.name.text(),
                    arguments: function.arguments.text(),
                };
                self.assembly.call(&self.id, piece, events);
            }
        }
    }

    /// Nothing more comes.
    fn complete(&mut self, events: &mut Vec<Event>) {
        let Some(reason) = self.finish_reason.take() else {
            return self.fail(fault(FaultKind::Truncated, "the reply ended before it was complete"), events);
        };
        if let Some(kind) = gave_up(&reason) {
            let message = format!("the provider gave up on its reply: finish_reason `{reason}`");
            return self.fail(fault(kind, message), events);
        }
        if let Err(broken) = self.assembly.finish(&self.id, events) {
            return self.fail(broken, events);
        }
        self.tell_usage(events);
        let reason = self.finish(&reason);
        let stop_sequence = self.stop_sequence.take().filter(|_| reason == Finish::StopSequence);
        events.push(Event::Finished(Finished { reason, stop_sequence }));
        self.is_over = true;
    }

    fn finish(&self, reason: &str) -> Finish {
        match reason {
            // `model_length` is Mistral's: the context is full.
            "length" | "max_tokens" | "model_length" => Finish::Length,
            "content_filter" => Finish::ContentFilter,
            "refusal" => Finish::Refusal,
            _ if self.refused => Finish::Refusal,
            "tool_calls" => Finish::ToolCalls,
            // Several servers say `stop` where the model waits for its tools.
            _ if self.assembly.has_calls() => Finish::ToolCalls,
            _ if self.stop_sequence.is_some() => Finish::StopSequence,
            _ => Finish::Stop,
        }
    }

    fn fail(&mut self, fault: Fault, events: &mut Vec<Event>) {
        self.tell_usage(events);
        events.push(Event::Failed(fault));
        self.is_over = true;
    }

    fn tell_usage(&mut self, events: &mut Vec<Event>) {
        if let Some(usage) = self.usage.take() {
            events.push(Event::Usage(usage.told()));
        }
    }
}

/// Finish reasons that say that there is no answer.
fn gave_up(reason: &str) -> Option<FaultKind> {
    match reason {
        "error" | "abort" => Some(FaultKind::ServerError),
        // DeepSeek's.
        "insufficient_system_resource" => Some(FaultKind::Overloaded),
        _ => None,
    }
}
