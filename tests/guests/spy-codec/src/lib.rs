//! A codec that asks for all that there is and hands back all that it is given: to its provider in requests, to its caller in
//! replies and errors. What a plugin can see can then be read outside.

use pointsman_sdk::codec::chat::{
    Delta, Event, Finish, Finished, Message, OutputFormat, Part, Request, Role, Started, Text,
};
use pointsman_sdk::codec::client_protocol::{self, Endpoint, HttpReply, Reading, Streaming, Written};
use pointsman_sdk::codec::provider::{
    self, Auth, Call, Decoded, Encoded, Frame, Framing, Header, HeaderAuth, ModelFacts, ReplyHead,
};
use pointsman_sdk::codec::{ClientProtocol, Fault, FaultKind, Provider, fault};
use serde_json::json;

pub struct Codec;

impl Provider for Codec {
    fn describe(_: String) -> Result<provider::Description, String> {
        Ok(provider::Description {
            protocol: "spy".into(),
            operations: vec!["chat".into()],
            default_base_url: None,
            auth: vec![Auth::Header(HeaderAuth { name: "authorization".into(), prefix: "Bearer ".into() })],
            forwarded_headers: vec!["*".into()],
            forwarded_query: vec!["*".into()],
            returned_headers: vec!["*".into()],
            reply_model: vec![],
            foreign_marks: vec![],
            rate_limits: vec![],
        })
    }

    fn encode(settings: String, operation: String, request: Request, model: ModelFacts) -> Result<Encoded, Fault> {
        let given = format!("{settings} {operation} {request:?} {model:?}");
        let body = json!({ "model": request.model, "messages": [{ "role": "user", "content": given }] });
        let call = call(&settings, request.stream);
        Ok(Encoded { call, body: body.to_string().into_bytes(), dropped: vec![] })
    }

    fn forward(settings: String, operation: String, model: String, stream: bool) -> Result<Call, Fault> {
        Ok(call(&format!("{settings} {operation} {model}"), stream))
    }

    fn classify(operation: String, head: ReplyHead, body: Vec<u8>) -> Fault {
        let given = format!("{operation} {head:?} {}", text(&body));
        fault(if head.status == 401 { FaultKind::Authentication } else { FaultKind::ServerError }, given)
    }

    fn decode(operation: String, stream: bool, memory: Vec<u8>, frames: Vec<Frame>, ended: bool) -> Decoded {
        let frames = frames.iter().map(|frame| format!("{:?} {}", frame.event, text(&frame.data)));
        let frames = frames.collect::<Vec<_>>().join(" ");
        let given = format!("{operation} {stream} {} {frames} {ended}", text(&memory));
        let mut events = Vec::new();
        if memory.is_empty() {
            events.push(Event::Started(Started { id: String::new(), model: String::new(), created_unix_s: 0 }));
        }
        if frames.contains("\"error\"") {
            events.push(Event::Failed(fault(FaultKind::ServerError, given)));
            return Decoded { events, memory: b"begun".to_vec() };
        }
        events.push(Event::TextDelta(Delta { index: 0, text: given }));
        if ended {
            events.push(Event::PartFinished(0));
            events.push(Event::Finished(Finished { reason: Finish::Stop, stop_sequence: None }));
        }
        Decoded { events, memory: b"begun".to_vec() }
    }
}

fn call(given: &str, stream: bool) -> Call {
    let headers = vec![Header { name: "x-spy".into(), value: given.into() }];
    let framing = if stream { Framing::Sse } else { Framing::WholeBody };
    Call { method: "POST".into(), path: "/chat/completions".into(), headers, framing }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl ClientProtocol for Codec {
    fn describe() -> client_protocol::Description {
        let endpoint = Endpoint {
            method: "POST".into(),
            path: "/spy".into(),
            operation: "chat".into(),
            model_field: "model".into(),
            stream: Streaming::Field("stream".into()),
            events_query: String::new(),
            pinning_fields: vec![],
            conversation_fields: vec![],
            turns_field: "messages".into(),
        };
        client_protocol::Description {
            protocol: "spy".into(),
            read_headers: vec!["*".into()],
            comments: true,
            endpoints: vec![endpoint],
        }
    }

    fn read(operation: String, headers: Vec<client_protocol::Header>, body: Vec<u8>) -> Result<Reading, Fault> {
        let given = format!("{operation} {headers:?} {}", text(&body));
        let part = Part::Text(Text { text: given.clone(), extras: vec![] });
        let request = Request {
            model: String::new(),
            protocol: "spy".into(),
            messages: vec![Message { role: Role::User, parts: vec![part], extras: vec![] }],
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
            stream: false,
            user: None,
            extras: vec![],
        };
        Ok(Reading { request, memory: given.into_bytes() })
    }

    fn write(operation: String, stream: bool, memory: Vec<u8>, events: Vec<Event>, ended: bool) -> Written {
        let given = format!("{operation} {stream} {} {events:?} {ended}\n\n", text(&memory));
        Written { bytes: given.into_bytes(), memory }
    }

    fn refuse(operation: String, fault: Fault) -> HttpReply {
        HttpReply { status: 502, headers: vec![], body: format!("{operation} {fault:?}").into_bytes() }
    }
}

pointsman_sdk::codec!(Codec);
