//! A calm time with heavy tails: nobody pays for what the gateway does against bad mornings.
//!
//! First tokens have a 99.9th percentile of 20 times their median. Some replies in one piece are long, some content trickles,
//! and some streams show nothing but pings for a long time.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, interval};

use super::bounds::percentiles;
use super::caller::{Call, Question, Rates, Route, losses, questions};
use super::provider::{Manner, Speed, Spread};
use super::scene::{Line, Scene};
use super::{GAP, QUIET, SEED, WORDS, ready};

const LASTS: Duration = Duration::from_secs(45);
const RATES: Rates = Rates { claude: 30.0, gpt: 2.0, healthy: 0.0 };
/// As those of models that reason.
const TAILS: Speed = Speed { first_token: Spread { median: 150.0, p95: 450.0, p999: Some(3_000.0) }, gap: GAP };

/// One call in so many is a long reply in one piece, a trickle, a long thought.
const LONG_ONE_IN: u32 = 50;
const TRICKLE_ONE_IN: u32 = 250;
const THOUGHT_ONE_IN: u32 = 400;
const LONG_WORDS: u32 = 160;
const TRICKLE_WORDS: u32 = 8;

/// Calls that get a second attempt, at the most.
const SECOND_BELOW: f64 = 0.005;
/// Attempts for each call, at the most: what the calm costs.
const ATTEMPTS_MAX: f64 = 1.01;
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Over sockets the calm is that of one seed; in virtual time of all these.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=6;

fn mixed(seed: u64) -> Vec<Question> {
    let mut questions = questions(RATES, LASTS, WORDS, seed);
    for question in questions.iter_mut().filter(|question| question.route == Route::Claude) {
        if question.number % LONG_ONE_IN == 7 {
            (question.stream, question.words) = (false, LONG_WORDS);
        }
        if question.number % TRICKLE_ONE_IN == 60 {
            (question.stream, question.words, question.manner) = (true, TRICKLE_WORDS, Manner::Slowly);
        }
        if question.number % THOUGHT_ONE_IN == 130 {
            (question.stream, question.manner) = (true, Manner::Thoughtfully);
        }
    }
    questions
}

/// What does not hold, in words.
fn violations(calls: &[Call], opened: &BTreeSet<String>) -> Vec<String> {
    let count = |is: fn(&&Call) -> bool| calls.iter().filter(is).count();
    let all = calls.len() as f64;
    let (lost, second) = (count(|call| !call.is_answered), count(|call| call.attempts > 1 || call.outrun > 0));
    let attempts: u32 = calls.iter().map(|call| call.attempts).sum();
    let moved = count(|call| makes_progress(call) && !call.target.starts_with("anthropic/"));
    [
        (lost > 0, format!("{lost} calls were lost")),
        (second as f64 >= SECOND_BELOW * all, format!("{second} of {all} calls got a second attempt")),
        (f64::from(attempts) > ATTEMPTS_MAX * all, format!("{attempts} attempts for {all} calls")),
        (moved > 0, format!("{moved} streams that made progress were cut at their provider")),
        (!opened.is_empty(), format!("circuits were not closed: {opened:?}")),
        // Without them it would prove nothing.
        (count(|call| makes_progress(call)) < 3, "no stream was slow".to_owned()),
        (count(|call| call.expected > Duration::from_secs(2)) < 3, "there were no tails".to_owned()),
    ]
    .into_iter()
    .filter_map(|(is_wrong, text)| is_wrong.then_some(text))
    .collect()
}

/// Slowly, but it does.
fn makes_progress(call: &Call) -> bool {
    call.question.manner != Manner::Usual
}

/// The targets whose circuit was not closed, until it is over.
async fn watch(scene: &Scene, opened: &mut BTreeSet<String>) {
    let mut looks = interval(LOOK_EVERY);
    loop {
        looks.tick().await;
        let targets = scene.gateway.targets().into_iter();
        opened.extend(targets.filter(|target| target.circuit != "closed").map(|target| target.id));
    }
}

/// The calls of one calm; targets whose circuit was not closed are added to `opened`.
async fn play(line: Line, seed: u64, opened: &mut BTreeSet<String>) -> Vec<Call> {
    let scene = Scene::start(line, "failover", "", [TAILS; 3], None, seed).await;
    let began = Instant::now() + Duration::from_millis(500);
    scene.begin(began);
    let calls = tokio::select! {
        calls = scene.play(began, mixed(seed)) => calls,
        () = watch(&scene, opened) => unreachable!("it watches until the calls are over"),
    };
    let attempts: u32 = calls.iter().map(|call| call.attempts).sum();
    let first = percentiles(calls.iter().filter(|call| call.question.stream).filter_map(|call| call.first));
    let losses = losses(calls.iter());
    println!("seed {seed}: {} calls, {attempts} attempts, first token {first:.2?}, lost {losses:?}", calls.len());
    for call in calls.iter().filter(|call| call.attempts > 1 || call.outrun > 0) {
        let Question { number, stream, words, manner, .. } = &call.question;
        println!("a second attempt: {number} stream {stream} words {words} {manner:?} expected {:.2?}", call.expected);
    }
    calls
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_calm_with_heavy_tails_nobody_pays() {
    let _quiet = QUIET.lock().await;
    ready();
    let mut opened = BTreeSet::new();
    let calls = play(Line::Real, SEED, &mut opened).await;
    assert_eq!(violations(&calls, &opened), [] as [String; 0]);
}

/// All of them together: of one alone, a call or two more decide about the share of second attempts.
#[test]
fn calms_in_virtual_time() {
    let _quiet = QUIET.blocking_lock();
    ready();
    let (mut all, mut opened) = (Vec::new(), BTreeSet::new());
    for seed in SEEDS {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        all.extend(runtime.expect("a runtime").block_on(play(Line::Memory, seed, &mut opened)));
    }
    assert_eq!(violations(&all, &opened), [] as [String; 0]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Vec<Call> {
        let call = |question: Question| Call {
            first: Some(Duration::from_millis(150)),
            ended: Duration::from_secs(1),
            is_answered: true,
            why: String::new(),
            target: "anthropic/m".to_owned(),
            attempts: 1,
            outrun: 0,
            asked_first: None,
            expected: Duration::from_secs(if question.number.is_multiple_of(300) { 3 } else { 0 }),
            question,
        };
        mixed(SEED).into_iter().map(call).collect()
    }

    /// What is said when the calls of some numbers are changed.
    fn said(every: u32, change: impl Fn(&mut Call)) -> String {
        let mut calls = good();
        calls.iter_mut().filter(|call| call.question.number.is_multiple_of(every)).for_each(change);
        violations(&calls, &BTreeSet::new()).join("; ")
    }

    #[test]
    fn each_bound_can_fail() {
        assert_eq!(said(1, |_| {}), "");
        assert!(said(1_000, |call| call.is_answered = false).contains("calls were lost"));
        assert_eq!(said(400, |call| call.attempts = 2), "", "one in 400 is allowed");
        assert!(said(150, |call| call.outrun = 1).contains("calls got a second attempt"));
        assert!(said(400, |call| call.attempts = 9).contains("attempts for"));
        let cut = |call: &mut Call| call.target = "openai/m".to_owned();
        assert!(said(1, cut).contains("streams that made progress were cut"));
        assert!(said(1, |call| call.expected = Duration::ZERO).contains("no tails"));
        assert!(said(1, |call| call.question.manner = Manner::Usual).contains("no stream was slow"));
        let opened = BTreeSet::from(["anthropic/m".to_owned()]);
        assert!(violations(&good(), &opened).join("").contains("circuits were not closed"));
    }
}
