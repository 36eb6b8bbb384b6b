//! How traffic comes back, in virtual time and on default settings: after a long silence, to a target that is half well, to one
//! whose limit is small, and where no probe may run beside a request.

use std::time::Duration;

use pointsman::fake::{Behaviour, Fault, Protocol};
use tokio::time::{Instant, sleep};

use super::outages::{ALL, MILLI, asked_a, hangs, longest, stage};
use super::plan::Ask;
use super::promises::{SECOND, TWO, all_answered, ask, by_target, in_turn, slow, status, two};
use super::ready;
use super::world::{Outcome, Stage, in_virtual_time};

/// Is the first target's circuit closed?
fn is_closed(stage: &Stage) -> bool {
    stage.gateway.targets().iter().any(|target| target.id.starts_with("a/") && target.circuit == "closed")
}

#[test]
fn after_ten_minutes_of_silence_it_is_back_within_a_quarter_of_a_minute() {
    ready();
    in_virtual_time(async {
        let stage = stage(ALL).await;
        stage.fakes[0].behave(hangs());
        all_answered(&in_turn(&stage, 600, SECOND).await);
        assert!(!is_closed(&stage));
        stage.fakes[0].behave(slow(200 * MILLI));
        let meanwhile = in_turn(&stage, 150, 100 * MILLI).await;
        all_answered(&meanwhile);
        assert!(longest(&meanwhile) < SECOND, "nobody waits for its return: {:?}", longest(&meanwhile));
        let back = by_target(&in_turn(&stage, 20, 100 * MILLI).await);
        assert_eq!(back.get("a/m"), Some(&20), "{back:?}");
    });
}

/// Seven of ten requests fail, for three minutes: each time it closes by chance it is asked for a while in vain.
#[test]
fn a_target_that_mostly_fails_does_not_flap() {
    ready();
    in_virtual_time(async {
        let stage = stage(ALL).await;
        let (mut flaps, mut was_closed, before) = (0, true, stage.fakes[0].seen().len());
        let mut dice = fastrand::Rng::with_seed(7);
        for _ in 0..600 {
            stage.fakes[0].behave(if dice.u32(..10) < 7 { status(500, None) } else { slow(20 * MILLI) });
            all_answered(&in_turn(&stage, 1, Duration::ZERO).await);
            flaps += u32::from(was_closed && !is_closed(&stage));
            was_closed = is_closed(&stage);
            sleep(80 * MILLI).await;
        }
        assert!((1..=FLAPS_MAX).contains(&flaps), "it opened {flaps} times in three minutes");
        let asked = asked_a(&stage, before);
        assert!(asked < 120, "{asked} of 600 requests were sent there");
    });
}

/// The first time, and twice a minute at the most: three of ten probes succeed, and after the first time two must.
const FLAPS_MAX: u32 = 6;

/// A provider that asks all to wait for four seconds, and then takes twenty requests a second.
#[test]
fn who_waited_is_let_in_as_the_limit_allows() {
    const A_SECOND: usize = 20;
    ready();
    in_virtual_time(async {
        let stage = stage("[models.all]\ntargets = [\"a/m\"]").await;
        stage.fakes[0].behave(status(429, Some(4)));
        let waiting: Vec<_> = (0..200).map(|number| stage.ask(ask(number, stage.began.elapsed()))).collect();
        sleep(SECOND).await;
        let (began, before) = (Instant::now(), stage.fakes[0].seen().len());
        let limit = tokio::spawn({
            let fake = std::sync::Arc::clone(&stage.fakes[0]);
            async move {
                loop {
                    let lately = |at: Instant| at.elapsed() < SECOND && at >= began;
                    let good = |behaviour: &Behaviour| *behaviour == slow(200 * MILLI);
                    let taken =
                        fake.seen().into_iter().filter(|seen| good(&seen.behaviour) && seen.at.is_some_and(lately));
                    fake.behave(if taken.count() >= A_SECOND { status(429, Some(1)) } else { slow(200 * MILLI) });
                    sleep(5 * MILLI).await;
                }
            }
        });
        let mut outcomes = Vec::new();
        for one in waiting {
            outcomes.push(one.await.expect("no panic"));
        }
        limit.abort();
        let answered = outcomes.iter().filter(|outcome| outcome.status == 200).count();
        let seen = &stage.fakes[0].seen()[before..];
        let refused = seen.iter().filter(|seen| seen.behaviour != slow(200 * MILLI)).count();
        let at: Vec<Instant> = seen.iter().filter_map(|seen| seen.at).collect();
        let together = at.iter().map(|from| at.iter().filter(|at| **at >= *from && **at < *from + 100 * MILLI).count());
        let together = together.max().unwrap_or_default();
        println!("{answered} answered, {} sent, {refused} refused, {together} within 100 ms", seen.len());
        assert!(answered >= 190, "{answered} of 200 were answered");
        assert!(refused * 4 <= seen.len(), "{refused} of {} were refused", seen.len());
        assert!(together <= 30, "{together} within 100 ms");
    });
}

