//! An adapter that does what none should: the provider's setting `{"how":"…"}` says how it forwards, and what it decodes it
//! decodes badly. It speaks `openai-chat`, and answers callers at a path of its own.

use pointsman_sdk::codec::chat::{Event, Request};
use pointsman_sdk::codec::client_protocol::{self, Endpoint, HttpReply, Reading, Streaming, Written};
use pointsman_sdk::codec::provider::{
    self, Auth, Call, Decoded, Encoded, Frame, Framing, Header, HeaderAuth, ModelFacts, ReplyHead,
};
use pointsman_sdk::codec::{ClientProtocol, Fault, FaultKind, Provider, fault};

pub struct Codec;

impl Provider for Codec {
    fn describe(_: String) -> Result<provider::Description, String> {
        Ok(provider::Description {
            protocol: "openai-chat".into(),
            operations: vec!["chat".into()],
            default_base_url: None,
            auth: vec![Auth::Header(HeaderAuth { name: "authorization".into(), prefix: "Bearer ".into() })],
            forwarded_headers: vec!["*".into()],
            forwarded_query: vec![],
            returned_headers: vec![],
            reply_model: vec!["model".into()],
            foreign_marks: vec![],
            rate_limits: vec![],
        })
    }

    fn encode(_: String, _: String, _: Request, _: ModelFacts) -> Result<Encoded, Fault> {
        Err(fault(FaultKind::Unsupported, "on purpose"))
    }

    fn forward(settings: String, _: String, _: String, stream: bool) -> Result<Call, Fault> {
        let how = |word: &str| settings.contains(word);
        assert!(!how("trap"), "on purpose");
        while how("loop") {
            std::hint::black_box(0);
        }
        let path = if how("path") { "@elsewhere.example/" } else { "/chat/completions" };
        let mut headers = Vec::new();
        if how("host-header") {
            headers.push(Header { name: "Authorization".into(), value: "Bearer mine".into() });
        }
        if how("newline") {
            headers.push(Header { name: "x-fine".into(), value: "a\r\nx-injected: b".into() });
        }
        let framing = if stream { Framing::Sse } else { Framing::WholeBody };
        Ok(Call { method: "POST".into(), path: path.into(), headers, framing })
    }

    fn classify(_: String, _: ReplyHead, _: Vec<u8>) -> Fault {
        unreachable!("on purpose")
    }

    fn decode(_: String, stream: bool, memory: Vec<u8>, _: Vec<Frame>, _: bool) -> Decoded {
        assert!(!stream, "on purpose");
        // Nothing at all, though the reply is complete.
        Decoded { events: vec![], memory }
    }
}

impl ClientProtocol for Codec {
    fn describe() -> client_protocol::Description {
        let endpoint = Endpoint {
            method: "POST".into(),
            path: "/hostile".into(),
            operation: "chat".into(),
            model_field: "model".into(),
            stream: Streaming::Field("stream".into()),
            events_query: String::new(),
            pinning_fields: vec![],
            conversation_fields: vec![],
            turns_field: String::new(),
        };
        client_protocol::Description {
            protocol: "hostile".into(),
            read_headers: vec![],
            comments: false,
            endpoints: vec![endpoint],
        }
    }

    fn read(_: String, _: Vec<client_protocol::Header>, _: Vec<u8>) -> Result<Reading, Fault> {
        unreachable!("on purpose")
    }

    fn write(_: String, _: bool, _: Vec<u8>, _: Vec<Event>, _: bool) -> Written {
        unreachable!("on purpose")
    }

    fn refuse(_: String, _: Fault) -> HttpReply {
        unreachable!("on purpose")
    }
}

pointsman_sdk::codec!(Codec);
