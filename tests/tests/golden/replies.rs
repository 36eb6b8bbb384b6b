//! Each provider's reply to each client: wherever its bytes are cut, and whether it is streamed or not.

use std::path::Path;

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use pointsman::plugin::bindings::chat::Event;
use pointsman::plugin::bindings::provider::{Frame, Framing};
use pointsman::plugin::{Codec, Plugin, bundled};
use pointsman::upstream::Framer;
use serde_json::Value;

use super::files::{Golden, entries, fixtures, read, stem};

const CLIENTS: [&str; 4] = ["openai-chat", "openai-responses", "anthropic-messages", "gemini"];

/// The adapter that reads a provider's wire format.
pub fn adapter_of(wire: &str) -> &str {
    match wire {
        "azure" | "vllm" | "llama-cpp" => "openai-chat",
        "bedrock-anthropic" => "anthropic-messages",
        wire => wire,
    }
}

/// Bytes as they come from the provider.
fn wire_bytes(file: &Path) -> (Framing, Vec<u8>) {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("sse") => (Framing::Sse, read(file).into_bytes()),
        Some("ndjson") => (Framing::Ndjson, read(file).into_bytes()),
        Some("frames") => (Framing::AwsEventStream, aws_bytes(file)),
        _ => (Framing::WholeBody, read(file).into_bytes()),
    }
}

fn aws_bytes(file: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in read(file).lines().filter(|line| !line.trim().is_empty()) {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let (kind, header, name) = match line["event"].as_str() {
            Some(name) => ("event", ":event-type", name),
            None => ("exception", ":exception-type", line["exception"].as_str().expect("an exception")),
        };
        let text = |text: &str| HeaderValue::String(text.to_owned().into());
        let message = Message::new(line["data"].to_string().into_bytes())
            .add_header(Header::new(":message-type", text(kind)))
            .add_header(Header::new(header.to_owned(), text(name)));
        write_message_to(&message, &mut bytes).expect("a small message");
    }
    bytes
}

/// The frames of a stream that arrives in two pieces.
fn frames(framing: Framing, bytes: &[u8], cut: usize) -> Vec<Frame> {
    let mut framer = Framer::new(framing).expect("a stream");
    let mut frames = Vec::new();
    for piece in [&bytes[..cut], &bytes[cut..]] {
        framer.push(piece);
        while let Some(frame) = framer.next_frame().expect("good frames") {
            frames.push(frame);
        }
    }
    frames.extend(framer.last_frame());
    let with_data =
        frames.into_iter().filter_map(|frame| Some(Frame { event: frame.name, data: frame.data?.to_vec() }));
    with_data.collect()
}

