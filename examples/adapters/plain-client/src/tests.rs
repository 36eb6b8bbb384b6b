//! `cargo test` runs these on this machine, without WebAssembly.

use pointsman_adapter_sdk::chat::{Delta, Finish, Finished, Started, Usage};
use pointsman_adapter_sdk::fault;

use super::*;

fn read(body: &str) -> Result<Request, Fault> {
    Adapter::read("chat".into(), Vec::new(), body.as_bytes().to_vec()).map(|reading| reading.request)
}

/// A short reply, each event given alone.
fn written(stream: bool, last: Event) -> String {
    let usage = Usage { input: 3, output: 2, cache_read: 0, cache_write: 0, reasoning: 0 };
    let events = [
        Event::Started(Started { id: "1".into(), model: "m".into(), created_unix_s: 0 }),
        Event::TextDelta(Delta { index: 0, text: "Hel".into() }),
        Event::TextDelta(Delta { index: 0, text: "lo".into() }),
        Event::PartFinished(0),
        Event::Usage(usage),
        last,
    ];
    let (mut memory, mut bytes) = (Vec::new(), Vec::new());
    for event in events {
        let written = Adapter::write("chat".into(), stream, memory, vec![event], false);
        bytes.extend(written.bytes);
        memory = written.memory;
    }
    bytes.extend(Adapter::write("chat".into(), stream, memory, Vec::new(), true).bytes);
    String::from_utf8(bytes).expect("text")
}

fn finished() -> Event {
    Event::Finished(Finished { reason: Finish::Stop, stop_sequence: None })
}

#[test]
fn a_request_is_read() {
    let request = read(r#"{"model":"m","turns":[{"who":"user","text":"Hello"}],"limit":9,"stream":true}"#);
    let request = request.expect("it is right");
    assert_eq!((request.max_output_tokens, request.stream, request.messages.len()), (Some(9), true, 1));
    assert!(matches!(&request.messages[0].parts[..], [Part::Text(text)] if text.text == "Hello"));
}

#[test]
fn mistakes_are_told_with_their_field() {
    for (body, field) in [
        (r#"{"model":"m"}"#, "turns"),
        (r#"{"turns":[{"who":"user","text":"Hello"}]}"#, "model"),
        (r#"{"model":"m","turns":[{"who":"dog","text":"woof"}]}"#, "turns[0].who"),
        (r#"{"model":"m","turns":[{"who":"user","text":"a"}],"limits":1}"#, "limits"),
    ] {
        let fault = read(body).expect_err("refused");
        assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::InvalidRequest, Some(field)));
    }
}

#[test]
fn a_streamed_reply_is_events() {
    let said = written(true, finished());
    let pieces: Vec<&str> = said.split("\n\n").collect();
    assert_eq!(pieces[..2], [r#"data: {"text":"Hel"}"#, r#"data: {"text":"lo"}"#]);
    assert!(pieces[2].contains(r#""end":"stop""#) && pieces[2].contains(r#""in":3"#), "{said}");
}

#[test]
fn a_whole_reply_is_one_object() {
    let said = written(false, finished());
    assert!(said.contains(r#""text":"Hello""#) && said.contains(r#""end":"stop""#), "{said}");
}

#[test]
fn a_reply_that_fails_ends_with_the_error() {
    let said = written(true, Event::Failed(fault(FaultKind::Truncated, "it broke off")));
    assert!(said.ends_with("data: {\"error\":{\"code\":\"failed\",\"message\":\"it broke off\"}}\n\n"), "{said}");
}

#[test]
fn errors_have_a_status() {
    let reply = Adapter::refuse("chat".into(), fault(FaultKind::RateLimited, "later"));
    assert_eq!((reply.status, String::from_utf8_lossy(&reply.body).contains("busy")), (429, true));
}
