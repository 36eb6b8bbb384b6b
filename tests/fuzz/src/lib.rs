//! What must hold for any bytes, for each codec: nothing panics, a reply has one end, and what is written is text. The
//! same bodies run as property tests on stable Rust (`tests/any_bytes.rs`) and under cargo-fuzz (`targets/`).

use pointsman_sdk::codec::chat::{Event, Request};
use pointsman_sdk::codec::{ClientProtocol, Fault};

/// One codec or adapter, as functions.
#[derive(Clone, Copy)]
pub struct Subject {
    pub name: &'static str,
    /// Absent where no caller speaks the protocol.
    pub client: Option<Client>,
    encode: fn(Request) -> Result<Vec<u8>, Fault>,
    decode: fn(bool, Vec<u8>, Vec<Piece>, bool) -> (Vec<Event>, Vec<u8>),
    classify: fn(u16, Vec<u8>) -> Fault,
}

/// The caller's side of a codec.
#[derive(Clone, Copy)]
pub struct Client {
    read: fn(&str, Vec<u8>) -> Result<(Request, Vec<u8>), Fault>,
    write: fn(&str, bool, Vec<u8>, Vec<Event>, bool) -> (Vec<u8>, Vec<u8>),
}

/// A frame: its event's name and its data.
pub type Piece = (Option<String>, Vec<u8>);

macro_rules! provider_side {
    ($codec:path, $provider:path) => {{
        use provider::Guest as _;
        use $provider as provider;
        type Codec = $codec;
        let encode: fn(Request) -> Result<Vec<u8>, Fault> = |request| {
            let facts = provider::ModelFacts {
                context_tokens: None,
                output_tokens: None,
                reasoning: None,
                sampling: None,
                prefill: None,
                mid_system: None,
                attributes: Vec::new(),
            };
            let settings = r#"{"region":"us-east-1"}"#;
            let settings = if <Codec as provider::Guest>::describe(settings.into()).is_ok() { settings } else { "{}" };
            Codec::encode(settings.into(), "chat".into(), request, facts).map(|encoded| encoded.body)
        };
        let decode: fn(bool, Vec<u8>, Vec<Piece>, bool) -> (Vec<Event>, Vec<u8>) = |stream, memory, frames, ended| {
            let frames = frames.into_iter().map(|(event, data)| provider::Frame { event, data }).collect();
            let decoded = Codec::decode("chat".into(), stream, memory, frames, ended);
            (decoded.events, decoded.memory)
        };
        let classify: fn(u16, Vec<u8>) -> Fault = |status, body| {
            let headers = vec![provider::Header { name: "retry-after".into(), value: "7".into() }];
            Codec::classify("chat".into(), provider::ReplyHead { status, headers }, body)
        };
        (encode, decode, classify)
    }};
}

fn client<C: ClientProtocol>() -> Option<Client> {
    Some(Client {
        read: |operation, body| {
            let reading = C::read(operation.into(), body)?;
            Ok((reading.request, reading.memory))
        },
        write: |operation, stream, memory, events, ended| {
            let written = C::write(operation.into(), stream, memory, events, ended);
            (written.bytes, written.memory)
        },
    })
}

/// All that is built in.
pub fn subjects() -> [Subject; 6] {
    let subject = |name, client, (encode, decode, classify)| Subject { name, client, encode, decode, classify };
    [
        subject(
            "anthropic-messages",
            client::<anthropic_messages::Codec>(),
            provider_side!(anthropic_messages::Codec, pointsman_sdk::codec::provider),
        ),
        subject(
            "openai-chat",
            client::<openai_chat::Codec>(),
            provider_side!(openai_chat::Codec, pointsman_sdk::codec::provider),
        ),
        subject(
            "openai-responses",
            client::<openai_responses::Codec>(),
            provider_side!(openai_responses::Codec, pointsman_sdk::codec::provider),
        ),
        subject("gemini", client::<gemini::Codec>(), provider_side!(gemini::Codec, pointsman_sdk::codec::provider)),
        subject("bedrock-converse", None, provider_side!(bedrock_converse::Adapter, pointsman_adapter_sdk::provider)),
        subject("ollama", None, provider_side!(ollama::Adapter, pointsman_adapter_sdk::provider)),
    ]
}

/// Any body: what can be read can be said to every provider, or is refused.
pub fn body(subject: &Subject, bytes: &[u8]) {
    let Some(client) = subject.client else { return };
    for operation in ["chat", "count-tokens"] {
        let Ok((request, _)) = (client.read)(operation, bytes.to_vec()) else { continue };
        for provider in subjects() {
            if let Ok(body) = (provider.encode)(request.clone()) {
                let json: Result<serde_json::Value, _> = serde_json::from_slice(&body);
                assert!(json.is_ok(), "{} to {}: the body is not JSON", subject.name, provider.name);
            }
        }
    }
}

/// Any reply, in frames: one end, and every caller can read it.
pub fn reply(subject: &Subject, stream: bool, frames: &[Piece]) {
    let (mut memory, mut events) = (Vec::new(), Vec::new());
    for frame in frames {
        let (more, kept) = (subject.decode)(stream, memory, vec![frame.clone()], false);
        events.extend(more);
        memory = kept;
    }
    let (more, _) = (subject.decode)(stream, memory, Vec::new(), true);
    events.extend(more);
    let ends = events.iter().filter(|event| matches!(event, Event::Finished(_) | Event::Failed(_))).count();
    assert_eq!(ends, 1, "{}: one end: {events:?}", subject.name);
    assert!(matches!(events.last(), Some(Event::Finished(_) | Event::Failed(_))), "{}: {events:?}", subject.name);
    for (client, name) in subjects().iter().filter_map(|subject| Some((subject.client?, subject.name))) {
        let (mut memory, mut bytes) = (Vec::new(), Vec::new());
        for (position, event) in events.iter().enumerate() {
            let ended = position + 1 == events.len();
            let (more, kept) = (client.write)("chat", stream, memory, vec![event.clone()], ended);
            bytes.extend(more);
            memory = kept;
        }
        assert!(String::from_utf8(bytes).is_ok(), "{} to {name}: not text", subject.name);
    }
}

/// Any error reply means something.
pub fn error(subject: &Subject, status: u16, bytes: &[u8]) {
    let fault = (subject.classify)(status, bytes.to_vec());
    assert!(fault.message.len() < 1 << 20, "{}: a message of {} bytes", subject.name, fault.message.len());
}

/// Frames of a stream, from bytes: `name`, a colon, the data, to the end of the line.
pub fn frames(bytes: &[u8]) -> Vec<Piece> {
    let lines = bytes.split(|byte| *byte == b'\n');
    let frame = |line: &[u8]| match line.iter().position(|byte| *byte == b'\t') {
        Some(tab) => (Some(String::from_utf8_lossy(&line[..tab]).into_owned()), line[tab + 1..].to_vec()),
        None => (None, line.to_vec()),
    };
    lines.map(frame).collect()
}
