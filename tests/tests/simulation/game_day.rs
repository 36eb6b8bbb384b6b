//! Faults that operators inject end by themselves, in virtual time.

use std::time::Duration;

use pointsman::fake::{Behaviour, Protocol};
use pointsman::gateway::{InjectionView, Order};
use pointsman_tests::reply::Reply;
use tokio::time::sleep;

use super::plan::{Ask, Speaks};
use super::ready;
use super::world::{Outcome, Stage, in_virtual_time};

const SECOND: Duration = Duration::from_secs(1);
const TEXT: &str = r#"
    [game_day]
    enabled = true
    [providers.a]
    adapter = "openai-chat"
    base_url = "http://a.sim/v1"
    key = "a-key"
    probe = { path = "/v1/models", every = "2s" }
    [providers.b]
    adapter = "anthropic-messages"
    base_url = "http://b.sim"
    key = "b-key"
    [models.all]
    targets = ["a/m", "b/m"]
    "#;

async fn stage() -> Stage {
    Stage::new(1, &[("a", Protocol::OpenAiChat), ("b", Protocol::AnthropicMessages)], TEXT).await
}

async fn inject(stage: &Stage, target: &str, kind: &str, lasts: Duration) -> InjectionView {
    let (target, kind, for_ms) = (target.to_owned(), kind.to_owned(), lasts.as_millis() as u64);
    let order = Order { target, kind, share_percent: 100.0, caller: None, for_ms };
    stage.gateway.inject(order).await.expect("injected")
}

async fn ask(stage: &Stage, stream: bool) -> Outcome {
    let (number, at) = (0, stage.began.elapsed());
    let ask = Ask { number, at, speaks: Speaks::Chat, stream, prompt: "ask 0:".to_owned(), leaves_after: None };
    let outcome = stage.ask(ask).await.expect("no panic");
    let reply = Reply::read(Speaks::Chat, stream, &outcome.body);
    assert!(outcome.status == 200 && reply.ends == [true], "{}", String::from_utf8_lossy(&outcome.body));
    outcome
}

#[test]
fn a_fault_ends_by_itself_and_the_breaker_recovers_by_its_own_rules() {
    ready();
    in_virtual_time(async {
        let stage = stage().await;
        let probing = tokio::spawn(pointsman::gateway::probe(std::sync::Arc::clone(&stage.gateway)));
        let fault = inject(&stage, "a/*", "overloaded", 60 * SECOND).await;
        for number in 0..20 {
            let outcome = ask(&stage, false).await;
            assert_eq!(outcome.header("x-pointsman-target"), "b/m", "nobody notices");
            // Five in a row open the breaker; who does not meet the fault is not told of it.
            let told = if number < 5 { fault.id.as_str() } else { "" };
            assert_eq!(outcome.header("x-pointsman-fault"), told, "{number}");
        }
        sleep(30 * SECOND).await;
        assert_eq!(stage.fakes[0].seen().len(), 0, "no call, and no probe that would find it well");
        assert_eq!(stage.gateway.injections().len(), 1);
        sleep(90 * SECOND).await;
        assert!(stage.gateway.injections().is_empty(), "nobody removed it");
        // Beside this one it is probed.
        ask(&stage, false).await;
        sleep(SECOND).await;
        for _ in 0..3 {
            let outcome = ask(&stage, false).await;
            let told = (outcome.header("x-pointsman-target"), outcome.header("x-pointsman-fault"));
            assert_eq!(told, ("a/m", ""), "it is back");
        }
        probing.abort();
    });
}

#[test]
fn what_hangs_goes_on_when_the_fault_is_over() {
    ready();
    in_virtual_time(async {
        // Else a late attempt would be hedged.
        let patient = format!("{TEXT}\n[timeouts]\nadaptive = false");
        let stage = Stage::new(1, &[("a", Protocol::OpenAiChat), ("b", Protocol::AnthropicMessages)], &patient).await;
        stage.fakes[0].behave(Behaviour { between_tokens: Duration::from_millis(10), ..Behaviour::default() });
        for kind in ["hang", "hang-before-content", "hang-after:2", "slow:50s"] {
            for removed in [false, true] {
                let (began, lasts) = (tokio::time::Instant::now(), if removed { 3_600 * SECOND } else { 20 * SECOND });
                let fault = inject(&stage, "a", kind, lasts).await;
                let removing = async {
                    if removed {
                        sleep(20 * SECOND).await;
                        stage.gateway.remove_injection(&fault.id).expect("it was on");
                    }
                };
                let (outcome, ()) = tokio::join!(ask(&stage, true), removing);
                let told = (outcome.header("x-pointsman-target"), outcome.header("x-pointsman-fault"));
                assert_eq!(told, ("a/m", fault.id.as_str()), "{kind}");
                let took = outcome.ended_at - began;
                assert!((20 * SECOND..21 * SECOND).contains(&took), "{kind}: {took:?}");
                assert_eq!(ask(&stage, true).await.header("x-pointsman-fault"), "", "{kind}");
            }
        }
    });
}
