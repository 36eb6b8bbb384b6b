//! A silent, a slow and a half-dead provider, on default settings: what it costs callers, and whom it does not concern.

use std::collections::BTreeMap;
use std::time::Duration;

use pointsman::fake::{Behaviour, Fault, Protocol};
use tokio::time::sleep;

use super::plan::Break;
use super::promises::{SECOND, TWO, all_answered, ask, by_target, in_turn, slow, status, two};
use super::ready;
use super::world::{Outcome, Stage, in_virtual_time};

pub const MILLI: Duration = Duration::from_millis(1);
pub const ALL: &str = "[models.all]\ntargets = [\"a/m\", \"b/m\"]";

/// Both providers answer in 200 ms, and have done so for a while.
pub async fn stage(more: &str) -> Stage {
    let stage = Stage::new(1, TWO, &two(more)).await;
    stage.fakes.iter().for_each(|fake| fake.behave(slow(200 * MILLI)));
    let calm = in_turn(&stage, 200, 100 * MILLI).await;
    all_answered(&calm);
    assert_eq!(by_target(&calm).len(), 1, "nothing is wrong yet");
    stage
}

pub fn hangs() -> Behaviour {
    Behaviour { fault: Fault::HangBeforeHeaders, ..Behaviour::default() }
}

pub fn longest(outcomes: &[Outcome]) -> Duration {
    outcomes.iter().map(|outcome| outcome.ended_at - outcome.asked_at).max().unwrap_or_default()
}

/// How many of these calls reached the first provider.
pub fn asked_a(stage: &Stage, before: usize) -> usize {
    stage.fakes[0].seen().len() - before
}

#[test]
fn a_silent_target_is_noticed_by_those_who_wait_and_all_of_them_move() {
    ready();
    in_virtual_time(async {
        let stage = stage(ALL).await;
        stage.fakes[0].behave(hangs());
        // The whole of the first calls notice it, and none waits for a timeout.
        let first = in_turn(&stage, 30, 100 * MILLI).await;
        all_answered(&first);
        assert!(longest(&first) < 4 * SECOND, "{:?}", longest(&first));
        let before = stage.fakes[0].seen().len();
        let later = in_turn(&stage, 300, 100 * MILLI).await;
        all_answered(&later);
        assert!(longest(&later) < SECOND, "nobody waits at a target that is known to be silent: {:?}", longest(&later));
        assert!(asked_a(&stage, before) < 12, "{} probes in half a minute", asked_a(&stage, before));
        stage.fakes[0].behave(slow(200 * MILLI));
        all_answered(&in_turn(&stage, 150, 100 * MILLI).await);
        let back = by_target(&in_turn(&stage, 20, 100 * MILLI).await);
        assert_eq!(back["a/m"], 20, "15 s after its recovery: {back:?}");
    });
}

#[test]
fn a_slow_target_gets_probes_and_no_traffic_while_another_is_faster() {
    ready();
    in_virtual_time(async {
        let stage = stage(ALL).await;
        stage.fakes[0].behave(slow(2 * SECOND));
        all_answered(&in_turn(&stage, 30, 100 * MILLI).await);
        let before = stage.fakes[0].seen().len();
        let later = in_turn(&stage, 200, 100 * MILLI).await;
        all_answered(&later);
        assert!(longest(&later) < SECOND, "{:?}", longest(&later));
        assert!(asked_a(&stage, before) < 10, "{}", asked_a(&stage, before));
        // Both are slow: there is no reason to avoid the first.
        stage.fakes[1].behave(slow(2 * SECOND));
        all_answered(&in_turn(&stage, 300, 100 * MILLI).await);
        let both = by_target(&in_turn(&stage, 50, 100 * MILLI).await);
        assert!(both.get("a/m").is_some_and(|count| *count > 10), "{both:?}");
    });
}

#[test]
fn the_only_target_pauses_and_nobody_loses_an_attempt_by_it() {
    ready();
    in_virtual_time(async {
        let stage = stage("[models.all]\ntargets = [\"a/m\"]").await;
        stage.fakes[0].behave(slow(8 * SECOND));
        let paused = in_turn(&stage, 50, 100 * MILLI).await;
        all_answered(&paused);
        assert!(paused.iter().all(|outcome| outcome.header("x-pointsman-attempts") == "1"));
    });
}

#[test]
fn a_route_that_hangs_leaves_room_for_the_others() {
    ready();
    in_virtual_time(async {
        let text =
            "[server]\nmax_requests = 100\n[models.all]\ntargets = [\"a/m\"]\n[models.other]\ntargets = [\"b/m\"]";
        let stage = Stage::new(1, TWO, &two(text)).await;
        stage.fakes[0].behave(hangs());
        let hanging: Vec<_> = (0..150).map(|number| stage.ask(ask(number, Duration::ZERO))).collect();
        sleep(SECOND).await;
        let now = stage.began.elapsed();
        let others: Vec<_> = (0..100)
            .map(|number| {
                let ask = ask(200 + number, now + 100 * MILLI * number as u32);
                stage.ask_model("other", ask)
            })
            .collect();
        let mut outcomes = Vec::new();
        for one in others {
            outcomes.push(one.await.expect("no panic"));
        }
        all_answered(&outcomes);
        assert!(hanging.iter().filter(|one| one.is_finished()).count() >= 50, "who found its route full was told so");
        hanging.iter().for_each(|one| one.abort());
    });
}

