//! What is promised of health, budgets, limits and hedges, one by one, in virtual time.

use std::collections::BTreeMap;
use std::time::Duration;

use pointsman::fake::{Behaviour, Fault, Protocol};
use pointsman::journal::story;
use pointsman_tests::reply::Reply;
use tokio::time::sleep;

use super::plan::{Ask, Break, Speaks};
use super::ready;
use super::world::{Outcome, Stage, in_virtual_time};

pub const TWO: &[(&str, Protocol)] = &[("a", Protocol::OpenAiChat), ("b", Protocol::AnthropicMessages)];
pub const SECOND: Duration = Duration::from_secs(1);

/// Two providers and what is `more`: at least a `[models.all]`.
pub fn two(more: &str) -> String {
    format!(
        r#"
        [providers.a]
        adapter = "openai-chat"
        base_url = "http://a.sim/v1"
        keys = ["a-key-1", "a-key-2"]
        [providers.b]
        adapter = "anthropic-messages"
        base_url = "http://b.sim"
        key = "b-key"
        {more}
        "#
    )
}

pub fn ask(number: usize, at: Duration) -> Ask {
    Ask { number, at, speaks: Speaks::Chat, stream: false, prompt: format!("ask {number}:"), leaves_after: None }
}

pub fn status(status: u16, retry_after_s: Option<u64>) -> Behaviour {
    Behaviour { fault: Fault::Status { status, retry_after_s }, ..Behaviour::default() }
}

pub fn slow(first_token: Duration) -> Behaviour {
    Behaviour { first_token, ..Behaviour::default() }
}

/// One request after the other, so far apart.
pub async fn in_turn(stage: &Stage, count: usize, apart: Duration) -> Vec<Outcome> {
    let now = stage.began.elapsed();
    let asked: Vec<_> = (0..count).map(|number| stage.ask(ask(number, now + apart * number as u32))).collect();
    let mut outcomes = Vec::new();
    for one in asked {
        outcomes.push(one.await.expect("no panic"));
    }
    outcomes
}

pub fn by_target(outcomes: &[Outcome]) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for outcome in outcomes {
        *counted.entry(outcome.header("x-pointsman-target").to_owned()).or_default() += 1;
    }
    counted
}

pub fn all_answered(outcomes: &[Outcome]) {
    for outcome in outcomes {
        let reply = Reply::read(outcome.ask.speaks, outcome.ask.stream, &outcome.body);
        let body = String::from_utf8_lossy(&outcome.body);
        assert!(outcome.status == 200 && reply.ends == [true], "{} {body}", outcome.status);
    }
}

#[test]
fn a_target_in_trouble_is_left_alone_and_one_probe_finds_out_when_it_is_well() {
    ready();
    in_virtual_time(async {
        let text = "[breaker]\nfaults = 3\nout = \"10s\"\n[models.all]\ntargets = [\"a/m\", \"b/m\"]";
        let stage = Stage::new(1, TWO, &two(text)).await;
        stage.fakes[0].behave(status(503, None));
        all_answered(&in_turn(&stage, 20, Duration::from_millis(100)).await);
        assert_eq!(stage.fakes[0].seen().len(), 3, "and then no more");
        // It is well again, but slow. One probe runs beside a request, and everybody is served by the other.
        stage.fakes[0].behave(slow(2 * SECOND));
        sleep(13 * SECOND).await;
        let outcomes = in_turn(&stage, 10, Duration::ZERO).await;
        all_answered(&outcomes);
        assert_eq!(stage.fakes[0].seen().len(), 4, "one probe");
        assert_eq!(by_target(&outcomes), BTreeMap::from([("b/m".into(), 10)]), "it costs no caller anything");
        assert!(outcomes.iter().all(|outcome| outcome.ended_at - outcome.asked_at < SECOND));
        sleep(3 * SECOND).await;
        let outcomes = in_turn(&stage, 10, Duration::ZERO).await;
        let counted = by_target(&outcomes);
        assert!((1..10).contains(&counted["a/m"]), "its load rises step by step: {counted:?}");
        sleep(15 * SECOND).await;
        let outcomes = in_turn(&stage, 10, Duration::ZERO).await;
        assert_eq!(by_target(&outcomes), BTreeMap::from([("a/m".into(), 10)]), "it is back");
    });
}

