use super::*;
use pointsman_sdk::policy::testing::*;

fn decide(targets: Vec<TargetState>, history: Vec<AttemptReport>) -> Option<(usize, u64)> {
    let failover = Failover { settings: Settings::default() };
    chosen(&failover.decide(&after(situation(targets), history)))
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
fn a_provider_that_asked_for_patience_gets_it_within_bounds() {
    assert_eq!(decide(vec![asked_to_wait(900), out_for(5_000)], vec![]), Some((1, 0)));
    assert_eq!(decide(vec![asked_to_wait(900), asked_to_wait(700)], vec![]), Some((1, 700)));
    assert_eq!(decide(vec![asked_to_wait(90_000)], vec![]), None);
}

#[test]
fn a_fault_of_the_provider_moves_on_and_one_of_the_caller_does_not() {
    assert_eq!(decide(vec![ready(), ready()], vec![failed(0, FaultKind::Overloaded)]), Some((1, 0)));
    assert_eq!(decide(vec![ready(), ready()], vec![failed(0, FaultKind::Authentication)]), Some((1, 0)));
    assert_eq!(decide(vec![ready(), ready()], vec![failed(0, FaultKind::InvalidRequest)]), None);
}

#[test]
fn a_second_round_waits_and_skips_what_waiting_cannot_help() {
    let history = vec![failed(0, FaultKind::Authentication), failed(1, FaultKind::Overloaded)];
    let (target, after_ms) = decide(vec![ready(), ready()], history).expect("another attempt");
    assert_eq!(target, 1);
    assert!((100..=200).contains(&after_ms), "{after_ms}");
    let refused = vec![failed(0, FaultKind::Authentication), failed(1, FaultKind::ModelNotFound)];
    assert_eq!(decide(vec![ready(), ready()], refused), None);
}

#[test]
fn the_number_of_attempts_is_bounded() {
    let history = vec![failed(0, FaultKind::Overloaded); 3];
    assert_eq!(decide(vec![ready(), ready()], history), None);
    assert!(Failover::open(Settings { attempts: 6, ..Settings::default() }, vec![]).is_err());
}

#[test]
fn a_target_that_cannot_serve_the_request_is_never_asked() {
    let unable = || TargetState { able: false, ..ready() };
    assert_eq!(decide(vec![unable(), out_for(900)], vec![]), Some((1, 0)));
    assert_eq!(decide(vec![unable(), unable()], vec![]), None);
    let retried = decide(vec![unable(), ready()], vec![failed(1, FaultKind::Overloaded)]);
    assert_eq!(retried.map(|(target, _)| target), Some(1));
}
