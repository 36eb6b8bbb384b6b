//! Events -> a chat completion for a caller of this protocol, streamed or whole; and the errors before any reply.

pub mod embeddings;
mod wire;

pub use pointsman_sdk::openai::refuse;

use pointsman_sdk::codec::chat::{Event, Finish, Started, Usage};
use pointsman_sdk::codec::client_protocol::Written;
use pointsman_sdk::codec::{Fault, FaultKind, fault, recall, remember};
use pointsman_sdk::{freeform, openai};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wire::{Call, CallCustom, CallFunction, Delta, Head};

/// What reading a request leaves for its reply.
/// `custom`: names of tools that take free text.
pub fn first_memory(include_usage: bool, mut custom: Vec<String>) -> Vec<u8> {
    custom.sort_unstable();
    remember(&Reply { include_usage, custom, ..Reply::default() })
}

pub fn fold(stream: bool, memory: &[u8], events: Vec<Event>, ended: bool) -> Written {
    let mut reply: Reply = recall(memory);
    let mut bytes = Vec::new();
    for event in events {
        if reply.is_over {
            break;
        }
        match stream {
            true => reply.stream(event, &mut bytes),
            false => reply.collect(event, &mut bytes),
        }
    }
    if ended && !reply.is_over {
        // The contract's last event is missing: a caller must not take this for a whole answer.
        let fault = fault(FaultKind::Truncated, "the reply ended before it was complete");
        reply.fail(stream, &fault, &mut bytes);
    }
    Written { bytes, memory: remember(&reply) }
}

/// What is remembered of one reply.
#[derive(Default, Serialize, Deserialize)]
struct Reply {
    include_usage: bool,
    /// Names of tools that take free text.
    custom: Vec<String>,
    is_over: bool,
    head: Head,
    role_sent: bool,
    usage: Option<wire::Usage>,
    /// Calls so far: OpenAI numbers calls, not parts.
    calls: u32,
    open_call: Option<OpenCall>,
    /// Only of a reply that is not streamed.
    whole: Whole,
}

#[derive(Serialize, Deserialize)]
struct OpenCall {
    has_arguments: bool,
    /// The arguments so far, of a call whose text is told when it is complete.
    free: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
struct Whole {
    text: String,
    reasoning: String,
    /// Id, name and arguments.
    calls: Vec<(String, String, String)>,
}

impl Reply {
    fn stream(&mut self, event: Event, bytes: &mut Vec<u8>) {
        match event {
            Event::Started(started) => {
                self.start(started);
                self.role(bytes);
            }
            // A comment: clients pass over it, and proxies see that the connection lives.
            Event::Ping => bytes.extend_from_slice(b": ping\n\n"),
            // Only in the reply to another operation.
            Event::Embedding(_) => {}
            Event::TextDelta(delta) => self.delta(&Delta { content: Some(&delta.text), ..Delta::default() }, bytes),
            Event::ReasoningDelta(delta) => {
                self.delta(&Delta { reasoning_content: Some(&delta.text), ..Delta::default() }, bytes);
            }
            // Valid only at the provider that made them, and this protocol has no field for them.
            Event::ReasoningSignature(_) | Event::RedactedReasoning(_) => {}
            Event::ToolCallStarted(call) => {
                self.calls += 1;
                let is_free = self.custom.binary_search(&call.name).is_ok();
                self.open_call = Some(OpenCall { has_arguments: false, free: is_free.then(String::new) });
                if is_free {
                    let custom = CallCustom { name: Some(&call.name), input: "" };
                    let call = Call { id: Some(&call.id), kind: Some(freeform::KIND), ..self.current_custom(custom) };
                    return self.call(call, bytes);
                }
                let function = CallFunction { name: Some(&call.name), arguments: "" };
                self.call(Call { id: Some(&call.id), kind: Some("function"), ..self.current(function) }, bytes);
            }
            Event::ToolArgumentsDelta(delta) if delta.text.is_empty() => {}
            Event::ToolArgumentsDelta(delta) => {
                if let Some(OpenCall { free: Some(text), .. }) = &mut self.open_call {
                    text.push_str(&delta.text);
                    return;
                }
                self.open_call = Some(OpenCall { has_arguments: true, free: None });
                self.call(self.current(CallFunction { name: None, arguments: &delta.text }), bytes);
            }
            Event::PartFinished(_) => {
                match self.open_call.take() {
                    Some(OpenCall { free: Some(arguments), .. }) => {
                        let input = freeform::input(&arguments);
                        self.call(self.current_custom(CallCustom { name: None, input: &input }), bytes);
                    }
                    // Callers parse the arguments, and nothing is no JSON.
                    Some(OpenCall { has_arguments: false, .. }) => {
                        self.call(self.current(CallFunction { name: None, arguments: "{}" }), bytes);
                    }
                    _ => {}
                }
            }
            Event::Usage(usage) => self.usage = Some(usage.into()),
            Event::Finished(finished) => self.finish_stream(finished.reason, bytes),
            Event::Failed(fault) => self.fail(true, &fault, bytes),
        }
    }