async fn decode(codec: &Codec, stream: bool, batches: &[&[Frame]]) -> Vec<Event> {
    let (mut memory, mut events) = (Vec::new(), Vec::new());
    for (position, batch) in batches.iter().enumerate() {
        let ended = position + 1 == batches.len();
        let decoded = codec.decode("chat", stream, &memory, batch, ended).await.expect("an answer");
        memory = decoded.memory;
        events.extend(decoded.events);
    }
    events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reply_to_every_client() {
    let mut golden = Golden::default();
    for case in entries(&fixtures("replies")) {
        for file in entries(&case) {
            let (framing, bytes) = wire_bytes(&file);
            let wire = stem(&file);
            let name = format!("{}/{}", stem(&case), file.file_name().unwrap_or_default().to_string_lossy());
            let plugin = bundled(adapter_of(&wire)).await.expect("built in");
            let codec = plugin.codec.as_ref().expect("an adapter");
            let events = match framing {
                Framing::WholeBody => decode(codec, false, &[&[Frame { event: None, data: bytes }]]).await,
                framing => streamed(codec, framing, &bytes, &name).await,
            };
            in_order(&events, &name);
            let stream = framing != Framing::WholeBody;
            let mut text: String = events.iter().map(|event| format!("{event:?}\n")).collect();
            for client in CLIENTS {
                text += &format!("\n--- to {client}, stream: {stream}\n");
                text += &written(client, stream, &events, &name).await;
            }
            golden.compare(&format!("replies/{name}.txt"), &text);
        }
        same_whole_as_streamed(&case).await;
    }
    golden.finish();
}

/// The events of a stream, which must not depend on where it is cut.
async fn streamed(codec: &Codec, framing: Framing, bytes: &[u8], name: &str) -> Vec<Event> {
    let whole = frames(framing, bytes, bytes.len());
    for cut in 0..bytes.len() {
        assert!(frames(framing, bytes, cut) == whole, "{name}: other frames when it is cut at byte {cut}");
    }
    let events = decode(codec, true, &[&whole, &[]]).await;
    for cut in 0..=whole.len() {
        let (before, after) = whole.split_at(cut);
        assert_eq!(decode(codec, true, &[before, after, &[]]).await, events, "{name}: cut before frame {cut}");
    }
    let one_by_one: Vec<&[Frame]> = whole.chunks(1).chain([&[][..]]).collect();
    assert_eq!(decode(codec, true, &one_by_one).await, events, "{name}: frame by frame");
    events
}

/// What the contract says of every reply: see `event` in `wit/chat.wit`.
fn in_order(events: &[Event], name: &str) {
    let mut open: Option<u32> = None;
    let mut next = 0;
    for (position, event) in events.iter().enumerate() {
        let last = position + 1 == events.len();
        assert_eq!(
            matches!(event, Event::Finished(_) | Event::Failed(_)),
            last,
            "{name}: one end, at the end: {events:?}"
        );
        let index = match event {
            Event::Started(_) => {
                assert!(events[..position].iter().all(|event| matches!(event, Event::Ping)), "{name}: starts late");
                continue;
            }
            // Content that the contract has no word for may come anywhere.
            Event::ToolArgumentsDelta(delta) if delta.index == u32::MAX => continue,
            Event::TextDelta(delta) | Event::ReasoningDelta(delta) | Event::ToolArgumentsDelta(delta) => delta.index,
            Event::ReasoningSignature(sealed) | Event::RedactedReasoning(sealed) => sealed.index,
            Event::ToolCallStarted(call) => call.index,
            Event::PartFinished(index) => {
                assert_eq!(open.take(), Some(*index), "{name}: a part ends that is not open: {events:?}");
                continue;
            }
            Event::Finished(_) => {
                assert_eq!(open, None, "{name}: finished within a part: {events:?}");
                continue;
            }
            _ => continue,
        };
        match open {
            Some(open) => assert_eq!(open, index, "{name}: parts overlap: {events:?}"),
            None => {
                assert_eq!(index, next, "{name}: parts are counted from 0: {events:?}");
                (open, next) = (Some(index), next + 1);
            }
        }
    }
    let ended = matches!(events.last(), Some(Event::Finished(_) | Event::Failed(_)));
    assert!(ended, "{name}: a reply without an end: {events:?}");
}

/// What a client reads, which must not depend on how events come together.
async fn written(client: &str, stream: bool, events: &[Event], name: &str) -> String {
    let plugin: std::sync::Arc<Plugin> = bundled(client).await.expect("built in");
    let codec = plugin.codec.as_ref().expect("a codec");
    // Only who offered a tool that takes free text gets a call of it as one.
    let with_custom = fixtures(&format!("requests/custom-tools/{client}.json"));
    let asked = match name.starts_with("custom-call/") && with_custom.exists() {
        true => read(&with_custom),
        false => read(&fixtures(&format!("requests/reasoning/{client}.json"))),
    };
    let reading = codec.read("chat", &[], asked.as_bytes()).await.expect("an answer").expect("a good request");
    let events: Vec<Event> = events.iter().cloned().map(dated).collect();
    let (mut memory, mut pieces) = (reading.memory.clone(), Vec::new());
    // Input that is told together with the beginning may be told on together with it.
    let together = |a: &Event, b: &Event| matches!((a, b), (Event::Started(_), Event::Usage(_)));
    let mut batches = events.chunk_by(together).peekable();
    while let Some(batch) = batches.next() {
        let ended = batches.peek().is_none();
        let written = codec.write("chat", stream, &memory, batch, ended).await;
        let written = written.expect("an answer");
        memory = written.memory;
        pieces.extend(written.bytes);
    }
    let at_once = codec.write("chat", stream, &reading.memory, &events, true).await.expect("an answer").bytes;
    let (pieces, at_once) = (String::from_utf8(pieces), String::from_utf8(at_once));
    assert_eq!(pieces, at_once, "{name} to {client}: other bytes when the events come one by one");
    pieces.expect("text")
}

/// The host fills in the id and the time where a provider gives none, and the name that the caller used.
fn dated(event: Event) -> Event {
    match event {
        Event::Started(mut started) => {
            started.model = "asked".to_owned();
            if started.id.is_empty() {
                started.id = "0123456789abcdef".to_owned();
            }
            started.created_unix_s = 1_780_394_400;
            Event::Started(started)
        }
        event => event,
    }
}

/// A reply says the same whether it is streamed or not.
async fn same_whole_as_streamed(case: &Path) {
    for file in entries(case).into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "json")) {
        let wire = stem(&file);
        let streamed = entries(case).into_iter().find(|other| stem(other) == wire && *other != file);
        let Some(streamed) = streamed else { continue };
        let plugin = bundled(adapter_of(&wire)).await.expect("built in");
        let codec = plugin.codec.as_ref().expect("an adapter");
        let whole = decode(codec, false, &[&[Frame { event: None, data: read(&file).into_bytes() }]]).await;
        let (framing, bytes) = wire_bytes(&streamed);
        let frames = frames(framing, &bytes, 0);
        let streamed = decode(codec, true, &[&frames, &[]]).await;
        assert_eq!(summary(&whole), summary(&streamed), "{}", file.display());
    }
}

