//! `cargo test` runs these on this machine, without WebAssembly.

use pointsman_sdk::policy::testing::*;

use super::*;

const NIGHT: u64 = 23 * 3_600_000;
const NOON: u64 = 12 * 3_600_000;

/// What is decided at this hour, of targets in this state.
fn decided(now_unix_ms: u64, targets: Vec<TargetState>, history: Vec<AttemptReport>) -> Decision {
    let policy: NightShift = open("{}", &[1, 1, 1]).expect("settings that are right");
    policy.decide(&Situation { now_unix_ms, ..after(situation(targets), history) })
}

#[test]
fn the_first_by_day_the_last_by_night() {
    assert_eq!(chosen(&decided(NOON, vec![ready(), ready(), ready()], vec![])), Some((0, 0)));
    assert_eq!(chosen(&decided(NIGHT, vec![ready(), ready(), ready()], vec![])), Some((2, 0)));
}

#[test]
fn each_is_tried_once_then_it_is_over() {
    let failed = |target| failed(target, FaultKind::Overloaded);
    assert_eq!(chosen(&decided(NOON, vec![ready(), ready()], vec![failed(0)])), Some((1, 0)));
    assert_eq!(decided(NOON, vec![ready(), ready()], vec![failed(0), failed(1)]).action, Action::GiveUp);
}

#[test]
fn ready_ones_first_and_none_that_cannot_serve_the_request() {
    assert_eq!(chosen(&decided(NOON, vec![out_for(900), ready()], vec![])), Some((1, 0)));
    assert_eq!(
        chosen(&decided(NOON, vec![TargetState { able: false, ..ready() }, out_for(900)], vec![])),
        Some((1, 0))
    );
}

#[test]
fn while_one_runs_it_waits_and_what_is_wrong_goes_nowhere_else() {
    let policy: NightShift = open("{}", &[1, 1]).expect("settings that are right");
    assert_eq!(policy.decide(&running(situation(vec![ready(), ready()]), &[(0, 0)])).action, Action::Wait);
    let wrong = failed(0, FaultKind::InvalidRequest);
    assert_eq!(decided(NOON, vec![ready(), ready()], vec![wrong]).action, Action::GiveUp);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    assert!(refusal::<NightShift>(r#"{"from": 24}"#).contains("hours"));
    assert!(refusal::<NightShift>(r#"{"form": 20}"#).contains("`form`"));
}
