use super::*;
use pointsman_sdk::policy::testing::*;
use pointsman_sdk::policy::*;

fn warm(warm_ms: u64) -> TargetState {
    TargetState { warm_ms: Some(warm_ms), ..ready() }
}

fn decide(settings: &str, situation: &Situation) -> Option<usize> {
    let sticky: Sticky = open(settings, &vec![1; situation.targets.len()]).expect("good settings");
    chosen(&sticky.decide(situation)).map(|(target, _)| target)
}

#[test]
fn a_conversation_stays_where_it_is_warm() {
    assert_eq!(decide("{}", &situation(vec![ready(), warm(60_000)])), Some(1));
    assert_eq!(decide("{}", &situation(vec![ready(), warm(300_001)])), Some(0), "a cache lives five minutes");
    assert_eq!(decide(r#"{"max_warm_ms": 3600000}"#, &situation(vec![ready(), warm(300_001)])), Some(1));
    assert_eq!(decide("{}", &situation(vec![warm(9_000), ready(), warm(2_000)])), Some(2), "the last to answer");
}

#[test]
fn it_leaves_a_target_that_is_not_well() {
    let failing = TargetState { samples: 20, success_rate: 0.4, ..warm(10) };
    let full = TargetState { room: Some(0), ..warm(10) };
    let out = TargetState { circuit: Circuit::Open, ready_in_ms: 900, ..warm(10) };
    let probed = TargetState { circuit: Circuit::HalfOpen, ..warm(10) };
    let told = TargetState { ready_in_ms: 10, retry_after_ms: 10, ..warm(10) };
    for unwell in [failing.clone(), full, out, probed, told] {
        assert_eq!(decide("{}", &situation(vec![ready(), unwell])), Some(0));
    }
    assert_eq!(decide(r#"{"min_success_rate": 0.3}"#, &situation(vec![ready(), failing])), Some(1));
}

#[test]
fn a_failed_attempt_goes_on_in_the_configured_order() {
    let history = vec![failed(1, FaultKind::Overloaded)];
    assert_eq!(decide("{}", &after(situation(vec![ready(), warm(10), ready()]), history)), Some(0));
}

#[test]
fn new_conversations_begin_in_order_or_are_spread() {
    let begun = |settings: &str, conversation: u64, random: u64| {
        let mut request = Situation { random, ..situation(vec![ready(), ready(), ready()]) };
        request.request.conversation = conversation;
        decide(settings, &request)
    };
    assert!((1..100).all(|conversation| begun("{}", conversation, 1) == Some(0)));
    let spread = r#"{"begin": "spread"}"#;
    let firsts: std::collections::BTreeSet<_> = (1..100).map(|conversation| begun(spread, conversation, 1)).collect();
    assert_eq!(firsts.len(), 3);
    assert!(
        (1..100).all(|random| begun(spread, 5, random) == begun(spread, 5, 0)),
        "the same conversation, the same target"
    );
    let unknown: std::collections::BTreeSet<_> = (1..100).map(|random| begun(spread, 0, random)).collect();
    assert_eq!(unknown.len(), 3);
}

#[test]
fn wrong_settings_are_refused_in_words() {
    assert!(refusal::<Sticky>(r#"{"max_warm_ms": 0}"#).contains("must be 1 to 86400000"));
    assert!(refusal::<Sticky>(r#"{"begin": "anywhere"}"#).contains("expected `configured` or `spread`"));
}

#[test]
fn the_laws_are_kept() {
    for settings in ["{}", r#"{"begin": "spread", "attempts": 5}"#] {
        for targets in 1..=6 {
            check_policy(&open::<Sticky>(settings, &vec![1; targets]).expect("good settings"), targets);
        }
    }
}
