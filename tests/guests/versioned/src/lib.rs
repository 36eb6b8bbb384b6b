//! An adapter of which a test makes as many versions as it likes: what it is stands in its bytes, and is changed there. Each
//! shows its version to the provider, and to itself in what it remembers of a reply: a reply that one version began and
//! another went on with traps.

use pointsman_sdk::codec::chat::{
    Delta, Event, Finish, Finished, Message, OutputFormat, Part, Request, Role, Started, Text,
};
use pointsman_sdk::codec::client_protocol::{self, Endpoint, HttpReply, Reading, Streaming, Written};
use pointsman_sdk::codec::provider::{
    self, Auth, Call, Decoded, Encoded, Frame, Framing, Header, HeaderAuth, ModelFacts, ReplyHead,
};
use pointsman_sdk::codec::{ClientProtocol, Fault, FaultKind, Provider, fault};
use serde_json::{Value, json};

/// `well`, or how it is not, and a number.
static VERSION: [u8; 30] = *b"pointsman-version:well#0000000";

pub struct Codec;

fn version() -> String {
    String::from_utf8_lossy(std::hint::black_box(&VERSION)).replace("pointsman-version:", "")
}

fn is(how: &str) -> bool {
    version().starts_with(how)
}

impl Provider for Codec {
    fn describe(_: String) -> Result<provider::Description, String> {
        Ok(provider::Description {
            protocol: "openai-chat".into(),
            operations: vec!["chat".into()],
            default_base_url: None,
            auth: vec![Auth::Header(HeaderAuth { name: "authorization".into(), prefix: "Bearer ".into() })],
            forwarded_headers: vec![],
            forwarded_query: vec![],
            returned_headers: vec![],
            reply_model: vec!["model".into()],
            foreign_marks: vec![],
            rate_limits: vec![],
        })
    }

    fn encode(_: String, _: String, request: Request, _: ModelFacts) -> Result<Encoded, Fault> {
        let texts = request.messages.iter().flat_map(|message| &message.parts).filter_map(|part| match part {
            Part::Text(text) => Some(text.text.as_str()),
            _ => None,
        });
        let mut text = texts.collect::<Vec<_>>().join(" ");
        assert!(!is("fail") && !text.contains("trap at this"), "on purpose");
        while text.contains("spin at this") {
            std::hint::black_box(0);
        }
        if is("more") {
            text += " and more";
        }
        let messages = [json!({ "role": "user", "content": text })];
        let body = json!({ "model": request.model, "stream": request.stream, "messages": messages });
        Ok(Encoded { call: call(request.stream), body: body.to_string().into_bytes(), dropped: vec![] })
    }

    fn forward(_: String, _: String, _: String, stream: bool) -> Result<Call, Fault> {
        Ok(call(stream))
    }

    fn classify(_: String, head: ReplyHead, _: Vec<u8>) -> Fault {
        fault(FaultKind::ServerError, format!("status {}", head.status))
    }

    fn decode(_: String, _: bool, memory: Vec<u8>, frames: Vec<Frame>, ended: bool) -> Decoded {
        let own = version().into_bytes();
        assert!(memory.is_empty() || memory == own, "another version began it");
        assert!(!is("trap"), "on purpose");
        let mut events = Vec::new();
        if memory.is_empty() {
            events.push(Event::Started(Started { id: String::new(), model: String::new(), created_unix_s: 0 }));
        }
        for frame in frames {
            if frame.data == b"[DONE]" {
                finish(&mut events);
                continue;
            }
            let json: Value = serde_json::from_slice(&frame.data).unwrap_or_default();
            let choice = &json["choices"][0];
            let text = choice["delta"]["content"].as_str().or(choice["message"]["content"].as_str());
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                assert!(!text.contains("oddity"), "on purpose");
                let text = if is("more") { format!("{text} and more") } else { text.to_owned() };
                events.push(Event::TextDelta(Delta { index: 0, text }));
            }
            if !choice["message"].is_null() {
                finish(&mut events);
            }
        }
        if ended && !events.iter().any(|event| matches!(event, Event::Finished(_))) {
            events.push(Event::Failed(fault(FaultKind::Truncated, "it ended too early")));
        }
        Decoded { events, memory: own }
    }
}

fn finish(events: &mut Vec<Event>) {
    events.push(Event::PartFinished(0));
    events.push(Event::Finished(Finished { reason: Finish::Stop, stop_sequence: None }));
}

fn call(stream: bool) -> Call {
    let path = if is("path") { "/nowhere" } else { "/chat/completions" };
    let headers = vec![Header { name: "x-version".into(), value: version() }];
    let framing = if stream { Framing::Sse } else { Framing::WholeBody };
    Call { method: "POST".into(), path: path.into(), headers, framing }
}

/// A caller is given the text of a reply, and nothing else.
impl ClientProtocol for Codec {
    fn describe() -> client_protocol::Description {
        let endpoint = Endpoint {
            method: "POST".into(),
            path: "/versioned".into(),
            operation: "chat".into(),
            model_field: "model".into(),
            stream: Streaming::Field("stream".into()),
            events_query: String::new(),
            pinning_fields: vec![],
            conversation_fields: vec![],
            turns_field: String::new(),
        };
        client_protocol::Description {
            protocol: "versioned".into(),
            read_headers: vec![],
            comments: false,
            endpoints: vec![endpoint],
        }
    }

    fn read(_: String, _: Vec<client_protocol::Header>, body: Vec<u8>) -> Result<Reading, Fault> {
        let json: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = json["messages"][0]["content"].as_str().unwrap_or_default().to_owned();
        let parts = vec![Part::Text(Text { text, extras: vec![] })];
        let request = Request {
            model: json["model"].as_str().unwrap_or_default().to_owned(),
            protocol: "versioned".into(),
            messages: vec![Message { role: Role::User, parts, extras: vec![] }],
            tools: vec![],
            tool_choice: None,
            parallel_tool_calls: None,
            output: OutputFormat::Text,
            max_output_tokens: None,
            temperature: None,
            top_p: None,
            stop: vec![],
            seed: None,
            reasoning_effort: None,
            reasoning_budget_tokens: None,
            stream: json["stream"] == true,
            user: None,
            extras: vec![],
        };
        Ok(Reading { request, memory: vec![] })
    }

    fn write(_: String, _: bool, memory: Vec<u8>, events: Vec<Event>, _: bool) -> Written {
        assert!(!is("mute"), "on purpose");
        let texts = events.iter().filter_map(|event| match event {
            Event::TextDelta(delta) => Some(delta.text.as_str()),
            _ => None,
        });
        let text = texts.collect::<String>();
        assert!(!text.contains("unwritable"), "on purpose");
        Written { bytes: text.into_bytes(), memory }
    }

    fn refuse(_: String, _: Fault) -> HttpReply {
        HttpReply { status: 502, headers: vec![], body: vec![] }
    }
}

pointsman_sdk::codec!(Codec);
