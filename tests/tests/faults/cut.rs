//! A stream that ends at every byte: by a reset, by a closed connection, or as if it were complete. `EVERY_BYTE=1` tries each
//! place; without it some are left out, to save time.

use std::env;
use std::fs;

use pointsman_tests::Answer;
use pointsman_tests::broken::{Act, Broken};

use super::{Caller, Line};

/// A prime, so that the places differ from event to event.
const STEP: usize = 13;

/// A wire, its adapter, what follows the base URL's host, and the type of its stream.
const WIRES: [(&str, &str, &str, &str); 5] = [
    ("openai-chat.sse", "openai-chat", "/v1", "text/event-stream"),
    ("openai-responses.sse", "openai-responses", "/v1", "text/event-stream"),
    ("anthropic-messages.sse", "anthropic-messages", "", "text/event-stream"),
    ("gemini.sse", "gemini", "", "text/event-stream"),
    ("ollama.ndjson", "ollama", "", "application/x-ndjson"),
];

fn script(content_type: &str, body: &[u8], end: &[Act]) -> Vec<Act> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n");
    let mut script = vec![Act::Read, Act::Say(head.into_bytes())];
    if !body.is_empty() {
        script.push(Act::Say([format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n"].concat()));
    }
    script.extend_from_slice(end);
    script
}

/// Faults: F53, F54, F67
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_ends_anywhere_is_never_half_an_answer() {
    let step = if env::var_os("EVERY_BYTE").is_some() { 1 } else { STEP };
    let cleanly = || vec![Act::Say(b"0\r\n\r\n".to_vec())];
    for (file, adapter, path, content_type) in WIRES {
        let fixture = format!("{}/fixtures/replies/text/{file}", env!("CARGO_MANIFEST_DIR"));
        let bytes = fs::read(&fixture).unwrap_or_else(|error| panic!("{fixture}: {error}"));
        let broken = Broken::start(script(content_type, &bytes, &cleanly())).await;
        let line = Line::start(adapter, &format!("http://{}{path}", broken.address()), "").await;
        let whole = line.ask(Caller::OpenAi, true).await;
        assert!(whole.complete() && whole.header("x-pointsman-target") == "broken/first", "{file}: {}", whole.body);
        for (number, at) in (0..bytes.len()).step_by(step).enumerate() {
            let caller = if number % 2 == 0 { Caller::OpenAi } else { Caller::Anthropic };
            for (how, end) in [("closed", vec![Act::Close]), ("reset", vec![Act::Reset]), ("complete", cleanly())] {
                broken.follow(script(content_type, &bytes[..at], &end));
                let answer = line.ask(caller, true).await;
                let told = format!("{file}, {how} at {at}, {caller:?}: {}", answer.body);
                check(&answer, &whole.text(), &told);
            }
        }
    }
}

const REASONS: [&str; 2] = ["\"finish_reason\":\"stop\"", "\"stop_reason\":\"end_turn\""];

fn check(answer: &Answer, whole: &str, told: &str) {
    assert_eq!(answer.status, 200, "{told}");
    match answer.header("x-pointsman-target") {
        "good/second" => assert!(answer.complete() && !answer.broken && answer.text().ends_with("word20"), "{told}"),
        // Some servers never say `[DONE]`, or `message_stop`: the reason to stop is the end, too.
        _ if answer.complete() || REASONS.iter().any(|reason| answer.body.contains(reason)) => {
            assert_eq!((answer.text().as_str(), answer.broken), (whole, false), "{told}");
        }
        _ => {
            assert!(answer.broken, "after an error event the body has no proper end: {told}");
            assert!(whole.starts_with(&answer.text()), "{told}");
            let last = answer.events().pop().unwrap_or_default();
            assert!(last["error"]["message"].is_string(), "{told}");
        }
    }
}
