use super::*;
use pointsman_sdk::policy::faults::{FAULTS, callers_own};
use pointsman_sdk::policy::testing::*;
use pointsman_sdk::policy::*;

fn with(settings: &str, targets: Vec<TargetState>, history: Vec<AttemptReport>) -> Option<(usize, u64)> {
    let failover: Failover = open(settings, &vec![1; targets.len()]).expect("good settings");
    chosen(&failover.decide(&after(situation(targets), history)))
}

fn decide(targets: Vec<TargetState>, history: Vec<AttemptReport>) -> Option<(usize, u64)> {
    with("{}", targets, history)
}

#[test]
fn the_first_ready_target_gets_the_request() {
    assert_eq!(decide(vec![ready(), ready()], vec![]), Some((0, 0)));
    assert_eq!(decide(vec![out_for(900), ready()], vec![]), Some((1, 0)));
}

#[test]
fn when_none_is_ready_the_soonest_is_tried() {
    assert_eq!(decide(vec![out_for(900), out_for(300)], vec![]), Some((1, 0)));
}

#[test]
fn a_full_target_is_passed_over_but_better_than_one_that_is_out() {
    let full = || TargetState { room: Some(0), ..ready() };
    assert_eq!(decide(vec![full(), ready()], vec![]), Some((1, 0)));
    assert_eq!(decide(vec![out_for(900), full()], vec![]), Some((1, 0)));
}

#[test]
fn a_provider_that_asked_for_patience_gets_it_within_bounds() {
    assert_eq!(decide(vec![asked_to_wait(900), out_for(5_000)], vec![]), Some((1, 0)));
    assert_eq!(decide(vec![asked_to_wait(900), asked_to_wait(700)], vec![]), Some((1, 700)));
    assert_eq!(decide(vec![asked_to_wait(90_000)], vec![]), None);
}

