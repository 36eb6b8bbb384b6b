//! What must hold for any bytes. The same bodies run as property tests on stable Rust (`tests/any_bytes.rs`) and under
//! cargo-fuzz (`targets/`).

mod change;
pub mod fixtures;
mod framing;
mod order;
mod subjects;
mod written;

pub use change::change;
pub use framing::{FRAMINGS, framing, name_of};
pub use subjects::{NAMED_BY, Subject, drawn, subjects};

use order::{in_order, one_end};
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::Event;
use pointsman_sdk::codec::provider::Frame;
use serde::de::IgnoredAny;
use subjects::models;
use written::written;

/// The host's own files name the framings so.
mod plugin {
    pub mod bindings {
        pub use pointsman_sdk::codec::provider;
    }
}

/// Any body: what can be read can be said to every provider, or is refused. How many said it?
pub fn body(subject: &Subject, bytes: &[u8]) -> usize {
    let Some(client) = subject.client else { return 0 };
    let (mut said, pick) = (0, bytes.len());
    for operation in ["chat", "count-tokens"] {
        let (mut request, memory) = match (client.read)(operation, bytes.to_vec()) {
            Ok(reading) => reading,
            Err(fault) => {
                refused(&client, fault, subject.name);
                continue;
            }
        };
        written(&client, operation == "chat" && request.stream, &memory, &example(), subject.name);
        // The host sets it, to the name in the configuration.
        request.model = "a b/ü?#%2e..:\r\n\"{model}\0".chars().cycle().skip(pick % 20).take(20).collect();
        for provider in subjects() {
            let name = format!("{} to {}", subject.name, provider.name);
            let settings = provider.settings[pick / 6 % provider.settings.len()];
            match (provider.encode)(settings, operation, request.clone(), models()[pick % 6].clone()) {
                Ok(encoded) => {
                    assert!(is_json(&encoded.body), "{name}: the body is not JSON");
                    legal_path(&encoded.path, &name);
                    for (header, value) in encoded.headers {
                        assert!(is_visible(&header) && is_visible(&value), "{name}: {header}: {value:?}");
                    }
                    said += 1;
                }
                Err(fault) => refused(&client, fault, &name),
            }
        }
    }
    said
}

/// Any reply, in frames: the same events whichever frames come together, in order, and every caller can read them.
pub fn reply(subject: &Subject, stream: bool, frames: &[Frame], batch: usize) -> Vec<Event> {
    let events = decoded(subject, "chat", stream, frames, batch);
    in_order(&events, subject.name);
    for client in subjects().iter().filter_map(|subject| subject.client) {
        let (_, memory) = (client.read)("chat", client.asks.into()).expect("a good request");
        for memory in [memory, Vec::new()] {
            written(&client, stream, &memory, &events, subject.name);
        }
    }
    if !stream {
        for operation in ["count-tokens", "embeddings"] {
            one_end(&decoded(subject, operation, stream, frames, batch), subject.name);
        }
    }
    events
}

fn decoded(subject: &Subject, operation: &str, stream: bool, frames: &[Frame], batch: usize) -> Vec<Event> {
    let fold = |batches: &[&[Frame]]| {
        let (mut memory, mut events) = (Vec::new(), Vec::new());
        for (position, batch) in batches.iter().enumerate() {
            let (more, kept) = (subject.decode)(operation, stream, memory, batch, position + 1 == batches.len());
            events.extend(more);
            memory = kept;
        }
        events
    };
    let at_once = fold(&[frames]);
    for size in [1, batch.max(1)] {
        let batches: Vec<&[Frame]> = frames.chunks(size).chain([&[][..]]).collect();
        assert_eq!(fold(&batches), at_once, "{}: {size} frames at a time, and all at once", subject.name);
    }
    at_once
}

/// Any error reply means something, and every caller can be told.
pub fn error(subject: &Subject, status: u16, bytes: &[u8]) -> Fault {
    let fault = (subject.classify)(status, bytes.to_vec());
    assert!(fault.message.len() <= bytes.len() + 1000, "{}: a message of {}", subject.name, fault.message.len());
    for client in subjects().iter().filter_map(|subject| subject.client) {
        refused(&client, fault.clone(), subject.name);
    }
    fault
}

/// Any settings and any model: a description or a sentence for the operator, and a path that is one.
pub fn call(subject: &Subject, settings: &str, model: &str) {
    for settings in [settings, subject.settings[model.len() % subject.settings.len()]] {
        let good = (subject.describe)(settings);
        assert_ne!(good, Err(String::new()), "{}: nothing is said about bad settings", subject.name);
        for operation in ["chat", "count-tokens", "embeddings"] {
            if let Ok(path) = (subject.forward)(settings, operation, model, model.len().is_multiple_of(2)) {
                assert_eq!(good, Ok(()), "{}: the settings are bad", subject.name);
                legal_path(&path, subject.name);
            }
        }
    }
}

fn refused(client: &subjects::Client, fault: Fault, name: &str) {
    let (status, body) = (client.refuse)(fault);
    assert!((400..600).contains(&status), "{name}: refused with {status}");
    assert!(is_json(&body), "{name}: the refusal is not JSON");
}

fn legal_path(path: &str, name: &str) {
    assert!(path.starts_with('/') && is_visible(path), "{name}: {path:?} is no path");
    let encoded = !path.contains(['"', '#', '{', '}', '\\', ' ']) && path.matches('?').count() <= 1;
    assert!(encoded, "{name}: {path:?} is not URL-encoded");
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

/// A small reply with everything in it.
fn example() -> Vec<Event> {
    let subject = subjects()[0];
    let body = r#"{"id":"i","model":"m","stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":2},"content":[
        {"type":"thinking","thinking":"t","signature":"s"},{"type":"redacted_thinking","data":"d"},
        {"type":"text","text":"x"},{"type":"tool_use","id":"c","name":"n","input":{"a":1}}]}"#;
    (subject.decode)("chat", false, Vec::new(), &[Frame { event: None, data: body.into() }], true).0
}

/// A reply that is not streamed.
pub fn whole(bytes: &[u8]) -> [Frame; 1] {
    [Frame { event: None, data: bytes.to_vec() }]
}

/// Frames of a stream, from bytes: the event's name and a tab, if it has one, and the data, to the end of the line.
pub fn frames(bytes: &[u8]) -> Vec<Frame> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let frame = |line: &[u8]| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        match line.iter().position(|byte| *byte == b'\t') {
            Some(tab) => {
                let event = Some(String::from_utf8_lossy(&line[..tab]).into_owned());
                Frame { event, data: line[tab + 1..].to_vec() }
            }
            None => Frame { event: None, data: line.to_vec() },
        }
    };
    lines.map(frame).collect()
}
