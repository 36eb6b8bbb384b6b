//! Requests in a test's few words. The adapters' tests include this file by its path, as they do `replies.rs`; what it
//! makes, of the types that their own SDK calls so.

use super::*;

/// What nobody said anything else of.
pub fn request_of(model: &str, protocol: &str, messages: Vec<Message>) -> Request {
    Request {
        model: model.into(),
        protocol: protocol.into(),
        messages,
        tools: Vec::new(),
        tool_choice: None,
        parallel_tool_calls: None,
        output: OutputFormat::Text,
        max_output_tokens: None,
        temperature: None,
        top_p: None,
        stop: Vec::new(),
        seed: None,
        reasoning_effort: None,
        reasoning_budget_tokens: None,
        stream: false,
        user: None,
        extras: Vec::new(),
    }
}

/// Of a model that nothing is known of.
pub fn no_facts() -> ModelFacts {
    ModelFacts {
        context_tokens: None,
        output_tokens: None,
        reasoning: None,
        sampling: None,
        prefill: None,
        mid_system: None,
        attributes: Vec::new(),
    }
}

pub fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, extras: Vec::new() }
}

pub fn user(parts: Vec<Part>) -> Message {
    message(Role::User, parts)
}

pub fn assistant(parts: Vec<Part>) -> Message {
    message(Role::Assistant, parts)
}

pub fn system(words: &str) -> Message {
    message(Role::System, vec![text(words)])
}

pub fn text(words: &str) -> Part {
    Part::Text(Text { text: words.into(), extras: Vec::new() })
}

pub fn media(kind: MediaKind, mime: &str, source: Source) -> Media {
    Media { kind, mime: mime.into(), source, title: None, extras: Vec::new() }
}

pub fn tool(name: &str, parameters: Value) -> Tool {
    let parameters = parameters.to_string();
    Tool { name: name.into(), description: None, parameters, strict: None, extras: Vec::new() }
}

pub fn extra(name: &str, value: Value) -> Extra {
    Extra { name: name.into(), value: value.to_string() }
}

/// The fault that a reply ends with.
pub fn failure(events: &[Event]) -> &Fault {
    match events.last() {
        Some(Event::Failed(fault)) => fault,
        other => panic!("expected a failure, not {other:?}"),
    }
}
