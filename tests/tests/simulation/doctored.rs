//! The oracle itself: a run in which all was well, doctored in each of the ways that it is there to find.

use std::time::Duration;

use pointsman::fake::{Behaviour, Fault, Protocol};

use super::oracle::judge;
use super::plan::{Plan, Speaks, TOTAL, Trouble, What};
use super::ready;
use super::world::{History, Outcome, run};

const MILLISECOND: Duration = Duration::from_millis(1);

/// A plan in which nothing goes wrong and nobody leaves; the first request is a stream of Chat Completions, answered by OpenAI.
fn calm() -> (u64, Plan) {
    let fits = |plan: &Plan| {
        !plan.is_limited
            && plan.targets.len() == 3
            && !plan.splices
            && !plan.is_full
            && plan.targets[0].protocol == Protocol::OpenAiChat
    };
    let (seed, mut plan) = (0..).map(|seed| (seed, Plan::new(seed))).find(|(_, plan)| fits(plan)).expect("one of them");
    plan.targets.iter_mut().for_each(|target| target.troubles.clear());
    plan.asks.iter_mut().for_each(|ask| ask.leaves_after = None);
    // Three of the one route, one of the other.
    let other = plan.asks.iter().find(|ask| ask.model() == "other").cloned();
    plan.asks.truncate(3);
    plan.asks.extend(other);
    (plan.asks[0].speaks, plan.asks[0].stream) = (Speaks::Chat, true);
    // One configuration, and its policy asks the targets in their order.
    plan.configurations.truncate(1);
    let text = &mut plan.configurations[0].1;
    *text = text
        .lines()
        .filter(|line| !line.starts_with("policy") && !line.starts_with("settings"))
        .collect::<Vec<_>>()
        .join("\n");
    (seed, plan)
}

/// What the oracle says of the run after this was done to it.
fn doctored(how: impl FnOnce(&mut History)) -> Vec<String> {
    ready();
    let (seed, plan) = calm();
    let mut history = run(seed, &plan);
    assert_eq!(judge(&plan, &history), Vec::<String>::new(), "all is well before");
    assert_eq!(history.outcomes[0].header("x-pointsman-target"), "p0/m0");
    how(&mut history);
    judge(&plan, &history)
}

/// It finds this, and what it says of it holds these words.
fn finds(words: &str, how: impl FnOnce(&mut History)) {
    let found = doctored(how);
    assert!(found.iter().any(|text| text.contains(words)), "no `{words}` in {found:#?}");
}

fn rewrite(outcome: &mut Outcome, change: impl FnOnce(String) -> String) {
    let body = String::from_utf8(std::mem::take(&mut outcome.body)).expect("text");
    let changed = change(body.clone());
    assert_ne!(body, changed);
    outcome.body = changed.into_bytes();
}

fn events(body: &str) -> Vec<&str> {
    body.split_inclusive("\n\n").collect()
}

/// Where the content of the first reply stands among its events.
fn contents(events: &[&str]) -> Vec<usize> {
    let has_content = |event: &&str| event.contains("\"content\":\"") && !event.contains("\"content\":\"\"");
    events.iter().enumerate().filter(|(_, event)| has_content(event)).map(|(at, _)| at).collect()
}

#[test]
fn a_reply_that_lost_its_middle_though_it_looks_complete() {
    finds("it says", |history| {
        rewrite(&mut history.outcomes[0], |body| {
            let mut events = events(&body);
            events.remove(contents(&events)[2]);
            events.concat()
        });
    });
}

#[test]
fn a_reply_that_lost_its_last_words_though_it_looks_complete() {
    finds("it says", |history| {
        rewrite(&mut history.outcomes[0], |body| {
            let mut events = events(&body);
            let last = contents(&events).pop().expect("content");
            events.remove(last);
            events.concat()
        });
    });
}

#[test]
fn a_reply_without_an_end() {
    finds("its ends: []", |history| {
        rewrite(&mut history.outcomes[0], |body| {
            let events = events(&body);
            events[..contents(&events)[2]].concat()
        });
    });
}

#[test]
fn half_an_event() {
    finds("nonsense", |history| rewrite(&mut history.outcomes[0], |body| body[..body.len() - 5].to_owned()));
}

#[test]
fn two_ends() {
    finds("its ends: [true, true]", |history| rewrite(&mut history.outcomes[0], |body| body + "data: [DONE]\n\n"));
}

#[test]
fn an_error_and_then_a_good_end() {
    finds("its ends: [false, true]", |history| {
        rewrite(&mut history.outcomes[0], |body| {
            let at = body.find("data: [DONE]").expect("an end");
            format!("{}data: {{\"error\":{{\"message\":\"oh\"}}}}\n\n{}", &body[..at], &body[at..])
        });
    });
}

#[test]
fn two_beginnings() {
    finds("2 beginnings", |history| {
        rewrite(&mut history.outcomes[0], |body| format!("{}{body}", events(&body)[0]));
    });
}

#[test]
fn the_words_of_two_targets_in_one_reply() {
    finds("it says", |history| {
        rewrite(&mut history.outcomes[0], |body| body.replacen("m0: ", "m1: ", 1).replacen("m0:", "m1:", 1));
    });
}

#[test]
fn the_words_of_another_target() {
    finds("it says", |history| {
        history.outcomes[0].headers.insert("x-pointsman-target".to_owned(), "p1/m1".to_owned());
    });
}

#[test]
fn an_answer_by_nobody() {
    finds("no known target", |history| drop(history.outcomes[0].headers.remove("x-pointsman-target")));
}