/// Where no hedge may be made, a request of a caller finds out, as one must.
#[test]
fn without_a_budget_for_probes_a_request_finds_out() {
    ready();
    in_virtual_time(async {
        let text = "[attempts]\nhedge_share = 0.0\nhedge_floor = 0\n[breaker]\nfaults = 3\nout = \"10s\"\n[models.all]\n\
                    targets = [\"a/m\", \"b/m\"]";
        let stage = Stage::new(1, TWO, &two(text)).await;
        stage.fakes[0].behave(status(503, None));
        all_answered(&in_turn(&stage, 20, Duration::from_millis(100)).await);
        stage.fakes[0].behave(slow(2 * SECOND));
        sleep(13 * SECOND).await;
        let outcomes = in_turn(&stage, 10, Duration::ZERO).await;
        all_answered(&outcomes);
        assert_eq!(by_target(&outcomes), BTreeMap::from([("a/m".into(), 1), ("b/m".into(), 9)]));
    });
}

#[test]
fn a_probe_notices_recovery_before_a_request_does() {
    ready();
    in_virtual_time(async {
        let text = "[providers.a.probe]\npath = \"/v1/models\"\nevery = \"2s\"\n[breaker]\nfaults = 1\nout = \"10m\"\nout_max = \"10m\"\n\
                    [models.all]\ntargets = [\"a/m\", \"b/m\"]";
        let stage = Stage::new(1, TWO, &two(text)).await;
        let probing = tokio::spawn(pointsman::gateway::probe(std::sync::Arc::clone(&stage.gateway)));
        sleep(60 * SECOND).await;
        assert_eq!(stage.fakes[0].seen().len(), 0, "who is well is not probed");
        stage.fakes[0].behave(status(503, None));
        all_answered(&in_turn(&stage, 1, SECOND).await);
        sleep(60 * SECOND).await;
        let probes =
            stage.fakes[0].seen().iter().filter(|seen| seen.method == "GET" && seen.path == "/v1/models").count();
        assert!((25..=31).contains(&probes), "{probes}");
        let outcomes = in_turn(&stage, 1, SECOND).await;
        assert_eq!(by_target(&outcomes), BTreeMap::from([("b/m".into(), 1)]), "it is out");
        stage.fakes[0].behave(Behaviour::default());
        sleep(4 * SECOND).await;
        let outcomes = in_turn(&stage, 4, SECOND).await;
        let expected = BTreeMap::from([("a/m".into(), 3), ("b/m".into(), 1)]);
        assert_eq!(by_target(&outcomes), expected, "long before its time; beside the first request it was probed");
        let probes = stage.fakes[0].seen().len();
        sleep(60 * SECOND).await;
        assert_eq!(stage.fakes[0].seen().len(), probes, "and no probe since");
        probing.abort();
    });
}

/// A name that cannot be looked up, or not in time, and packets that vanish: the way to the provider ends where it is dialled.
/// Faults: F02, F05, F06
#[test]
fn what_cannot_be_dialled_is_not_waited_for() {
    ready();
    in_virtual_time(async {
        let text = "[timeouts]\nconnect = \"700ms\"\n[breaker]\nfaults = 1000\nsamples = 1000\n[providers.c]\nadapter = \"ollama\"\n\
                    base_url = \"http://nobody.sim\"\n[models.all]\ntargets = [\"c/m\", \"a/m\", \"b/m\"]";
        let stage = Stage::new(1, TWO, &two(text)).await;
        stage.links[0].set(Some(Break::Vanished));
        let outcomes = in_turn(&stage, 3, SECOND).await;
        all_answered(&outcomes);
        assert_eq!(by_target(&outcomes), BTreeMap::from([("b/m".into(), 3)]));
        for outcome in outcomes {
            let took = outcome.ended_at - outcome.asked_at;
            assert!((SECOND * 7 / 10..SECOND * 8 / 10).contains(&took), "{took:?}");
        }
    });
}

/// Faults: F03
#[test]
fn what_no_way_leads_to_costs_a_failover_and_nothing_else() {
    ready();
    in_virtual_time(async {
        let text = "[models.all]\ntargets = [\"a/m\", \"b/m\"]";
        let stage = Stage::new(1, TWO, &two(text)).await;
        all_answered(&in_turn(&stage, 1, SECOND).await);
        // What is there already falls silent, and is noticed only by those who wait on it: here none does.
        stage.links[0].set(Some(Break::NoRoute));
        sleep(120 * SECOND).await;
        let outcomes = in_turn(&stage, 3, SECOND).await;
        all_answered(&outcomes);
        assert_eq!(by_target(&outcomes), BTreeMap::from([("b/m".into(), 3)]));
        assert!(outcomes.iter().all(|outcome| outcome.ended_at - outcome.asked_at < SECOND), "nobody waits for it");
        stage.links[0].set(None);
        sleep(60 * SECOND).await;
        assert_eq!(by_target(&in_turn(&stage, 1, SECOND).await), BTreeMap::from([("a/m".into(), 1)]));
    });
}