#[test]
fn a_small_teams_bad_target_is_left_soon() {
    ready();
    in_virtual_time(async {
        let stage = stage(ALL).await;
        sleep(300 * SECOND).await;
        stage.fakes[0].behave(status(500, None));
        let (before, mut asked_first) = (stage.fakes[0].seen().len(), 0);
        // Ten requests a minute, and one in seven is answered.
        for number in 0..40 {
            stage.fakes[0].behave(if number % 7 == 6 { slow(200 * MILLI) } else { status(500, None) });
            let outcomes = in_turn(&stage, 1, SECOND).await;
            all_answered(&outcomes);
            // Of its caller, and not of a probe beside it.
            let met = |outcome: &&Outcome| {
                outcome.header("x-pointsman-target") == "a/m" || outcome.header("x-pointsman-attempts") != "1"
            };
            asked_first += outcomes.iter().filter(met).count();
            sleep(5 * SECOND).await;
        }
        let firsts = asked_a(&stage, before);
        println!("asked {firsts} times, by {asked_first} callers");
        assert!(asked_first <= 14, "{asked_first} of 40 callers were sent there first");
        assert!(firsts < 40, "in four minutes it was asked {firsts} times, most of them probes");
    });
}

#[test]
fn who_waited_for_a_rate_limit_comes_back_one_after_the_other() {
    ready();
    in_virtual_time(async {
        let stage = stage("[models.all]\ntargets = [\"a/m\"]").await;
        stage.fakes[0].behave(status(429, Some(4)));
        let waiting: Vec<_> = (0..60).map(|number| stage.ask(ask(number, stage.began.elapsed()))).collect();
        sleep(SECOND).await;
        stage.fakes[0].behave(slow(200 * MILLI));
        let mut outcomes = Vec::new();
        for one in waiting {
            outcomes.push(one.await.expect("no panic"));
        }
        all_answered(&outcomes);
        let seen = stage.fakes[0].seen();
        let times: Vec<_> =
            seen.iter().filter(|seen| seen.behaviour == slow(200 * MILLI)).filter_map(|seen| seen.at).collect();
        let last = times.iter().rev().take(60).min().copied().expect("they came");
        let at_once = times.iter().filter(|at| **at >= last && **at < last + 100 * MILLI).count();
        assert!(at_once <= 20, "{at_once} of 60 within 100 ms");
    });
}

/// A provider whose first tokens come in time, and whose text trickles.
#[test]
fn streams_that_trickle_move_the_next_ones() {
    ready();
    in_virtual_time(async {
        let stage = Stage::new(1, &[("a", Protocol::OpenAiChat), ("b", Protocol::AnthropicMessages)], &two(ALL)).await;
        let pace = |between: u64| Behaviour { between_tokens: MILLI * between as u32, ..slow(100 * MILLI) };
        stage.fakes.iter().for_each(|fake| fake.behave(pace(50)));
        let streams = async |count: usize| {
            let now = stage.began.elapsed();
            let one = |number: usize| {
                let prompt = format!("ask {number}:{}", " la".repeat(30));
                world_ask(number, now + 500 * MILLI * number as u32, prompt)
            };
            let asked: Vec<_> = (0..count).map(|number| stage.ask(one(number))).collect();
            let mut outcomes = Vec::new();
            for one in asked {
                outcomes.push(one.await.expect("no panic"));
            }
            outcomes
        };
        all_answered(&streams(40).await);
        stage.fakes[0].behave(pace(2_000));
        all_answered(&streams(40).await);
        let later = streams(20).await;
        all_answered(&later);
        let later = by_target(&later);
        assert!(later.get("b/m").is_some_and(|count| *count >= 15), "{later:?}");
    });
}

fn world_ask(number: usize, at: Duration, prompt: String) -> super::plan::Ask {
    super::plan::Ask { stream: true, prompt, ..ask(number, at) }
}

/// Our own lack of file descriptors is no fault of a provider: nobody's circuit opens.
///
/// Faults: F112
#[test]
fn what_this_machine_lacks_opens_no_circuit() {
    ready();
    in_virtual_time(async {
        let text = "[breaker]\nfaults = 1\nout = \"60s\"\n[models.all]\ntargets = [\"a/m\", \"b/m\"]";
        let stage = Stage::new(1, TWO, &two(text)).await;
        stage.links.iter().for_each(|link| link.set(Some(Break::NoDescriptor)));
        for outcome in in_turn(&stage, 8, SECOND).await {
            assert!(outcome.status == 503 || outcome.status == 529 || outcome.status == 429, "{}", outcome.status);
        }
        stage.links.iter().for_each(|link| link.set(None));
        let outcomes = in_turn(&stage, 3, SECOND).await;
        all_answered(&outcomes);
        assert_eq!(by_target(&outcomes), BTreeMap::from([("a/m".into(), 3)]));
    });
}
