use super::*;
use pointsman_sdk::policy::testing::*;
use pointsman_sdk::policy::*;

fn state(first_token_ms: f64, success_rate: f64) -> TargetState {
    TargetState { samples: 20, success_rate, first_token_ms: Some(first_token_ms), ..ready() }
}

/// How often each of the targets is asked, of a thousand requests.
fn shares(settings: &str, states: &[TargetState]) -> Vec<usize> {
    let fastest: Fastest = open(settings, &vec![1; states.len()]).expect("good settings");
    let mut shares = vec![0; states.len()];
    for number in 0..1_000 {
        let request = Situation { random: number * 977, sequence: number, ..situation(states.to_vec()) };
        shares[chosen(&fastest.decide(&request)).expect("an attempt").0] += 1;
    }
    shares
}

const CALM: &str = r#"{"explore_one_in": 0}"#;

#[test]
fn slow_is_better_than_failing_and_failing_is_better_than_out() {
    assert_eq!(shares(CALM, &[state(900.0, 1.0), state(100.0, 1.0)]), [0, 1_000]);
    assert_eq!(shares(CALM, &[state(100.0, 0.5), state(900.0, 1.0)]), [0, 1_000]);
    let out = TargetState { ready_in_ms: 50, circuit: Circuit::Open, ..state(10.0, 1.0) };
    assert_eq!(shares(CALM, &[out, state(100.0, 0.5)]), [0, 1_000]);
}

#[test]
fn load_and_little_headroom_make_a_target_slower() {
    let loaded = |in_flight| TargetState { in_flight, ..state(100.0, 1.0) };
    assert_eq!(shares(CALM, &[loaded(8), loaded(3)]), [0, 1_000]);
    assert_eq!(shares(CALM, &[loaded(1), state(300.0, 1.0)]), [1_000, 0]);
    let scarce = TargetState { headroom: Some(0.02), ..state(100.0, 1.0) };
    assert_eq!(shares(CALM, &[scarce, state(300.0, 1.0)]), [0, 1_000]);
}

#[test]
fn a_target_without_samples_gets_one_at_a_time() {
    assert_eq!(shares(CALM, &[state(100.0, 1.0), ready()]), [0, 1_000]);
    let asked = TargetState { in_flight: 1, ..ready() };
    assert_eq!(shares(CALM, &[state(100.0, 1.0), asked]), [1_000, 0]);
    let failing = TargetState { samples: 9, success_rate: 0.2, ..ready() };
    assert_eq!(shares(CALM, &[state(100.0, 1.0), failing]), [1_000, 0], "it never showed a token");
}

#[test]
fn of_many_the_slowest_is_never_asked_and_the_fastest_not_always() {
    let shares = shares(CALM, &[state(100.0, 1.0), state(110.0, 1.0), state(120.0, 1.0), state(2_000.0, 1.0)]);
    assert!(shares[3] == 0 && shares[0] > 400 && shares[1] > 250 && shares[2] > 100, "{shares:?}");
}

#[test]
fn one_request_in_so_many_looks_at_a_target_that_is_seldom_asked() {
    let seldom = TargetState { samples: 1, ..state(5_000.0, 1.0) };
    assert_eq!(shares(r#"{"explore_one_in": 50}"#, &[state(100.0, 1.0), seldom.clone()]), [980, 20]);
    let out = TargetState { ready_in_ms: 50, ..seldom };
    assert_eq!(shares(r#"{"explore_one_in": 50}"#, &[state(100.0, 1.0), out]), [1_000, 0], "not while it is out");
}

#[test]
fn a_failed_attempt_goes_on_to_the_fastest_of_the_others() {
    let fastest: Fastest = open("{}", &[1, 1, 1]).expect("good settings");
    let states = vec![state(100.0, 1.0), state(900.0, 1.0), state(300.0, 1.0)];
    let history = vec![failed(0, FaultKind::Overloaded)];
    assert_eq!(chosen(&fastest.decide(&after(situation(states), history))), Some((2, 0)));
}

#[test]
fn wrong_settings_are_refused_in_words() {
    assert!(refusal::<Fastest>(r#"{"low_headroom": 2}"#).starts_with("`low_headroom` is 2, but must be 0 to 1"));
    assert!(refusal::<Fastest>(r#"{"explore_one_in": -1}"#).starts_with("`explore_one_in`: invalid value"));
}

#[test]
fn the_laws_are_kept() {
    for settings in ["{}", r#"{"explore_one_in": 1, "attempts": 5, "low_headroom": 0, "failure_ms": 0}"#] {
        for targets in 1..=6 {
            check_policy(&open::<Fastest>(settings, &vec![1; targets]).expect("good settings"), targets);
        }
    }
}