    fn start(&mut self, started: Started) {
        self.head = Head { id: completion_id(&started.id), model: started.model, created: started.created_unix_s };
    }

    fn role(&mut self, bytes: &mut Vec<u8>) {
        if !self.role_sent {
            self.role_sent = true;
            let delta = Delta { role: Some("assistant"), content: Some(""), ..Delta::default() };
            self.head.chunk(&delta, None, self.include_usage, bytes);
        }
    }

    fn delta(&mut self, delta: &Delta, bytes: &mut Vec<u8>) {
        self.role(bytes);
        self.head.chunk(delta, None, self.include_usage, bytes);
    }

    fn current<'a>(&self, function: CallFunction<'a>) -> Call<'a> {
        let index = self.calls.saturating_sub(1);
        Call { index, id: None, kind: None, function: Some(function), custom: None }
    }

    fn current_custom<'a>(&self, custom: CallCustom<'a>) -> Call<'a> {
        let index = self.calls.saturating_sub(1);
        Call { index, id: None, kind: None, function: None, custom: Some(custom) }
    }

    fn call(&mut self, call: Call, bytes: &mut Vec<u8>) {
        self.delta(&Delta { tool_calls: Some([call]), ..Delta::default() }, bytes);
    }

    fn finish_stream(&mut self, reason: Finish, bytes: &mut Vec<u8>) {
        self.role(bytes);
        self.head.chunk(&Delta::default(), Some(finish_reason(reason)), self.include_usage, bytes);
        if let Some(usage) = self.usage.take().filter(|_| self.include_usage) {
            self.head.usage_chunk(usage, bytes);
        }
        bytes.extend_from_slice(b"data: [DONE]\n\n");
        self.is_over = true;
    }

    fn collect(&mut self, event: Event, bytes: &mut Vec<u8>) {
        match event {
            Event::Started(started) => self.start(started),
            Event::Ping | Event::PartFinished(_) | Event::Embedding(_) => {}
            Event::ReasoningSignature(_) | Event::RedactedReasoning(_) => {}
            Event::TextDelta(delta) => self.whole.text.push_str(&delta.text),
            Event::ReasoningDelta(delta) => self.whole.reasoning.push_str(&delta.text),
            Event::ToolCallStarted(call) => self.whole.calls.push((call.id, call.name, String::new())),
            Event::ToolArgumentsDelta(delta) => {
                if let Some((_, _, arguments)) = self.whole.calls.last_mut() {
                    arguments.push_str(&delta.text);
                }
            }
            Event::Usage(usage) => self.usage = Some(usage.into()),
            Event::Finished(finished) => {
                let completion = self.completion(finished.reason);
                bytes.extend_from_slice(completion.to_string().as_bytes());
                self.is_over = true;
            }
            Event::Failed(fault) => self.fail(false, &fault, bytes),
        }
    }

    fn completion(&mut self, reason: Finish) -> Value {
        let whole = std::mem::take(&mut self.whole);
        let silent = whole.text.is_empty() && !whole.calls.is_empty();
        let content = if silent { Value::Null } else { whole.text.into() };
        let mut message = json!({"role": "assistant", "content": content, "refusal": null});
        if !whole.reasoning.is_empty() {
            message["reasoning_content"] = whole.reasoning.into();
        }
        if !whole.calls.is_empty() {
            let calls = whole.calls.into_iter().map(|(id, name, arguments)| {
                if self.custom.binary_search(&name).is_ok() {
                    let custom = json!({"name": name, "input": freeform::input(&arguments)});
                    return json!({"id": id, "type": freeform::KIND, "custom": custom});
                }
                let arguments = if arguments.is_empty() { "{}".into() } else { arguments };
                json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
            });
            message["tool_calls"] = calls.collect();
        }
        let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason(reason)});
        self.head.completion(choice, self.usage.take())
    }

    /// Nothing comes after it, `[DONE]` least of all: that would call the reply complete.
    fn fail(&mut self, stream: bool, fault: &Fault, bytes: &mut Vec<u8>) {
        let error = openai::body(fault).to_string();
        match stream {
            true => bytes.extend_from_slice(format!("data: {error}\n\n").as_bytes()),
            false => bytes.extend_from_slice(error.as_bytes()),
        }
        self.is_over = true;
    }
}

fn completion_id(id: &str) -> String {
    if id.starts_with("chatcmpl-") { id.into() } else { format!("chatcmpl-{id}") }
}

fn finish_reason(reason: Finish) -> &'static str {
    match reason {
        Finish::Stop | Finish::StopSequence => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        // The refusal's words were streamed as content before anyone knew what they were: `message.refusal` would
        // repeat them, and `stop` would hide that this is not the answer.
        Finish::ContentFilter | Finish::Refusal => "content_filter",
        // Not complete, may be continued: the only word for that.
        Finish::Pause => "length",
    }
}

impl From<Usage> for wire::Usage {
    fn from(usage: Usage) -> Self {
        wire::Usage { input: usage.input, output: usage.output, cached: usage.cache_read, reasoning: usage.reasoning }
    }
}