#[test]
fn a_fault_of_the_provider_moves_on_and_one_of_the_caller_does_not() {
    for (name, fault) in FAULTS {
        let next = (!callers_own(fault)).then_some((1, 0));
        assert_eq!(decide(vec![ready(), ready()], vec![failed(0, fault)]), next, "{name}");
        let anyway = with(r#"{"retry_callers_own": true}"#, vec![ready(), ready()], vec![failed(0, fault)]);
        assert_eq!(anyway, Some((1, 0)), "{name}");
    }
}

#[test]
fn what_follows_a_fault_can_be_set_for_each() {
    let on =
        |rule: &str, fault| with(&format!(r#"{{"on": {{{rule}}}}}"#), vec![ready(), ready()], vec![failed(0, fault)]);
    assert_eq!(on(r#""content-policy": "next""#, FaultKind::ContentPolicy), Some((1, 0)));
    assert_eq!(on(r#""content-policy": "next""#, FaultKind::InvalidRequest), None);
    assert_eq!(on(r#""quota-exhausted": "give-up""#, FaultKind::QuotaExhausted), None);
    let (target, after_ms) = on(r#""overloaded": "again""#, FaultKind::Overloaded).expect("an attempt");
    assert!(target == 0 && after_ms <= 200, "{after_ms}");
}

#[test]
fn again_means_once_and_not_at_a_target_that_is_out() {
    let again = r#"{"on": {"overloaded": "again"}, "attempts": 5}"#;
    let twice = vec![failed(0, FaultKind::Overloaded); 2];
    assert_eq!(with(again, vec![ready(), ready()], twice), Some((1, 0)));
    let once = vec![failed(0, FaultKind::Overloaded)];
    assert_eq!(with(again, vec![out_for(5_000), ready()], once.clone()), Some((1, 0)));
    assert_eq!(with(again, vec![asked_to_wait(700), ready()], once.clone()), Some((0, 700)));
    assert_eq!(with(again, vec![asked_to_wait(70_000), ready()], once), Some((1, 0)));
}

#[test]
fn a_request_that_is_too_long_goes_to_a_larger_target() {
    let sized = |tokens: [&str; 3]| {
        let mut targets = targets(&[1, 1, 1]);
        for (target, tokens) in targets.iter_mut().zip(tokens) {
            target.attributes.push(Attribute { name: "context-tokens".into(), value: tokens.into() });
        }
        let settings = read_settings(r#"{"on": {"context-too-long": "larger"}}"#).expect("good settings");
        let failover = Failover::open(settings, targets).expect("good settings");
        let history = vec![failed(0, FaultKind::ContextTooLong)];
        chosen(&failover.decide(&after(situation(vec![ready(), ready(), ready()]), history)))
    };
    assert_eq!(sized(["8000", "8000", "1000000"]), Some((2, 0)));
    assert_eq!(sized(["8000", "", "1000000"]), Some((1, 0)), "what is not known may be larger");
    assert_eq!(sized(["8000", "4000", "8000"]), None);
}

#[test]
fn a_second_round_waits_and_skips_what_waiting_cannot_help() {
    let history = vec![failed(0, FaultKind::Authentication), failed(1, FaultKind::Overloaded)];
    let (target, after_ms) = decide(vec![ready(), ready()], history).expect("another attempt");
    assert!(target == 1 && after_ms <= 200, "{after_ms}");
    let refused = vec![failed(0, FaultKind::Authentication), failed(1, FaultKind::ModelNotFound)];
    assert_eq!(decide(vec![ready(), ready()], refused), None);
}

#[test]
fn the_last_attempt_goes_to_one_that_says_when_it_will_serve() {
    let (well, patient) = (ready(), TargetState { retry_after_ms: 1_000, ready_in_ms: 1_000, ..ready() });
    let failed = || vec![failed(0, FaultKind::Overloaded), failed(1, FaultKind::RateLimited)];
    assert_eq!(decide(vec![well.clone(), patient.clone()], failed()), Some((1, 1_000)));
    // With more than one left, the sooner one comes first.
    let failover: Failover = open(r#"{"attempts": 4, "backoff_ms": 0}"#, &[1, 1]).expect("good settings");
    let two_left = Situation { attempts_left: 4, ..situation(vec![well.clone(), patient.clone()]) };
    assert_eq!(chosen(&failover.decide(&after(two_left, failed()))), Some((0, 0)));
    // And nobody waits longer than the settings say.
    let settings = r#"{"wait_ms": 500, "backoff_ms": 0}"#;
    assert_eq!(with(settings, vec![well, patient], failed()), Some((0, 0)));
}

#[test]
fn a_backoff_is_anything_between_nothing_and_its_ceiling() {
    let failover: Failover = open(r#"{"attempts": 5, "backoff_max_ms": 500}"#, &[1]).expect("good settings");
    for (rounds, ceiling_ms) in [(1, 200), (2, 400), (3, 500), (4, 500)] {
        let waits = (0..2_000).filter_map(|random| {
            let now = Situation { random, attempts_left: 5, ..situation(vec![ready()]) };
            chosen(&failover.decide(&after(now, vec![failed(0, FaultKind::Overloaded); rounds]))).map(|(_, ms)| ms)
        });
        let waits: Vec<u64> = waits.collect();
        let (least, most) = (waits.iter().min().copied(), waits.iter().max().copied());
        assert!(least < Some(10) && most <= Some(ceiling_ms) && most > Some(ceiling_ms - 10), "{least:?} {most:?}");
        let mean_ms = waits.iter().sum::<u64>() / 2_000;
        assert!(mean_ms.abs_diff(ceiling_ms / 2) < ceiling_ms / 20, "{mean_ms}");
    }
}

#[test]
fn the_number_of_attempts_is_bounded_and_those_not_made_do_not_count() {
    let overloaded = vec![failed(0, FaultKind::Overloaded); 3];
    assert_eq!(decide(vec![ready(), ready()], overloaded), None);
    let once = |fault| with(r#"{"attempts": 1}"#, vec![ready(), ready()], vec![failed(0, fault)]);
    assert_eq!((once(FaultKind::Overloaded), once(FaultKind::Busy)), (None, Some((1, 0))));
}

#[test]
fn wrong_settings_are_refused_in_words() {
    assert_eq!(refusal::<Failover>(r#"{"attempts": 6}"#), "`attempts` is 6, but must be 1 to 5");
    assert_eq!(refusal::<Failover>(r#"{"backoff_max_ms": 1}"#), "`backoff_max_ms` is 1, but must be 200 to 600000");
    assert!(refusal::<Failover>(r#"{"on": {"overlaoded": "next"}}"#).contains("there are: overloaded, rate-limited"));
    assert!(refusal::<Failover>(r#"{"on": {"overloaded": "larger"}}"#).contains("only `context-too-long`"));
    assert!(refusal::<Failover>(r#"{"atempts": 1}"#).contains("unknown field `atempts`"));
}

#[test]
fn a_target_that_cannot_serve_the_request_is_never_asked() {
    let unable = || TargetState { able: false, ..ready() };
    assert_eq!(decide(vec![unable(), out_for(900)], vec![]), Some((1, 0)));
    assert_eq!(decide(vec![unable(), unable()], vec![]), None);
    let retried = decide(vec![unable(), ready()], vec![failed(1, FaultKind::Overloaded)]);
    assert_eq!(retried.map(|(target, _)| target), Some(1));
}

/// Whatever providers do, nobody is left without an answer while a target is left that could be asked.
#[test]
fn every_target_is_asked_before_a_request_is_given_up() {
    let providers = FAULTS.map(|(_, fault)| fault).into_iter().filter(|fault| !callers_own(*fault));
    for fault in providers {
        for first in [ready(), out_for(9_000), asked_to_wait(3_000), TargetState { room: Some(0), ..ready() }] {
            let states = vec![first, ready(), out_for(700)];
            let failover: Failover = open("{}", &[1, 1, 1]).expect("good settings");
            let (mut history, mut asked) = (Vec::new(), Vec::new());
            while let Some((target, _)) = chosen(&failover.decide(&after(situation(states.clone()), history.clone()))) {
                asked.push(target);
                history.push(failed(u32::try_from(target).unwrap(), fault));
            }
            asked.sort_unstable();
            asked.dedup();
            assert_eq!(asked, [0, 1, 2], "{fault:?}");
        }
    }
}

#[test]
fn the_laws_are_kept() {
    for targets in 1..=6 {
        check_policy(&open::<Failover>("{}", &vec![1; targets]).expect("good settings"), targets);
        let restless = r#"{"attempts": 5, "retry_callers_own": true, "on": {"overloaded": "again", "context-too-long": "larger"}}"#;
        check_policy(&open::<Failover>(restless, &vec![1; targets]).expect("good settings"), targets);
    }
}