/// Who does not want to pay for probes has a request of a caller find out, and nothing runs beside it.
#[test]
fn without_shadow_probes_nothing_runs_beside_a_request() {
    ready();
    in_virtual_time(async {
        let asked = async |more: &str| {
            let text = format!("[breaker]\nfaults = 3\nout = \"10s\"\n{more}\n{ALL}");
            let stage = Stage::new(1, TWO, &two(&text)).await;
            stage.fakes[0].behave(status(503, None));
            all_answered(&in_turn(&stage, 20, 100 * MILLI).await);
            stage.fakes[0].behave(slow(2 * SECOND));
            sleep(13 * SECOND).await;
            let before: Vec<usize> = stage.fakes.iter().map(|fake| fake.seen().len()).collect();
            let outcomes = in_turn(&stage, 10, Duration::ZERO).await;
            all_answered(&outcomes);
            let attempts: usize = stage.fakes.iter().zip(before).map(|(fake, before)| fake.seen().len() - before).sum();
            (by_target(&outcomes).get("a/m").copied().unwrap_or(0), attempts)
        };
        assert_eq!(asked("").await, (0, 11), "by default a probe runs beside");
        assert_eq!(asked("shadow_probes = false").await, (1, 10), "ten requests, ten attempts");
    });
}

/// Slower than `slowest`, though it never was faster: the next requests go elsewhere, and the streams that run stay whole.
#[test]
fn streams_below_slowest_are_marked_and_not_broken() {
    ready();
    in_virtual_time(async {
        let text = |more: &str| format!("[timeouts]\nslowest_over = \"2s\"\n{more}\n{ALL}");
        let by_b = async |more: &str| {
            let fakes = [("a", Protocol::OpenAiChat), ("b", Protocol::AnthropicMessages)];
            let stage = Stage::new(1, &fakes, &two(&text(more))).await;
            let pace = |between: u32| Behaviour { between_tokens: MILLI * between, ..slow(100 * MILLI) };
            stage.fakes[0].behave(pace(1_000));
            stage.fakes[1].behave(pace(20));
            let streams = async |count: usize| {
                let now = stage.began.elapsed();
                let one = |number: usize| Ask {
                    stream: true,
                    prompt: format!("ask {number}:{}", " la".repeat(12)),
                    ..ask(number, now + 500 * MILLI * number as u32)
                };
                let asked: Vec<_> = (0..count).map(|number| stage.ask(one(number))).collect();
                let mut outcomes: Vec<Outcome> = Vec::new();
                for one in asked {
                    outcomes.push(one.await.expect("no panic"));
                }
                outcomes
            };
            // All of them come whole, those that were found too slow as well.
            let first = streams(30).await;
            all_answered(&first);
            assert!(by_target(&first).contains_key("a/m"));
            let later = streams(20).await;
            all_answered(&later);
            by_target(&later).get("b/m").copied().unwrap_or(0)
        };
        assert_eq!(by_b("").await, 0, "it is as slow as ever");
        let marked = by_b("slowest = 40").await;
        assert!(marked >= 15, "{marked} of 20 went elsewhere");
    });
}

