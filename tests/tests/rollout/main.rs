//! Versions of a policy that are put in while requests run: on trial, in the shadow, live; and bad ones, which go by themselves.
//! What a request's journal tells, and what another version would have done.

mod adapters;
mod purity;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pointsman::gateway::{self, SlotView};
use pointsman::journal::{self, story};
use pointsman::plugin::Plugin;
use pointsman::plugin::{Policy, bindings::policy::Action};
use pointsman_tests::guests::{ROGUE, bundled};
use pointsman_tests::{CLAUDE, Line, behave, wait_until};

/// Callers ask until it is over; each must be answered.
async fn under_traffic<R>(line: &Arc<Line>, model: &'static str, body: impl Future<Output = R>) -> (R, usize) {
    let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..3 {
        let (line, over, answered) = (Arc::clone(line), Arc::clone(&over), Arc::clone(&answered));
        callers.spawn(async move {
            while !over.load(Ordering::SeqCst) {
                let stream = answered.load(Ordering::SeqCst) % 2 == caller % 2;
                let answer = line.claude(model, "hello", stream).await;
                assert!(answer.status == 200 && !answer.broken, "{} {}", answer.status, answer.body);
                answered.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    let result = body.await;
    over.store(true, Ordering::SeqCst);
    while let Some(caller) = callers.join_next().await {
        caller.expect("no caller saw an error");
    }
    (result, answered.load(Ordering::SeqCst))
}

fn slot(line: &Line, name: &str) -> SlotView {
    line.gateway.slots().into_iter().find(|slot| slot.name == name).expect("the slot")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_version_is_gone_by_itself_and_no_caller_notices() {
    let line = Arc::new(Line::start().await);
    let looking = tokio::spawn(gateway::look_after(Arc::clone(&line.gateway)));
    let good = slot(&line, "failover").live.sha256;
    let ((), answered) = under_traffic(&line, CLAUDE, async {
        let bad = line.gateway.load("failover", ROGUE).await.expect("it looks well").staged.expect("staged").sha256;
        line.gateway.swap("failover", false).await.expect("a swap");
        wait_until("the good version is back", || slot(&line, "failover").live.sha256 == good).await;
        let barred = slot(&line, "failover").barred;
        assert!(barred.get(&bad).is_some_and(|why| why.contains("faults")), "{barred:?}");
        line.gateway.load("failover", ROGUE).await.expect("it may be looked at");
        let error = line.gateway.swap("failover", false).await.expect_err("it is kept out");
        assert!(format!("{error:#}").contains("--force"), "{error:#}");
        line.gateway.swap("failover", true).await.expect("an operator insists");
        wait_until("it is gone again", || slot(&line, "failover").live.sha256 == good).await;
    })
    .await;
    assert!(answered > 10, "{answered}");
    looking.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_that_fares_worse_is_dropped_and_one_that_fares_well_goes_live() {
    let more = "[models.three]\ntargets = [\"anthropic/claude-sonnet-4-5\", \"openai/gpt-5\", \"openai/broken\"]";
    let line = Arc::new(Line::start_with(more).await);
    line.openai.behave_for("broken", behave("500"));
    let looking = tokio::spawn(gateway::look_after(Arc::clone(&line.gateway)));
    line.gateway.load("failover", ROGUE).await.expect("it looks well");
    assert!(line.gateway.canary("failover", 100, false).await.is_err(), "all is no trial");
    line.gateway.canary("failover", 40, false).await.expect("a trial");
    let mut by_canary = 0;
    for number in 0..400 {
        let answer = line.claude("three", "hello", false).await;
        by_canary += usize::from(answer.status != 200);
        if slot(&line, "failover").canary.is_none() {
            break;
        }
        assert!(number < 399, "it is still on trial");
    }
    assert!(by_canary >= 50, "{by_canary} requests showed that it is worse");
    let barred = slot(&line, "failover").barred;
    assert!(barred.values().any(|why| why.contains("ended badly")), "{barred:?}");
    line.gateway.load("failover", bundled("fastest")).await.expect("a policy");
    line.gateway.canary("failover", 30, false).await.expect("a trial");
    let ((), _) = under_traffic(&line, CLAUDE, async {
        wait_until("both versions decided", || {
            let slot = slot(&line, "failover");
            slot.canary.is_some_and(|canary| canary.good > 5) && slot.live.good > 5
        })
        .await;
    })
    .await;
    let trial = slot(&line, "failover").canary.expect("still on trial").sha256;
    line.gateway.swap("failover", false).await.expect("for all");
    assert_eq!((slot(&line, "failover").live.sha256, slot(&line, "failover").canary.is_none()), (trial, true));
    looking.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_in_the_shadow_decides_and_is_not_obeyed() {
    let more = "[models.three]\ntargets = [\"anthropic/claude-sonnet-4-5\", \"openai/gpt-5\", \"openai/other\"]";
    let line = Line::start_with(more).await;
    line.gateway.load("failover", ROGUE).await.expect("it looks well");
    line.gateway.shadow("failover").await.expect("a shadow");
    line.anthropic.behave(behave("529"));
    let answer = line.claude("three", "hello", false).await;
    assert_eq!(answer.header("x-pointsman-target"), "openai/gpt-5", "the live version decides");
    let view = slot(&line, "failover").shadow.expect("in the shadow");
    assert_eq!((view.alike, view.differing), (0, 2), "after a failure, too");
    let entry = line.gateway.journal().find(answer.header("x-pointsman-request-id")).expect("in the journal");
    let told = story(&entry);
    for part in [
        "the policy: ask anthropic/claude-sonnet-4-5",
        "in the shadow: ask openai/other (always this one)",
        "anthropic/claude-sonnet-4-5 failed: overloaded (529)",
        "in the shadow: give up",
        "first content, from openai/gpt-5",
        "done",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("hello") && !format!("{entry:?}").contains("hello"), "no word of the prompt: {told}");
    let differences = line.gateway.differences().of("failover", 99);
    assert_eq!(differences.len(), 2);
    let told: String = differences.iter().map(|difference| journal::told(difference)).collect();
    for part in [
        answer.header("x-pointsman-request-id"),
        "route three",
        "live:      ask anthropic/claude-sonnet-4-5",
        "shadow:    ask openai/other (always this one)",
        "openai/other: closed",
        "shadow:    give up (and no other)",
        "anthropic/claude-sonnet-4-5 failed: overloaded (529)",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("hello") && !format!("{differences:?}").contains("hello"), "no word of the prompt: {told}");
    line.gateway.rollback("failover").await.expect("out of the shadow");
    assert!(slot(&line, "failover").shadow.is_none());
}

/// The journal holds all that a decision needs: another version decides again, elsewhere and later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_decided_can_be_decided_again() {
    let line = Line::start().await;
    line.anthropic.behave(behave("529"));
    for _ in 0..3 {
        assert_eq!(line.claude(CLAUDE, "hello", false).await.status, 200);
    }
    // As it comes out of the admin port.
    let entries: Vec<pointsman::journal::Entry> = line
        .gateway
        .journal()
        .since(0, 99)
        .iter()
        .map(|entry| {
            let text = serde_json::to_string(&**entry).expect("JSON");
            serde_json::from_str(&text).expect("the same again")
        })
        .collect();
    let route = line.gateway.routes().into_iter().find(|route| route.pattern == "claude-*").expect("the route");
    let decide = async |name: &str| {
        let plugin = Plugin::load(name, bundled(name)).await.expect("a policy");
        let policy = Policy::open(plugin, route.settings.clone(), route.targets.clone()).await.expect("opened");
        let (mut alike, mut differing) = (0, 0);
        for deliberation in entries.iter().flat_map(|entry| &entry.deliberations) {
            let again = policy.decide(&deliberation.situation).await.expect("a decision");
            let before = deliberation.said.as_ref().expect("a decision");
            match again == *before {
                true => alike += 1,
                false => differing += 1,
            }
            assert!(matches!(before.action, Action::Attempt(_)));
        }
        (alike, differing)
    };
    assert_eq!(decide("failover").await, (6, 0), "the same version decides the same");
    assert!(decide("cheapest").await.1 > 0, "another has other reasons at least");
}
