//! The bodies with the fixtures as they are: fuzzing that begins with what nobody can read finds nothing.

use pointsman_fuzz::{body, error, fixtures, frames, framing, reply, subjects, whole};
use pointsman_sdk::codec::chat::Event;
use pointsman_sdk::codec::provider::Frame;
use pointsman_sdk::codec::{Fault, FaultKind};

fn finished(events: &[Event]) -> bool {
    matches!(events.last(), Some(Event::Finished(_)))
}

#[test]
fn every_request_is_read_and_said() {
    for subject in subjects() {
        let Some(client) = subject.client else { continue };
        assert!((client.read)("chat", client.asks.into()).is_ok(), "{}", client.asks);
        for request in fixtures::requests(subject.name) {
            let name = request.path.display();
            let is_of = |feature: &str| request.path.components().any(|part| part.as_os_str() == feature);
            // Nobody else has the tool that must be called.
            if is_of("hosted-tool-forced") {
                assert!((client.read)("chat", request.bytes.clone()).is_err(), "{name}");
                continue;
            }
            assert!((client.read)("chat", request.bytes.clone()).is_ok(), "{name}");
            // A model that goes on with no answer does so nowhere.
            let least = if is_of("prefill") { 0 } else { 2 };
            assert!(body(&subject, &request.bytes) >= least, "{name}: hardly anybody can say it");
        }
    }
}

#[test]
fn every_reply_is_read() {
    for subject in subjects() {
        for (stream, pieces) in fixtures::streams(subject.name) {
            let events = reply(&subject, true, &pieces, 3);
            let breaks = ["error-first", "error-midway", "error-bare", "truncated"].contains(&stream.case.as_str());
            assert_eq!(finished(&events), !breaks, "{}: {events:?}", stream.path.display());
            assert!(pieces == frames(&fixtures::as_lines(&pieces)), "{}: other frames", stream.path.display());
            framing(stream.bytes.len() / 3, &stream.wire_bytes());
        }
        for fixture in fixtures::whole_replies(subject.name) {
            let events = reply(&subject, false, &whole(&fixture.bytes), 1);
            assert!(finished(&events), "{}: {events:?}", fixture.path.display());
        }
    }
}

#[test]
fn every_error_is_read() {
    for subject in subjects() {
        for (status, bytes) in fixtures::errors(subject.name) {
            let Fault { message, .. } = error(&subject, status, &bytes);
            assert!(!message.is_empty(), "{}: {}", subject.name, String::from_utf8_lossy(&bytes));
        }
    }
}

/// What a frame holds that completes a reply.
fn marks(adapter: &str) -> &'static [&'static str] {
    match adapter {
        // The reason to stop stands before the last event, and a clean end after it is one.
        "anthropic-messages" => &["\"stop_reason\":\"", "\"message_stop\""],
        "openai-chat" => &["\"finish_reason\":\"", "[DONE]"],
        "openai-responses" => &["\"response.completed\"", "\"response.incomplete\""],
        "gemini" => &["\"finishReason\"", "\"blockReason\""],
        "bedrock-converse" => &["\"stopReason\""],
        "ollama" => &["\"done\":true"],
        other => panic!("how does {other} end a reply?"),
    }
}

#[test]
fn a_stream_that_is_cut_is_not_finished() {
    for subject in subjects() {
        for (stream, pieces) in fixtures::streams(subject.name) {
            let name = stream.path.display();
            let completes = |frame: &Frame| {
                let text = unwrapped(frame);
                marks(subject.name).iter().any(|mark| text.contains(mark))
            };
            let completed = pieces.iter().position(completes).map_or(pieces.len(), |at| at + 1);
            for cut in 0..pieces.len() {
                let events = reply(&subject, true, &pieces[..cut], 2);
                assert!(!finished(&events) || cut >= completed, "{name}: finished after {cut} frames: {events:?}");
            }
        }
    }
}

/// Bedrock's Claude stands in Base64.
fn unwrapped(frame: &Frame) -> String {
    let text = String::from_utf8_lossy(&frame.data).replace("\": \"", "\":\"").replace("\": true", "\":true");
    // `"message_delta"` and `"message_stop"` in Base64, without the last letters, which depend on what follows.
    let wrapped = ["eyJ0eXBlIjoibWVzc2FnZV9kZWx0", "eyJ0eXBlIjoibWVzc2FnZV9zdG9wI"];
    if wrapped.iter().any(|wrapped| text.contains(wrapped)) { "\"message_stop\"".into() } else { text }
}

#[test]
fn a_whole_reply_that_is_cut_is_not_finished() {
    for subject in subjects() {
        for whole in fixtures::whole_replies(subject.name) {
            for cut in (0..whole.bytes.trim_ascii_end().len()).step_by(13) {
                let data = whole.bytes[..cut].to_vec();
                let (events, _) = (subject.decode)("chat", false, Vec::new(), &[Frame { event: None, data }], true);
                let Some(Event::Failed(fault)) = events.last() else {
                    panic!("{}: cut at {cut}", whole.path.display())
                };
                assert!(matches!(fault.kind, FaultKind::MalformedReply | FaultKind::Truncated), "{fault:?}");
            }
        }
    }
}
