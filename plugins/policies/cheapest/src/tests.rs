use super::*;
use pointsman_sdk::policy::testing::*;
use pointsman_sdk::policy::*;

fn priced(input: f64, output: f64) -> TargetState {
    TargetState { price: Some(Price { input, output }), ..ready() }
}

fn decide(settings: &str, situation: &Situation) -> Option<usize> {
    let cheapest: Cheapest = open(settings, &vec![1; situation.targets.len()]).expect("good settings");
    chosen(&cheapest.decide(situation)).map(|(target, _)| target)
}

#[test]
fn the_price_of_this_request_counts() {
    // Dear to read and cheap to write, and the other way round.
    let mut request = situation(vec![priced(10.0, 1.0), priced(1.0, 10.0)]);
    request.request.input_tokens_estimate = 50_000;
    assert_eq!(decide("{}", &request), Some(1));
    request.request.input_tokens_estimate = 100;
    assert_eq!(decide("{}", &request), Some(0));
    request.request.operation = "embeddings".into();
    assert_eq!(decide("{}", &request), Some(1), "an embedding has no answer to be written");
    request.request.operation = "chat".into();
    assert_eq!(decide(r#"{"output_tokens": 1}"#, &request), Some(1));
}

#[test]
fn a_target_without_a_price_is_last_or_first() {
    let request = situation(vec![ready(), priced(500.0, 500.0)]);
    assert_eq!(decide("{}", &request), Some(1));
    assert_eq!(decide(r#"{"unknown_price": "first"}"#, &request), Some(0));
    let absurd = situation(vec![priced(-1.0, 0.0), priced(f64::NAN, 1.0), priced(500.0, 500.0)]);
    assert_eq!(decide("{}", &absurd), Some(2));
}

#[test]
fn what_fails_or_is_slow_or_out_is_no_bargain() {
    let dear = || priced(9.0, 9.0);
    let failing = TargetState { samples: 20, success_rate: 0.3, ..priced(1.0, 1.0) };
    assert_eq!(decide("{}", &situation(vec![failing.clone(), dear()])), Some(1));
    assert_eq!(decide(r#"{"min_success_rate": 0.1}"#, &situation(vec![failing, dear()])), Some(0));
    let slow = TargetState { first_token_ms: Some(3_000.0), ..priced(1.0, 1.0) };
    assert_eq!(decide("{}", &situation(vec![slow.clone(), dear()])), Some(0));
    assert_eq!(decide(r#"{"max_first_token_ms": 2000}"#, &situation(vec![slow, dear()])), Some(1));
    let out = TargetState { ready_in_ms: 900, circuit: Circuit::Open, ..priced(1.0, 1.0) };
    assert_eq!(decide("{}", &situation(vec![out, dear()])), Some(1));
    let unable = TargetState { able: false, ..priced(1.0, 1.0) };
    assert_eq!(decide("{}", &situation(vec![unable, dear()])), Some(1));
}

#[test]
fn a_failed_attempt_goes_on_to_the_next_cheapest() {
    let request = situation(vec![priced(9.0, 9.0), priced(1.0, 1.0), priced(3.0, 3.0)]);
    assert_eq!(decide("{}", &after(request, vec![failed(1, FaultKind::Overloaded)])), Some(2));
}

#[test]
fn wrong_settings_are_refused_in_words() {
    assert!(refusal::<Cheapest>(r#"{"min_success_rate": 1.5}"#).contains("must be 0 to 1"));
    assert!(refusal::<Cheapest>(r#"{"max_first_token_ms": 0}"#).contains("must be 1 to 600000"));
    assert!(refusal::<Cheapest>(r#"{"unknown_price": "free"}"#).contains("expected `first` or `last`"));
}

#[test]
fn the_laws_are_kept() {
    for settings in ["{}", r#"{"unknown_price": "first", "max_first_token_ms": 500, "attempts": 5}"#] {
        for targets in 1..=6 {
            check_policy(&open::<Cheapest>(settings, &vec![1; targets]).expect("good settings"), targets);
        }
    }
}
