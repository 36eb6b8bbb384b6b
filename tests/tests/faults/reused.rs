//! Connections that were used before and die when the next request comes: that is our connection's fault and not the
//! provider's, so nobody counts it. What a fresh connection does is the provider's.

use std::time::Duration;

use pointsman_tests::broken::{Act, Broken};

use super::{CALLERS, Caller, Line};

fn good() -> Vec<u8> {
    let path = format!("{}/fixtures/replies/text/openai-chat.json", env!("CARGO_MANIFEST_DIR"));
    let body = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.into_bytes(), body].concat()
}

/// One fault that is counted fails the request or opens the breaker.
async fn line(broken: &Broken) -> Line {
    Line::usual(&format!("http://{}", broken.address()), "[breaker]\nfaults = 1").await
}

async fn is_answered(line: &Line, model: &str, told: &str) {
    let answer = line.ask_for(model, Caller::OpenAi, false).await;
    let (target, attempts) = (answer.header("x-pointsman-target"), answer.header("x-pointsman-attempts"));
    let told = format!("{told}: {}", answer.body);
    assert_eq!((answer.status.as_u16(), target, attempts), (200, "broken/first", "1"), "{told}");
}

/// Faults: F10, F107
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reused_connection_that_dies_is_nobodys_fault() {
    let read_and = |end: &[Act]| [&[Act::Read, Act::Say(good())], end].concat();
    for (words, script) in [
        ("closed when the reply is out", read_and(&[Act::Close])),
        ("closed when the next request comes", read_and(&[Act::Read, Act::Close])),
        ("reset when the next request comes", read_and(&[Act::Read, Act::Reset])),
        ("reset while it waits", read_and(&[Act::Pause(Duration::from_millis(5)), Act::Reset])),
    ] {
        let broken = Broken::start(script).await;
        let line = line(&broken).await;
        for number in 0..6 {
            is_answered(&line, "alone", &format!("{words}, request {number}")).await;
            is_answered(&line, "both", &format!("{words}, request {number}")).await;
        }
    }
}

/// Faults: F107
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_restarts_costs_no_request() {
    const IDLE: usize = 6;
    let answers = || vec![Act::Read, Act::Pause(Duration::from_millis(100)), Act::Say(good())];
    let old = [answers(), vec![Act::Read, Act::Reset]].concat();
    let new: Vec<Act> = std::iter::repeat_with(answers).take(20).flatten().collect();
    for model in ["alone", "both"] {
        let broken = Broken::start(old.clone()).await;
        let line = line(&broken).await;
        let all_at_once = || async {
            let asks = (0..IDLE).map(|number| {
                let line = &line;
                async move { is_answered(line, model, &format!("request {number}")).await }
            });
            futures_util::future::join_all(asks).await;
        };
        all_at_once().await;
        assert_eq!(broken.requests(), IDLE);
        broken.follow(new.clone());
        for number in 0..4 {
            is_answered(&line, model, &format!("{model}, request {number} after the restart")).await;
        }
        // The first one met a dead connection; the others that were idle were never tried.
        assert_eq!(broken.requests(), IDLE + 1 + 4, "{model}");
        all_at_once().await;
        broken.follow(old.clone());
        all_at_once().await;
        assert!(line.good.seen().is_empty(), "{model}");
    }
}

/// Each of many requests meets a dead connection in the same moment.
///
/// Faults: F107
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_dead_connections_at_once_cost_no_request() {
    let answers = || vec![Act::Read, Act::Pause(Duration::from_millis(100)), Act::Say(good())];
    let old = [answers(), vec![Act::Read, Act::Pause(Duration::from_millis(50)), Act::Reset]].concat();
    let broken = Broken::start(old).await;
    let line = line(&broken).await;
    for _ in 0..2 {
        let asks = (0..12).map(|number| {
            let line = &line;
            async move { is_answered(line, "both", &format!("request {number}")).await }
        });
        futures_util::future::join_all(asks).await;
        broken.follow(std::iter::repeat_with(answers).take(20).flatten().collect());
    }
    assert!(broken.requests() >= 36, "{}: all met dead connections", broken.requests());
}

/// Faults: F09
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_connection_that_dies_is_the_providers_fault() {
    for (words, requests, script) in [
        ("closed", 1, vec![Act::Read, Act::Close]),
        ("reset", 1, vec![Act::Read, Act::Reset]),
        // It was reused, but the provider had begun to answer.
        ("after half a head", 2, vec![Act::Read, Act::Say(good()), Act::Read, Act::Say(b"HTTP/1.1 20".to_vec())]),
    ] {
        let broken = Broken::start(script).await;
        let line = line(&broken).await;
        for number in 1..=requests {
            let answer = line.ask_for("alone", Caller::OpenAi, false).await;
            assert_eq!(answer.status.is_success(), number < requests, "{words}: {}", answer.body);
        }
        assert_eq!(broken.requests(), requests, "{words}: it was sent once");
        for caller in CALLERS {
            let answer = line.ask(caller, false).await;
            assert_eq!(answer.header("x-pointsman-target"), "good/second", "{words}: its breaker is open");
        }
    }
}

/// They would take a core for as long as a head may take.
///
/// Faults: F39
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interim_replies_without_an_end_are_not_read_for_long() {
    let interim = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100);
    let broken = Broken::start(vec![Act::Read, Act::Flood(interim)]).await;
    let line = line(&broken).await;
    let answer = tokio::time::timeout(Duration::from_secs(30), line.ask(Caller::OpenAi, false)).await.expect("soon");
    assert_eq!(answer.header("x-pointsman-target"), "good/second", "{}", answer.body);
}