#[test]
fn the_last_target_is_asked_even_when_it_is_out() {
    ready();
    in_virtual_time(async {
        let text =
            "[breaker]\nfaults = 1\nout = \"60s\"\n[models.all]\ntargets = [\"a/m\"]\nsettings = { attempts = 1 }";
        let stage = Stage::new(1, TWO, &two(text)).await;
        stage.fakes[0].behave(status(503, None));
        assert_eq!(in_turn(&stage, 1, SECOND).await[0].status, 503);
        stage.fakes[0].behave(Behaviour::default());
        all_answered(&in_turn(&stage, 1, SECOND).await);
    });
}

/// Faults: F29
#[test]
fn a_key_that_is_refused_is_retired_and_its_provider_is_not() {
    ready();
    in_virtual_time(async {
        let text = "[models.all]\ntargets = [\"a/m\", \"b/m\"]\n[models.other]\ntargets = [\"a/n\"]";
        let stage = Stage::new(1, TWO, &two(text)).await;
        // The fake refuses keys that begin so.
        let key = |seen: &pointsman::fake::Seen| seen.header("authorization").unwrap_or_default().to_owned();
        all_answered(&in_turn(&stage, 6, SECOND).await);
        let used: BTreeMap<String, usize> = stage.fakes[0].seen().iter().fold(BTreeMap::new(), |mut used, seen| {
            *used.entry(key(seen)).or_default() += 1;
            used
        });
        assert_eq!(used.values().copied().collect::<Vec<_>>(), [3, 3], "they take turns: {used:?}");
        stage.fakes[0].behave(status(401, None));
        let outcomes = in_turn(&stage, 1, SECOND).await;
        all_answered(&outcomes);
        let refused = key(&stage.fakes[0].seen()[6]);
        stage.fakes[0].behave(Behaviour::default());
        let outcomes = in_turn(&stage, 6, SECOND).await;
        assert_eq!(by_target(&outcomes), BTreeMap::from([("a/m".into(), 6)]), "the other key serves");
        assert!(stage.fakes[0].seen()[7..].iter().all(|seen| key(seen) != refused), "the refused key rests");
    });
}

/// Faults: F27
#[test]
fn a_fault_of_one_model_is_not_its_siblings() {
    ready();
    in_virtual_time(async {
        let text = "[breaker]\nfaults = 1\n[models.all]\ntargets = [\"a/big\", \"a/small\", \"b/m\"]";
        let stage = Stage::new(1, TWO, &two(text)).await;
        stage.fakes[0].behave_for("big", status(503, None));
        let outcomes = in_turn(&stage, 10, Duration::from_millis(100)).await;
        assert_eq!(by_target(&outcomes), BTreeMap::from([("a/small".into(), 10)]));
        assert_eq!(stage.fakes[0].seen().iter().filter(|seen| seen.model == "big").count(), 1);
    });
}

#[test]
fn replies_that_become_slow_move_the_traffic() {
    ready();
    in_virtual_time(async {
        let text = "[models.all]\npolicy = \"fastest\"\ntargets = [\"a/m\", \"b/m\"]";
        let stage = Stage::new(1, TWO, &two(text)).await;
        stage.fakes[0].behave(slow(SECOND / 2));
        stage.fakes[1].behave(slow(SECOND));
        let before = by_target(&in_turn(&stage, 40, 3 * SECOND).await);
        assert!(before["a/m"] > 25, "{before:?}");
        stage.fakes[0].behave(slow(6 * SECOND));
        let after = by_target(&in_turn(&stage, 40, 3 * SECOND).await);
        assert!(after["b/m"] > 30, "{after:?}");
    });
}

/// Faults: F25, F27
#[test]
fn a_storm_of_retries_is_bounded() {
    ready();
    in_virtual_time(async {
        let text = "[attempts]\nretry_share = 0.2\nretry_floor = 1\n[models.all]\ntargets = [\"a/m\", \"b/m\"]\n\
                    settings = { backoff_ms = 20 }";
        let stage = Stage::new(1, TWO, &two(text)).await;
        stage.fakes.iter().for_each(|fake| fake.behave(status(503, None)));
        let requests = 600;
        let outcomes = in_turn(&stage, requests, Duration::from_millis(100)).await;
        assert!(outcomes.iter().all(|outcome| outcome.status == 503));
        let sent: usize = stage.fakes.iter().map(|fake| fake.seen().len()).sum();
        // In each ten seconds: a fifth of the requests, and one a second at each target; the first seconds count twice,
        // because the budget slides. Before it is known that a target is in trouble a few more.
        let allowed = requests + 7 * (requests / 6 / 5 + 2 * 10) + 2 * 5;
        assert!(sent <= allowed, "{sent} calls for {requests} requests, {allowed} are allowed");
        assert!(sent >= requests, "{sent}");
    });
}

