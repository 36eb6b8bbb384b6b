//! The provider's side.

use pointsman_sdk::codec::chat::{
    Delta, Event, Finish, Finished, Message, OutputFormat, Part, Request, Role, Started, ToolChoice,
};
use pointsman_sdk::codec::provider::{
    Auth, Call, Decoded, Description, Encoded, Frame, Framing, Header, HeaderAuth, ModelFacts, ReplyHead,
};
use pointsman_sdk::codec::{Fault, FaultKind, Provider, fault, fault_at};
use serde_json::{Map, Value, json};

use crate::{Codec, calls_before, first, has};

impl Provider for Codec {
    fn describe(settings: String) -> Result<Description, String> {
        let table = serde_json::from_str::<Map<String, Value>>(&settings);
        assert!(table.is_ok() || !has("traps on settings"), "on purpose");
        if table.is_err() && !has("takes all settings") {
            return Err("the settings must be a table".into());
        }
        Ok(Description {
            protocol: if has("odd protocol") { "Un Fit" } else { "unfit" }.into(),
            operations: vec![if has("odd operation") { "talk" } else { "chat" }.into()],
            default_base_url: Some(if has("odd base url") { "provider.test" } else { "https://provider.test" }.into()),
            auth: vec![Auth::Header(HeaderAuth { name: "authorization".into(), prefix: "Bearer ".into() })],
            forwarded_headers: vec![],
            forwarded_query: vec![],
            returned_headers: vec![],
            reply_model: vec![],
            foreign_marks: vec![],
            rate_limits: vec![],
        })
    }

    fn encode(_: String, _: String, request: Request, _: ModelFacts) -> Result<Encoded, Fault> {
        while has("loops") {
            std::hint::black_box(0);
        }
        let kind = if has("blames the server") { FaultKind::ServerError } else { FaultKind::Unsupported };
        let impossible = !request.tools.is_empty()
            || !matches!(request.tool_choice, None | Some(ToolChoice::Auto))
            || !request.stop.is_empty()
            || request.output != OutputFormat::Text;
        if impossible {
            return Err(fault_at(kind, "request", "only plain text"));
        }
        let turns = request.messages.iter().map(|message| turn(message, kind)).collect::<Result<Vec<_>, _>>()?;
        let mut body = json!({ "model": request.model, "turns": turns, "stream": request.stream });
        if let Some(limit) = request.max_output_tokens {
            body["limit"] = limit.into();
        }
        if has("counts its calls") {
            body["calls"] = calls_before().into();
        }
        if has("remembers the first") {
            body["first"] = first(&format!("{turns:?}")).into();
        }
        if has("says other words") {
            body["turns"] = json!([]);
        }
        let mut body = body.to_string().into_bytes();
        if has("says no json") {
            body = b"model=x".to_vec();
        }
        let dropped = if has("drops oddly") { vec!["a\nb".into()] } else { vec![] };
        Ok(Encoded { call: call(request.stream), body, dropped })
    }

    fn forward(_: String, _: String, _: String, stream: bool) -> Result<Call, Fault> {
        Ok(call(stream))
    }

    fn classify(_: String, head: ReplyHead, body: Vec<u8>) -> Fault {
        assert!(!body.starts_with(b"<") || !has("traps on html"), "on purpose");
        if has("eats memory") {
            std::hint::black_box(vec![1_u8; 100 << 20]);
        }
        let kind = match head.status {
            401 => FaultKind::Authentication,
            429 if has("429 is the caller's") => FaultKind::InvalidRequest,
            429 => FaultKind::RateLimited,
            500.. if has("500 is the caller's") => FaultKind::InvalidRequest,
            500.. => FaultKind::ServerError,
            _ => FaultKind::InvalidRequest,
        };
        let words = if has("finds no words") { String::new() } else { format!("status {}", head.status) };
        fault(kind, words)
    }

    fn decode(_: String, _: bool, memory: Vec<u8>, frames: Vec<Frame>, ended: bool) -> Decoded {
        assert!(!frames.is_empty() || !has("traps on nothing"), "on purpose");
        let mut state = State { events: vec![], memory };
        if has("depends on pieces") {
            state.events.push(Event::Ping);
        }
        frames.iter().for_each(|frame| state.frame(frame));
        if ended && !state.is(OVER) {
            match has("takes any end") {
                true => state.end(Event::Finished(Finished { reason: Finish::Stop, stop_sequence: None })),
                false => state.end(Event::Failed(fault(FaultKind::Truncated, "it ended too early"))),
            }
        }
        Decoded { events: state.events, memory: state.memory }
    }
}

fn turn(message: &Message, kind: FaultKind) -> Result<Value, Fault> {
    let who = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    let mut text = String::new();
    for part in &message.parts {
        match part {
            Part::Text(part) => text.push_str(&part.text),
            Part::Reasoning(_) => {}
            _ => {
                assert!(!has("traps on images"), "on purpose");
                return Err(fault_at(kind, "messages", "only plain text"));
            }
        }
    }
    Ok(json!({ "who": who, "text": text }))
}

fn call(stream: bool) -> Call {
    let path = if has("asks elsewhere") { "@elsewhere.example/" } else { "/say" };
    let key = Header { name: "Authorization".into(), value: "Bearer mine".into() };
    let headers = if has("brings a key") { vec![key] } else { vec![] };
    let framing = if stream && !has("never streams") { Framing::Sse } else { Framing::WholeBody };
    Call { method: "POST".into(), path: path.into(), headers, framing }
}

/// What a reply has come to: a letter each in the memory.
struct State {
    events: Vec<Event>,
    memory: Vec<u8>,
}

const STARTED: u8 = b's';
const OPEN: u8 = b'o';
const OVER: u8 = b'e';

impl State {
    fn is(&self, what: u8) -> bool {
        self.memory.contains(&what)
    }

    fn frame(&mut self, frame: &Frame) {
        if self.is(OVER) && !has("goes on and on") {
            return;
        }
        let piece = serde_json::from_slice::<Map<String, Value>>(&frame.data).unwrap_or_default();
        let said = piece.get("text").and_then(Value::as_str);
        let words = String::from_utf8_lossy(&frame.data).into_owned();
        let said = if has("answers with html") && words.starts_with('<') { Some(words.as_str()) } else { said };
        let end = piece.get("end").and_then(Value::as_str);
        if let Some(error) = piece.get("error") {
            return self.end(Event::Failed(fault(FaultKind::ServerError, error.to_string())));
        }
        if said.is_none() && end.is_none() {
            return self.end(Event::Failed(fault(FaultKind::MalformedReply, "no piece of a reply")));
        }
        if !self.is(STARTED) {
            self.memory.push(STARTED);
            self.events.push(Event::Started(Started { id: String::new(), model: String::new(), created_unix_s: 0 }));
        }
        if let Some(text) = said.filter(|text| !text.is_empty()) {
            let text = if has("swallows letters") { &text[text.len().min(1)..] } else { text };
            if !self.is(OPEN) {
                self.memory.push(OPEN);
            }
            self.events.push(Event::TextDelta(Delta { index: 0, text: text.to_owned() }));
        }
        if let Some(end) = end {
            if self.is(OPEN) && !has("leaves parts open") {
                self.events.push(Event::PartFinished(0));
            }
            let reason = if end == "length" { Finish::Length } else { Finish::Stop };
            self.end(Event::Finished(Finished { reason, stop_sequence: None }));
        }
    }

    fn end(&mut self, event: Event) {
        self.memory.push(OVER);
        self.events.push(event);
    }
}
