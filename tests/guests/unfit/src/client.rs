//! The callers' side.

use pointsman_sdk::codec::chat::{Event, Finish, Message, OutputFormat, Part, Request, Role, Text};
use pointsman_sdk::codec::client_protocol::{Description, Endpoint, Header, HttpReply, Reading, Streaming, Written};
use pointsman_sdk::codec::{ClientProtocol, Fault, FaultKind, fault};
use pointsman_sdk::json::{Fields, wrong};
use serde_json::{Value, json};

use crate::{Codec, has};

impl ClientProtocol for Codec {
    fn describe() -> Description {
        let endpoint = Endpoint {
            method: if has("odd method") { "post" } else { "POST" }.into(),
            path: if has("odd path") { "/unfit?x=1" } else { "/unfit" }.into(),
            operation: "chat".into(),
            model_field: "model".into(),
            stream: Streaming::Field("stream".into()),
            events_query: String::new(),
            pinning_fields: vec![],
            conversation_fields: vec![],
            turns_field: "turns".into(),
        };
        Description { protocol: "unfit".into(), read_headers: vec![], comments: false, endpoints: vec![endpoint] }
    }

    fn read(_: String, _: Vec<Header>, body: Vec<u8>) -> Result<Reading, Fault> {
        let read = read(&body);
        let request = match read {
            Err(mut fault) => {
                if has("names no field") {
                    fault.field = None;
                }
                if has("reads anything") {
                    return Ok(Reading { request: request(), memory: vec![] });
                }
                return Err(fault);
            }
            Ok(request) => request,
        };
        Ok(Reading { request, memory: vec![] })
    }

    fn write(_: String, stream: bool, memory: Vec<u8>, events: Vec<Event>, _: bool) -> Written {
        let (mut pieces, mut text) = (vec![], String::from_utf8(memory).unwrap_or_default());
        for event in events {
            match event {
                Event::TextDelta(_) if has("writes no text") => {}
                Event::TextDelta(delta) if stream || has("writes early") => pieces.push(json!({ "text": delta.text })),
                Event::TextDelta(delta) => text.push_str(&delta.text),
                Event::ToolCallStarted(_) | Event::ToolArgumentsDelta(_) => {}
                Event::Finished(finished) => {
                    let end = if finished.reason == Finish::Length { "length" } else { "stop" };
                    pieces.push(match stream {
                        true => json!({ "end": end }),
                        false => json!({ "text": std::mem::take(&mut text), "end": end }),
                    });
                }
                Event::Failed(_) if has("hides failures") => pieces.push(json!({ "end": "stop" })),
                Event::Failed(fault) => pieces.push(json!({ "error": fault.message })),
                _ => {}
            }
        }
        let blank = if has("ends no event") { "\n" } else { "\n\n" };
        let framed = |piece: &Value| match stream {
            true => format!("{}data: {piece}{blank}", if has("comments") { ": x\n" } else { "" }),
            false => piece.to_string(),
        };
        let bytes = pieces.iter().map(framed).collect::<String>().into_bytes();
        Written { bytes, memory: text.into_bytes() }
    }

    fn refuse(_: String, fault: Fault) -> HttpReply {
        let callers = matches!(
            fault.kind,
            FaultKind::InvalidRequest | FaultKind::ContextTooLong | FaultKind::ContentPolicy | FaultKind::TooLarge
        );
        let status = match callers {
            _ if has("refuses with 200") => 200,
            true if has("blames itself") => 500,
            true => 400,
            false => 503,
        };
        let message = if has("keeps why to itself") { String::new() } else { fault.message };
        HttpReply { status, headers: vec![], body: json!({ "error": message }).to_string().into_bytes() }
    }
}

fn read(body: &[u8]) -> Result<Request, Fault> {
    let mut top = Fields::parse(body)?;
    let mut request = Request { model: top.string("model")?, ..request() };
    for (at, turn) in top.array("turns")? {
        assert!(turn.is_object() || !has("traps on odd turns"), "on purpose");
        let mut turn = Fields::new(at, turn)?;
        let role = match turn.string("who")?.as_str() {
            "system" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            _ => return Err(wrong(turn.at("who"), "system, user or assistant")),
        };
        let text = Text { text: turn.string("text")?, extras: vec![] };
        request.messages.push(Message { role, parts: vec![Part::Text(text)], extras: vec![] });
    }
    if request.messages.is_empty() {
        return Err(wrong("turns", "at least one turn"));
    }
    let limit = top.u32("limit")?;
    request.max_output_tokens = limit.filter(|_| !has("forgets the limit"));
    request.stream = top.bool("stream")?.unwrap_or(false);
    if has("fails by itself") && request.stream {
        return Err(fault(FaultKind::ServerError, "it is tired"));
    }
    Ok(request)
}

fn request() -> Request {
    Request {
        model: String::new(),
        protocol: if has("speaks for another") { "openai-chat" } else { "unfit" }.into(),
        messages: vec![],
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
    }
}