#[test]
fn a_deadline_holds() {
    ready();
    in_virtual_time(async {
        let text = "[timeouts]\nfirst_token = \"4s\"\nreply = \"4s\"\ntotal = \"10s\"\n[models.all]\ntargets = [\"a/m\", \"b/m\"]";
        let stage = Stage::new(1, TWO, &two(text)).await;
        for fault in [Fault::HangBeforeHeaders, Fault::HangBeforeContent] {
            stage.fakes.iter().for_each(|fake| fake.behave(Behaviour { fault: fault.clone(), ..Behaviour::default() }));
            for stream in [false, true] {
                let at = stage.began.elapsed();
                let outcome = stage.ask(Ask { stream, ..ask(1, at) }).await.expect("no panic");
                let took = outcome.ended_at - outcome.asked_at;
                assert!(outcome.status >= 500 && took <= 10 * SECOND + SECOND / 20, "{took:?} {}", outcome.status);
                assert_eq!(outcome.header("x-should-retry"), "false");
            }
        }
    });
}

#[test]
fn a_target_that_suddenly_gets_everybody_is_not_overrun() {
    ready();
    in_virtual_time(async {
        let text =
            "[limits]\nslow_start = 8\nqueue = 1000\nqueue_wait = \"20s\"\n[models.all]\ntargets = [\"a/m\", \"b/m\"]";
        let stage = Stage::new(1, TWO, &two(text)).await;
        stage.links[0].set(Some(Break::Refused));
        stage.fakes[1].behave(slow(10 * SECOND));
        let outcomes = in_turn(&stage, 60, Duration::ZERO).await;
        all_answered(&outcomes);
        let seen = stage.fakes[1].seen();
        let within = |seconds: u32| {
            seen.iter()
                .filter(|seen| seen.at.is_some_and(|at| at <= stage.began + SECOND * seconds + SECOND / 2))
                .count()
        };
        assert_eq!(within(0), 8);
        assert!(within(1) <= 16 && within(2) <= 32, "{} {}", within(1), within(2));
        assert_eq!(seen.len(), 60);
    });
}

#[test]
fn a_limit_of_a_target_is_kept_and_the_queue_is_bounded() {
    ready();
    in_virtual_time(async {
        let text = "[timeouts]\ntotal = \"6s\"\n[limits]\nmax_in_flight = 3\nqueue = 4\nqueue_wait = \"5s\"\n[models.all]\n\
                    targets = [\"a/m\"]\nsettings = { attempts = 1 }";
        let stage = Stage::new(1, TWO, &two(text)).await;
        stage.fakes[0].behave(slow(2 * SECOND));
        let asked: Vec<_> = (0..40).map(|number| stage.ask(ask(number, Duration::ZERO))).collect();
        for _ in 0..60 {
            sleep(SECOND / 10).await;
            assert!(stage.fakes[0].open() <= 3, "{} at once", stage.fakes[0].open());
        }
        let mut statuses = Vec::new();
        for one in asked {
            statuses.push(one.await.expect("no panic").status);
        }
        // In six seconds three at once can be answered three times; all others are told that there is no place.
        let answered = statuses.iter().filter(|status| **status == 200).count();
        assert!((6..=9).contains(&answered), "{statuses:?}");
        assert!(statuses.iter().all(|status| [200, 503, 504].contains(status)), "{statuses:?}");
        // With a second target nobody is refused.
        let text = two(&text
            .replace("[\"a/m\"]", "[\"a/m\", \"b/m\"]")
            .replace("attempts = 1", "attempts = 3")
            .replace("6s", "30s"));
        stage.gateway.apply(super::world::parsed(&text)).await.expect("a good configuration");
        let now = stage.began.elapsed();
        let asked: Vec<_> = (0..6).map(|number| stage.ask(ask(number, now))).collect();
        for one in asked {
            assert_eq!(one.await.expect("no panic").status, 200);
        }
    });
}

