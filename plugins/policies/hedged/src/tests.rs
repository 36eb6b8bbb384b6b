use super::*;
use pointsman_sdk::policy::testing::*;
use pointsman_sdk::policy::*;

const FIXED: &str = r#"{"hedge_after_ms": 400}"#;

fn decide(settings: &str, situation: &Situation) -> Decision {
    open::<Hedged>(settings, &vec![1; situation.targets.len()]).expect("good settings").decide(situation)
}

fn hedge_after_ms(decision: &Decision) -> Option<u64> {
    match &decision.action {
        Action::Attempt(attempt) => attempt.hedge_after_ms,
        Action::Wait | Action::GiveUp => None,
    }
}

/// A request of which an attempt runs at target 0 since its arrival, so many milliseconds ago.
fn late(states: Vec<TargetState>, elapsed_ms: u64) -> Situation {
    running(Situation { elapsed_ms, ..situation(states) }, &[(0, 0)])
}

#[test]
fn an_attempt_is_late_by_its_targets_own_latency() {
    let usual = |first_token_ms| TargetState { first_token_ms, ..ready() };
    let after = |settings: &str, first_token_ms| {
        hedge_after_ms(&decide(settings, &situation(vec![usual(first_token_ms), ready()])))
    };
    assert_eq!(after("{}", Some(900.0)), Some(900));
    assert_eq!(after(r#"{"hedge_after_times": 3}"#, Some(900.0)), Some(2_700));
    assert_eq!(after("{}", Some(20.0)), Some(500), "no less than the least");
    assert_eq!(after("{}", Some(60_000.0)), Some(10_000), "no more than the most");
    assert_eq!(after("{}", None), Some(10_000));
    assert_eq!(after(FIXED, Some(900.0)), Some(400));
    let learned = TargetState { attributes: vec![attribute("first-token-p95-ms", "700")], ..usual(Some(9_000.0)) };
    assert_eq!(hedge_after_ms(&decide("{}", &situation(vec![learned, ready()]))), Some(700), "before the trouble");
}

fn attribute(name: &str, value: &str) -> Attribute {
    Attribute { name: name.into(), value: value.into() }
}

#[test]
fn where_two_are_late_a_third_is_tried() {
    let two = running(situation(vec![ready(), ready(), ready()]), &[(0, 0), (1, 400)]);
    for (late, expected) in [("0", None), ("0,1", Some((2, 0)))] {
        let asked = Situation { attributes: vec![attribute("late", late)], ..two.clone() };
        assert_eq!(chosen(&decide("{}", &asked)), expected, "{late}");
    }
}

#[test]
fn one_hedge_starts_at_the_best_other_target() {
    let hedge = decide(FIXED, &late(vec![ready(), ready(), ready()], 400));
    assert_eq!((chosen(&hedge), hedge_after_ms(&hedge)), (Some((1, 0)), Some(400)));
    assert_eq!(chosen(&decide(FIXED, &late(vec![ready(), out_for(900), ready()], 400))), Some((2, 0)));
    let two = running(situation(vec![ready(), ready(), ready()]), &[(0, 0), (1, 400)]);
    assert_eq!(decide(FIXED, &two).action, Action::Wait);
}

#[test]
fn a_hedge_needs_a_target_that_is_free() {
    let full = TargetState { room: Some(0), ..ready() };
    let unable = TargetState { able: false, ..ready() };
    for other in [full, unable, out_for(900), asked_to_wait(10)] {
        assert_eq!(decide(FIXED, &late(vec![ready(), other], 400)).action, Action::Wait);
    }
    let last = Situation { attempts_left: 0, ..late(vec![ready(), ready()], 400) };
    assert_eq!(decide(FIXED, &last).action, Action::Wait);
}

#[test]
fn when_one_of_two_fails_the_other_goes_on_until_it_is_late_too() {
    let report =
        |started_at_ms, elapsed_ms| AttemptReport { started_at_ms, elapsed_ms, ..failed(0, FaultKind::Overloaded) };
    let now = |elapsed_ms| Situation { elapsed_ms, ..situation(vec![ready(), ready(), ready()]) };
    let young = running(after(now(500), vec![report(0, 500)]), &[(1, 400)]);
    assert_eq!(decide(FIXED, &young).action, Action::Wait);
    let old = running(after(now(900), vec![report(0, 900)]), &[(1, 400)]);
    assert_eq!(chosen(&decide(FIXED, &old)), Some((2, 0)));
    // The first failed before the second began: the host asks because the second is late, whatever the average says now.
    let slower = running(after(now(700), vec![report(0, 300)]), &[(1, 300)]);
    assert_eq!(chosen(&decide("{}", &slower)), Some((2, 0)));
}

#[test]
fn what_the_caller_did_wrong_starts_no_hedge_and_ends_the_request_when_nothing_runs() {
    let wrong = |request| after(request, vec![failed(1, FaultKind::InvalidRequest)]);
    assert_eq!(decide(FIXED, &wrong(late(vec![ready(), ready(), ready()], 900))).action, Action::Wait);
    assert_eq!(decide(FIXED, &wrong(situation(vec![ready(), ready()]))).action, Action::GiveUp);
}

#[test]
fn a_reply_that_broke_off_is_continued_by_one() {
    let mut request = after(situation(vec![ready(), ready()]), vec![failed(0, FaultKind::Truncated)]);
    request.request.continuing = true;
    let decision = decide(FIXED, &request);
    assert_eq!((chosen(&decision), hedge_after_ms(&decision)), (Some((1, 0)), None));
}

#[test]
fn the_fastest_may_come_first() {
    let slow = TargetState { first_token_ms: Some(900.0), ..ready() };
    let fast = TargetState { first_token_ms: Some(200.0), ..ready() };
    let request = situation(vec![slow, fast]);
    assert_eq!(chosen(&decide(r#"{"order": "fastest"}"#, &request)), Some((1, 0)));
    assert_eq!(chosen(&decide("{}", &request)), Some((0, 0)));
}

#[test]
fn wrong_settings_are_refused_in_words() {
    assert!(refusal::<Hedged>(r#"{"hedge_after_ms": 0}"#).contains("must be 1 to 600000"));
    assert!(refusal::<Hedged>(r#"{"hedge_after_max_ms": 100}"#).contains("must be 500 to 600000"));
    assert!(refusal::<Hedged>(r#"{"hedge_after_times": 0.5}"#).contains("must be 1 to 100"));
}

#[test]
fn the_laws_are_kept() {
    for settings in ["{}", r#"{"order": "fastest", "hedge_after_ms": 1, "attempts": 5}"#] {
        for targets in 1..=6 {
            check_policy(&open::<Hedged>(settings, &vec![1; targets]).expect("good settings"), targets);
        }
    }
}
