//! Requests as callers of any protocol could make them: with each thing that the contract knows alone, and with some of
//! them together.

use crate::plugin::bindings::chat::{
    Extra, JsonSchema, Media, MediaKind, Message, OutputFormat, Part, Reasoning, Request, ResultPart, Role, Sealed,
    Source, Text, Tool, ToolCall, ToolChoice, ToolResult,
};

/// What is asked in the simplest request of all.
pub const QUESTION: &str = "What does a pointsman do?";
/// Hard to keep: quotes, line ends, letters of two to four bytes, what ends an event.
pub const HARD: &str = "\"quoted\" \\ back\r\n\r\ndata: [DONE]\n\n\u{e9}\u{4e16}\u{1f44b}\u{0}\u{2028}";
/// Bytes of a text that is long, but no reason to refuse it.
const LONG_BYTES: usize = 1 << 20;
/// A PNG of one pixel.
const IMAGE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\nIDATx\x9cc\0\x01\0\0\x05\0\x01\r\n-\xb4\0\0\0\0IEND\xaeB`\x82";

type Feature = (&'static str, fn(&mut Request));

/// Each can be added to any request.
const FEATURES: [Feature; 29] = [
    ("a system message", |request| request.messages.insert(0, message(Role::System, vec![text("Be brief.")]))),
    ("several turns", |request| {
        request.messages.push(message(Role::Assistant, vec![text("He sets the switches.")]));
        request.messages.push(message(Role::User, vec![text("And then?")]));
    }),
    ("a system message between turns", |request| {
        request.messages.push(message(Role::System, vec![text("Be kind.")]));
        request.messages.push(message(Role::User, vec![text("Go on.")]));
    }),
    ("two messages of a user", |request| request.messages.push(message(Role::User, vec![text("Please.")]))),
    ("the answer's beginning", |request| request.messages.push(message(Role::Assistant, vec![text("He ")]))),
    ("text that is hard to keep", |request| add(request, text(HARD))),
    ("an empty text", |request| add(request, text(""))),
    ("an empty message", |request| request.messages.push(message(Role::User, Vec::new()))),
    ("tools", |request| tools(request)),
    ("a tool that must be called", |request| {
        tools(request);
        request.tool_choice = Some(ToolChoice::Named("weather".to_owned()));
        request.parallel_tool_calls = Some(false);
    }),
    ("a call and its result", |request| result(request, vec![ResultPart::Text(said("rain"))])),
    ("a result with an image", |request| result(request, vec![ResultPart::Media(image(bytes()))])),
    ("a result without content", |request| result(request, Vec::new())),
    ("an image", |request| add(request, Part::Media(image(bytes())))),
    ("an image by URL", |request| add(request, Part::Media(image(Source::Url("https://media.test/a.png".to_owned()))))),
    ("a document", |request| {
        let source = Source::Bytes(b"%PDF-1.4".to_vec());
        add(
            request,
            Part::Media(Media { kind: MediaKind::Document, mime: "application/pdf".to_owned(), ..image(source) }),
        )
    }),
    ("sound", |request| {
        let source = Source::Bytes(b"RIFF\0\0\0\0WAVE".to_vec());
        add(request, Part::Media(Media { kind: MediaKind::Audio, mime: "audio/wav".to_owned(), ..image(source) }))
    }),
    ("a thought that another provider sealed", |request| {
        let sealed = Sealed { maker: "somebody-else".to_owned(), data: "c2VhbGVk".to_owned() };
        let thought = Reasoning { text: "Hm.".to_owned(), signature: Some(sealed), redacted: None, extras: Vec::new() };
        request.messages.push(message(Role::Assistant, vec![Part::Reasoning(thought), text("Switches.")]));
        request.messages.push(message(Role::User, vec![text("Why?")]));
    }),
    ("stop sequences", |request| request.stop = vec!["END".to_owned(), "\n\n".to_owned()]),
    ("temperature and top-p", |request| (request.temperature, request.top_p) = (Some(0.5), Some(0.9))),
    ("the highest temperature", |request| request.temperature = Some(2.0)),
    ("a limit of tokens", |request| request.max_output_tokens = Some(99)),
    ("the largest limit of tokens", |request| request.max_output_tokens = Some(u32::MAX)),
    ("JSON as output", |request| request.output = OutputFormat::JsonObject),
    ("output by a schema", |request| {
        let (name, schema) = (Some("answer".to_owned()), SCHEMA.to_owned());
        request.output = OutputFormat::JsonSchema(JsonSchema { name, description: None, schema, strict: Some(true) });
    }),
    ("effort", |request| request.reasoning_effort = Some("low".to_owned())),
    ("a budget to reason", |request| {
        (request.reasoning_budget_tokens, request.max_output_tokens) = (Some(2048), Some(4096));
    }),
    ("a seed and a user", |request| (request.seed, request.user) = (Some(-1), Some("user \u{e9}".to_owned()))),
    ("fields of another protocol", |request| {
        request.extras = vec![Extra { name: "x_novelty".to_owned(), value: "{\"a\":[1]}".to_owned() }];
    }),
];

/// These are of no use beside others.
const ALONE: [Feature; 4] = [
    ("a long text", |request| add(request, text(&"All aboard. ".repeat(LONG_BYTES / 12)))),
    ("no message", |request| request.messages.clear()),
    ("a model with an odd name", |request| request.model = "a/b c?d#e%2f\u{e9}:1@2".to_owned()),
    ("a schema that is none", |request| {
        tools(request);
        request.tools.iter_mut().for_each(|tool| tool.parameters = "[5".to_owned());
    }),
];

const SCHEMA: &str =
    r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}"#;

/// Asks [`QUESTION`], and nothing else.
pub fn plain(stream: bool) -> Request {
    Request {
        model: "model-1".to_owned(),
        protocol: "pointsman-test".to_owned(),
        messages: vec![message(Role::User, vec![text(QUESTION)])],
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
        stream,
        user: None,
        extras: Vec::new(),
    }
}

/// Offers a tool.
pub fn with_tools() -> Request {
    let mut request = plain(false);
    tools(&mut request);
    request
}

/// Named by what is in them: each thing alone, streamed and not, and then nearly so many with some things together, by the
/// seed.
pub fn all(seed: u64, mixed: usize) -> Vec<(String, Request)> {
    let mut requests = Vec::new();
    for stream in [false, true] {
        requests.push((named("nothing but a question", stream), plain(stream)));
        for (name, add) in FEATURES.iter().chain(&ALONE) {
            let mut request = plain(stream);
            add(&mut request);
            requests.push((named(name, stream), request));
        }
    }
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..mixed {
        let mut request = plain(random.bool());
        let features: Vec<&Feature> = FEATURES.iter().filter(|_| random.u8(0..5) == 0).collect();
        features.iter().for_each(|(_, add)| add(&mut request));
        if features.is_empty() {
            continue;
        }
        let names: Vec<&str> = features.iter().map(|(name, _)| *name).collect();
        requests.push((named(&names.join(" + "), request.stream), request));
    }
    requests
}

fn named(what: &str, stream: bool) -> String {
    format!("a request with {what}{}", if stream { ", streamed" } else { "" })
}

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, extras: Vec::new() }
}

fn said(words: &str) -> Text {
    Text { text: words.to_owned(), extras: Vec::new() }
}

fn text(words: &str) -> Part {
    Part::Text(said(words))
}

fn bytes() -> Source {
    Source::Bytes(IMAGE.to_vec())
}

fn image(source: Source) -> Media {
    Media { kind: MediaKind::Image, mime: "image/png".to_owned(), source, title: None, extras: Vec::new() }
}

/// To what the user said last.
fn add(request: &mut Request, part: Part) {
    match request.messages.iter_mut().rev().find(|message| message.role == Role::User) {
        Some(message) => message.parts.push(part),
        None => request.messages.push(message(Role::User, vec![part])),
    }
}

fn tools(request: &mut Request) {
    if request.tools.is_empty() {
        let (description, parameters) = (Some("What the sky does.".to_owned()), SCHEMA.to_owned());
        let name = "weather".to_owned();
        request.tools.push(Tool { name, description, parameters, strict: None, extras: Vec::new() });
    }
}

fn result(request: &mut Request, content: Vec<ResultPart>) {
    tools(request);
    // No two calls of a conversation have the same id.
    let (id, name) = (format!("call_{}", request.messages.len()), "weather".to_owned());
    let arguments = r#"{"city":"Bern"}"#.to_owned();
    let call = ToolCall { id: id.clone(), name: name.clone(), arguments, extras: Vec::new() };
    let result = ToolResult { call_id: id, name: Some(name), failed: false, content, extras: Vec::new() };
    request.messages.push(message(Role::Assistant, vec![Part::ToolCall(call)]));
    request.messages.push(message(Role::User, vec![Part::ToolResult(result), text("And now?")]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_requests_each_unlike_the_plain_one() {
        let made = all(1, 50);
        assert!(made == all(1, 50) && made != all(2, 50));
        let alone = FEATURES.len() + ALONE.len();
        assert!((2 * (1 + alone) + 40..=2 * (1 + alone) + 50).contains(&made.len()), "{}", made.len());
        for (name, request) in &made[1..=alone] {
            assert_ne!(request, &plain(false), "{name}");
        }
        // A system's words are text, and results come first.
        for (name, request) in &made {
            for Message { role, parts, .. } in &request.messages {
                let only_text = parts.iter().all(|part| matches!(part, Part::Text(_)));
                assert!(only_text || *role != Role::System, "{name}");
                let results = parts.iter().skip_while(|part| matches!(part, Part::ToolResult(_)));
                assert!(!results.into_iter().any(|part| matches!(part, Part::ToolResult(_))), "{name}");
            }
        }
    }
}