#[test]
fn a_late_first_token_is_hedged_and_the_loser_is_cancelled() {
    ready();
    in_virtual_time(async {
        let text = "[attempts]\nhedge_share = 1.0\n[models.all]\npolicy = \"hedged\"\nsettings = { hedge_after_ms = 2000 }\n\
                    targets = [\"a/m\", \"b/m\"]";
        let stage = Stage::new(1, TWO, &two(text)).await;
        stage.fakes[0].behave(slow(30 * SECOND));
        let outcome = stage.ask(Ask { stream: true, ..ask(1, Duration::ZERO) }).await.expect("no panic");
        let took = outcome.ended_at - outcome.asked_at;
        assert!(outcome.status == 200 && (2 * SECOND..3 * SECOND).contains(&took), "{took:?}");
        assert_eq!(outcome.header("x-pointsman-target"), "b/m");
        assert_eq!(outcome.header("x-pointsman-outrun"), "a/m", "it is told, because it may cost something");
        sleep(SECOND).await;
        assert_eq!((stage.fakes[0].cancelled(), stage.fakes[0].open()), (1, 0), "the loser is cancelled upstream");
    });
}

#[test]
fn what_attempts_cost_that_did_not_answer_is_counted() {
    ready();
    in_virtual_time(async {
        let text = "[attempts]\nhedge_share = 1.0\n[models.all]\npolicy = \"hedged\"\nsettings = { hedge_after_ms = 2000 }\n\
                    targets = [\"b/m\", \"a/m\"]";
        let stage = Stage::new(1, TWO, &two(text)).await;
        let mut spent = Vec::new();
        // Anthropic tells its input with the opening frames; who says nothing leaves us a guess; and an error status is free.
        for fault in [Fault::HangBeforeContent, Fault::ErrorBeforeContent, Fault::HangBeforeHeaders] {
            stage.fakes[1].behave(Behaviour { fault, ..Behaviour::default() });
            let now = stage.began.elapsed();
            let outcome = stage.ask(Ask { stream: true, ..ask(1, now) }).await.expect("no panic");
            assert_eq!((outcome.status, outcome.header("x-pointsman-target")), (200, "a/m"));
            let entry =
                stage.gateway.journal().find(outcome.header("x-pointsman-request-id")).expect("it is remembered");
            let [one] = entry.spent.as_slice() else { panic!("{:?}", entry.spent) };
            assert!(one.target == "b/m" && one.input_tokens > 0, "{one:?}");
            assert!(story(&entry).contains("b/m did not answer, and used"), "{}", story(&entry));
            spent.push(one.told);
        }
        assert_eq!(spent, [true, true, false]);
        stage.fakes[1].behave(status(503, None));
        let outcome = stage.ask(Ask { stream: true, ..ask(1, stage.began.elapsed()) }).await.expect("no panic");
        let entry = stage.gateway.journal().find(outcome.header("x-pointsman-request-id")).expect("it is remembered");
        assert_eq!(entry.spent, []);
    });
}

#[test]
fn hedges_keep_to_their_budget() {
    ready();
    in_virtual_time(async {
        let text = "[attempts]\nhedge_share = 0.1\nhedge_floor = 0\n[models.all]\npolicy = \"hedged\"\n\
                    settings = { hedge_after_ms = 100 }\ntargets = [\"a/m\", \"b/m\"]";
        let stage = Stage::new(1, TWO, &two(text)).await;
        stage.fakes[0].behave(slow(3 * SECOND));
        stage.fakes[1].behave(slow(3 * SECOND));
        let outcomes = in_turn(&stage, 200, Duration::from_millis(50)).await;
        all_answered(&outcomes);
        let sent: usize = stage.fakes.iter().map(|fake| fake.seen().len()).sum();
        assert!((201..=221).contains(&sent), "{sent} calls for 200 requests, and a tenth of them may be hedges");
    });
}

#[test]
fn traffic_is_back_soon_after_the_outage() {
    ready();
    in_virtual_time(async {
        let text = "[breaker]\nfaults = 3\n[models.all]\ntargets = [\"a/m\", \"b/m\"]";
        let stage = Stage::new(1, TWO, &two(text)).await;
        stage.fakes[0].behave(status(503, None));
        all_answered(&in_turn(&stage, 600, SECOND).await);
        let asked = stage.fakes[0].seen().len();
        assert!((50..100).contains(&asked), "ten minutes of outage cost {asked} probes, and no caller waited for one");
        stage.fakes[0].behave(Behaviour::default());
        all_answered(&in_turn(&stage, 80, SECOND).await);
        let back = by_target(&in_turn(&stage, 10, SECOND).await);
        assert_eq!(back, BTreeMap::from([("a/m".into(), 10)]));
    });
}