/// What a reply says, without how it came. Ids may differ: the two files are two replies.
fn summary(events: &[Event]) -> Vec<String> {
    let mut summary: Vec<(String, String)> = Vec::new();
    let mut add = |kind: &str, text: &str| match summary.last_mut() {
        Some((last, joined)) if last == kind => joined.push_str(text),
        _ => summary.push((kind.to_owned(), text.to_owned())),
    };
    let (mut usage, mut other) = (String::new(), false);
    for event in events {
        match event {
            Event::TextDelta(delta) => add("text", &delta.text),
            Event::ReasoningDelta(delta) => add("reasoning", &delta.text),
            Event::ReasoningSignature(sealed) => add("signature", &sealed.sealed.data),
            Event::RedactedReasoning(sealed) => add("redacted", &sealed.sealed.data),
            Event::ToolCallStarted(call) => add(&format!("call {} {}", call.index, call.name), ""),
            // How many pieces it has is not told.
            Event::ToolArgumentsDelta(delta) if delta.index == u32::MAX => other = true,
            Event::ToolArgumentsDelta(delta) => add("arguments", &delta.text),
            Event::Usage(told) => usage = format!("{told:?}"),
            Event::Finished(finished) => add("finished", &format!("{finished:?}")),
            Event::Failed(fault) => add("failed", &format!("{:?}", fault.kind)),
            Event::Started(_) | Event::Ping | Event::PartFinished(_) | Event::Embedding(_) => {}
        }
    }
    let argument = |(kind, text): (String, String)| match kind.as_str() {
        "arguments" => format!("arguments {}", serde_json::from_str::<Value>(&text).unwrap_or(Value::from(text))),
        _ => format!("{kind} {text}"),
    };
    // A call without arguments has none, or `{}`.
    let told = summary.into_iter().map(argument).filter(|line| line != "arguments {}");
    told.chain([usage, format!("other content: {other}")]).collect()
}