/// The target of two routes hangs: together they leave room for a third, because a target has its share, too.
#[test]
fn a_target_that_hangs_leaves_room_whatever_routes_lead_there() {
    ready();
    in_virtual_time(async {
        let text = "[server]\nmax_requests = 100\n[models.all]\ntargets = [\"a/m\"]\n[models.second]\ntargets = [\"a/m\"]\n\
                    [models.other]\ntargets = [\"b/m\"]";
        let stage = Stage::new(1, TWO, &two(text)).await;
        stage.fakes[0].behave(hangs());
        stage.fakes[1].behave(slow(200 * MILLI));
        let (mut hanging, began) = (Vec::new(), stage.began.elapsed());
        for (model, from) in [("all", 0), ("second", 1_000)] {
            let one = |number: usize| stage.ask_model(model, ask(from + number, began));
            hanging.extend((0..75).map(one));
        }
        sleep(8 * SECOND).await;
        let in_flight = stage.fakes[0].seen().len();
        assert!((60..=85).contains(&in_flight), "{in_flight} of 100 hang at one target");
        let now = stage.began.elapsed();
        let others: Vec<_> = (0..60)
            .map(|number| stage.ask_model("other", ask(200 + number, now + 100 * MILLI * number as u32)))
            .collect();
        let mut outcomes = Vec::new();
        for one in others {
            outcomes.push(one.await.expect("no panic"));
        }
        all_answered(&outcomes);
        hanging.iter().for_each(|one| one.abort());
    });
}

/// As many as a busy team has at once, on default limits: the backup was not asked for hours.
#[test]
fn a_surge_to_a_cold_backup_waits_its_turn() {
    ready();
    in_virtual_time(async {
        for fault in [Fault::Status { status: 503, retry_after_s: None }, Fault::ResetBeforeHeaders] {
            let stage = Stage::new(1, TWO, &two(ALL)).await;
            stage.fakes[0].behave(Behaviour { fault, ..Behaviour::default() });
            stage.fakes[1].behave(slow(3 * SECOND));
            let outcomes = in_turn(&stage, 400, Duration::ZERO).await;
            all_answered(&outcomes);
            let seen = stage.fakes[1].seen();
            let at_once = seen.iter().filter(|seen| seen.at.is_some_and(|at| at < stage.began + SECOND / 2)).count();
            assert!(at_once <= 200, "{at_once} of 400 at once");
            assert_eq!(seen.len(), 400, "each was sent there once");
        }
    });
}

/// Where another can go on, a stream that stops in its middle is left after what is usual for its target, and not after two minutes;
/// where nobody can, it is given its time.
///
/// Faults: F161
#[test]
fn a_stream_that_stops_in_its_middle_goes_on_soon_where_another_can() {
    ready();
    in_virtual_time(async {
        let took = async |splice: bool, then: Behaviour| {
            let continuation = if splice { "continuation = \"splice\"\n" } else { "" };
            let text = format!("[models.all]\n{continuation}targets = [\"a/m\", \"b/claude-sonnet-4-5\"]");
            let stage = Stage::new(1, TWO, &two(&text)).await;
            let usual = Behaviour { between_tokens: 20 * MILLI, ..slow(100 * MILLI) };
            stage.fakes.iter().for_each(|fake| fake.behave(usual.clone()));
            let stream = |number: usize| {
                let prompt = format!("ask {number}: write 8 words");
                stage.ask(Ask { stream: true, prompt, ..ask(number, stage.began.elapsed()) })
            };
            for number in 0..100 {
                all_answered(&[stream(number).await.expect("no panic")]);
            }
            stage.fakes[0].behave(then);
            let outcome = stream(100).await.expect("no panic");
            let body = String::from_utf8_lossy(&outcome.body).into_owned();
            (outcome.ended_at - outcome.asked_at, body)
        };
        let stops = || Behaviour { fault: Fault::HangAfter { chunks: 3 }, ..slow(100 * MILLI) };
        let (time, body) = took(true, stops()).await;
        assert!(time < 15 * SECOND && body.contains("continues it") && body.contains("[DONE]"), "{time:?} {body}");
        let (time, body) = took(false, stops()).await;
        assert!(time > 100 * SECOND, "nobody could go on: {time:?} {body}");
        // It pauses, and makes progress.
        let pauses = Behaviour { between_tokens: 8 * SECOND, ..slow(100 * MILLI) };
        let (time, body) = took(true, pauses).await;
        assert!(time > 30 * SECOND && body.contains("[DONE]") && !body.contains("continues it"), "{time:?} {body}");
    });
}