/// A copy of what the first request's target saw of it.
fn attempt_of_the_first(history: &History) -> pointsman::fake::Seen {
    let is_its = |seen: &&pointsman::fake::Seen| String::from_utf8_lossy(&seen.body).contains("ask 0:");
    history.seen[0].iter().find(is_its).expect("it was asked").clone()
}

#[test]
fn an_attempt_after_the_caller_saw_something() {
    finds("after the caller had seen something", |history| {
        let head_at = history.outcomes[0].head_at.expect("a head");
        let late = pointsman::fake::Seen { at: Some(head_at + MILLISECOND), ..attempt_of_the_first(history) };
        history.seen[1].push(late);
    });
}

#[test]
fn five_attempts() {
    finds("5 attempts", |history| {
        let again = attempt_of_the_first(history);
        history.seen[1].extend([again.clone(), again.clone(), again.clone(), again]);
    });
}

#[test]
fn a_request_that_was_lost_though_a_target_was_well() {
    finds("lost, though p0 was well", |history| {
        history.outcomes[0].status = 503;
        history.outcomes[0].body = b"{\"error\":{\"message\":\"all attempts failed\"}}".to_vec();
    });
}

#[test]
fn a_stream_of_a_target_that_was_well_and_ended_badly() {
    finds("a bad end by a target that was well", |history| {
        rewrite(&mut history.outcomes[0], |body| {
            body.replace("data: [DONE]", "data: {\"error\":{\"message\":\"oh\"}}")
        });
    });
}

#[test]
fn a_good_answer_with_a_bad_status() {
    finds("a good end and a bad status", |history| history.outcomes[0].status = 503);
}

#[test]
fn a_broken_connection() {
    finds("the connection broke", |history| history.outcomes[0].broken = true);
}

#[test]
fn an_end_after_the_deadline() {
    let late = |spare: u64| {
        move |history: &mut History| {
            history.outcomes[0].ended_at = history.outcomes[0].asked_at + TOTAL + Duration::from_millis(spare);
        }
    };
    finds("it took", late(60));
    assert_eq!(doctored(late(40)), Vec::<String>::new(), "what virtual time may add");
}

#[test]
fn a_provider_that_asked_for_patience_and_was_asked_again() {
    let asked_again = |after: Duration| {
        move |history: &mut History| {
            let first = &mut history.seen[0][0];
            first.behaviour.fault = Fault::Status { status: 429, retry_after_s: Some(5) };
            first.behaviour.first_token = Duration::ZERO;
            let at = first.at.map(|at| at + after);
            let again = pointsman::fake::Seen { at, body: "nobody's".into(), ..first.clone() };
            history.seen[0].push(again);
            // None of the others comes between.
            let told = history.seen[0][0].at;
            history.seen[0].retain(|seen| seen.at <= told || seen.at == at);
        }
    };
    finds("5 s of patience", asked_again(Duration::from_secs(1)));
    finds("5 s of patience", asked_again(Duration::from_millis(4_990)));
    assert!(doctored(asked_again(Duration::from_millis(5_001))).iter().all(|text| !text.contains("of patience")));
}

#[test]
fn a_route_that_is_refused_or_waits_because_of_another() {
    let is_other = |outcome: &&mut Outcome| outcome.ask.model() == "other";
    finds("lost, though own was well", |history| {
        let outcome = history.outcomes.iter_mut().find(is_other).expect("one of them");
        outcome.status = 503;
        outcome.body = b"{\"error\":{\"message\":\"full\"}}".to_vec();
    });
    let (seed, mut plan) = calm();
    plan.asks.iter_mut().for_each(|ask| ask.stream = true);
    ready();
    let mut history = run(seed, &plan);
    assert_eq!(judge(&plan, &history), Vec::<String>::new());
    let outcome = history.outcomes.iter_mut().find(is_other).expect("one of them");
    outcome.head_at = outcome.head_at.map(|at| at + Duration::from_millis(1_500));
    outcome.ended_at += Duration::from_millis(1_500);
    assert!(judge(&plan, &history).iter().any(|text| text.contains("it waited")));
}

#[test]
fn requests_that_wait_at_a_target_known_to_be_silent() {
    let (seed, mut plan) = calm();
    ready();
    let mut history = run(seed, &plan);
    let behaviour = Behaviour { fault: Fault::HangBeforeContent, ..Behaviour::default() };
    let (from, to) = (Duration::from_secs(10), Duration::from_secs(50));
    let ask_at = |history: &mut History, seconds: u64| {
        let at = Some(history.began + Duration::from_secs(seconds));
        let again = pointsman::fake::Seen { at, body: "nobody's".into(), ..attempt_of_the_first(history) };
        history.seen[1].push(again);
    };
    plan.targets[1].troubles.push(Trouble { from, to, what: What::Behaves(behaviour) });
    (11..=18).for_each(|at| ask_at(&mut history, at));
    // Known from 28 on: 2 probes and one every two seconds.
    (29..42).for_each(|at| ask_at(&mut history, at));
    let found = |history: &History| judge(&plan, history).into_iter().any(|text| text.contains("known to be silent"));
    assert!(!found(&history));
    ask_at(&mut history, 42);
    assert!(found(&history));
}

#[test]
fn a_reply_that_was_left_open() {
    finds("1 replies of p1 are still open", |history| history.open[1] = 1);
}

#[test]
fn a_task_that_was_left_running() {
    finds("tasks before", |history| history.tasks_after += 1);
}
