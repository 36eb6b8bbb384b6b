//! A streamed reply whose connection is reset, ends, or falls silent, at every single byte of it, head included, for each kind of
//! provider: the caller gets the backup's answer, or a true beginning and an error in its own protocol, and never half an
//! answer that looks whole.

use std::time::Duration;

use pointsman::fake::{Behaviour, Fault, Protocol};
use pointsman_tests::reply::Reply;

use super::plan::{Ask, Break, Speaks};
use super::ready;
use super::world::{Outcome, Stage, in_virtual_time};

/// More than the longest stream of these has.
const BYTES_MAX: usize = 20_000;
const PROMPT: &str = "ask 1: la la";

async fn ask(stage: &Stage, speaks: Speaks) -> Outcome {
    let ask = Ask {
        number: 1,
        at: stage.began.elapsed(),
        speaks,
        stream: true,
        prompt: PROMPT.to_owned(),
        leaves_after: None,
    };
    stage.ask(ask).await.expect("no panic")
}

fn configuration(protocol: Protocol) -> String {
    let account = match protocol {
        Protocol::Bedrock => {
            "adapter = \"bedrock-converse\"\naws = { access_key_id = \"AKID\", secret_access_key = \"s\" }\n\
             settings = { region = \"us-east-1\" }"
                .to_owned()
        }
        other => format!("adapter = \"{other}\"\nkey = \"k\""),
    };
    format!(
        "[timeouts]\nheaders = \"2s\"\nfirst_token = \"2s\"\nidle = \"2s\"\n[breaker]\nfaults = 1000000\nsuccess_rate = 0.0\n\
         [providers.first]\nbase_url = \"{}\"\n{account}\n\
         [providers.second]\nadapter = \"openai-chat\"\nbase_url = \"http://second.sim/v1\"\nkey = \"k\"\n\
         [models.all]\ntargets = [\"first/m1\", \"second/m2\"]\n",
        protocol.base_url("first.sim"),
    )
}

/// How many of the replies were the backup's, broken off, and whole.
fn every_byte_of(protocol: Protocol, callers: &[Speaks], cut: fn(usize) -> Break) -> (usize, usize, usize) {
    in_virtual_time(async {
        let fakes = [("first", protocol), ("second", Protocol::OpenAiChat)];
        let stage = Stage::new(7, &fakes, &configuration(protocol)).await;
        // Word by word, so that what was said before the cut is seen before it.
        let between_tokens = Duration::from_millis(1);
        stage.fakes[0].behave(Behaviour { fault: Fault::None, between_tokens, ..Behaviour::default() });
        let (mut by_second, mut broken_off, mut whole) = (0, 0, 0);
        for at in 0..BYTES_MAX {
            let speaks = callers[at % callers.len()];
            stage.links[0].set(Some(cut(at)));
            let outcome = ask(&stage, speaks).await;
            let reply = Reply::read(speaks, true, &outcome.body);
            let told = format!("{protocol} cut at {at}, {speaks:?}: {}", String::from_utf8_lossy(&outcome.body));
            assert_eq!(outcome.status, 200, "{told}");
            assert!(reply.nonsense.is_none() && reply.ends.len() == 1 && reply.beginnings <= 1, "{reply:?} {told}");
            assert_eq!(outcome.broken, !reply.ends[0], "only after an error event the body has no proper end: {told}");
            let first = format!("Hello from {protocol} m1: you said: {PROMPT}");
            let second = format!("Hello from openai-chat m2: you said: {PROMPT}");
            match (outcome.header("x-pointsman-target"), reply.ends[0]) {
                ("second/m2", true) => {
                    assert_eq!(reply.text, second, "{told}");
                    by_second += 1;
                }
                ("first/m1", true) => {
                    assert_eq!(reply.text, first, "{told}");
                    whole += 1;
                }
                ("first/m1", false) => {
                    assert!(first.starts_with(&reply.text), "{told}");
                    broken_off += 1;
                }
                other => panic!("{other:?} {told}"),
            }
            // Three whole ones: the reply has no more bytes.
            if whole == 3 {
                break;
            }
        }
        (by_second, broken_off, whole)
    })
}

fn every_byte(protocol: Protocol, callers: &[Speaks]) {
    ready();
    for cut in [Break::ResetAfter, Break::EndAfter, Break::StallAfter] {
        let (by_second, broken_off, whole) = every_byte_of(protocol, callers, cut);
        assert!(by_second > 100 && broken_off > 20 && whole == 3, "{protocol}: {by_second} {broken_off} {whole}");
    }
}

/// Faults: F53, F54, F55
#[test]
fn of_openai_chat() {
    every_byte(Protocol::OpenAiChat, &[Speaks::Chat, Speaks::Messages]);
}

/// Faults: F53, F54, F55
#[test]
fn of_openai_responses() {
    every_byte(Protocol::OpenAiResponses, &[Speaks::Responses, Speaks::Gemini]);
}

/// Faults: F53, F54, F55
#[test]
fn of_anthropic_messages() {
    every_byte(Protocol::AnthropicMessages, &[Speaks::Messages, Speaks::Chat]);
}

/// Faults: F53, F54, F55
#[test]
fn of_gemini() {
    every_byte(Protocol::Gemini, &[Speaks::Gemini, Speaks::Messages]);
}

/// Faults: F53, F54, F55
#[test]
fn of_ollama() {
    every_byte(Protocol::Ollama, &[Speaks::Chat, Speaks::Responses]);
}

/// Faults: F53, F54, F55
#[test]
fn of_bedrock() {
    every_byte(Protocol::Bedrock, &[Speaks::Messages, Speaks::Chat]);
}
