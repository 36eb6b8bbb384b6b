use super::*;

fn ready() -> TargetState {
    TargetState {
        able: true,
        circuit: Circuit::Closed,
        ready_in_ms: 0,
        retry_after_ms: 0,
        samples: 0,
        success_rate: 1.0,
        first_token_ms: None,
        in_flight: 0,
    }
}

fn out_for(ready_in_ms: u64) -> TargetState {
    TargetState { circuit: Circuit::Open, ready_in_ms, ..ready() }
}

fn failed(target: u32, fault: FaultKind) -> AttemptReport {
    AttemptReport { target, started_at_ms: 0, elapsed_ms: 5, fault, status: 0, retry_after_ms: None }
}

fn situation(targets: Vec<TargetState>, history: Vec<AttemptReport>) -> Situation {
    Situation {
        request: RequestFacts {
            operation: "chat".into(),
            protocol: "openai-chat".into(),
            stream: false,
            body_bytes: 100,
            input_tokens_estimate: 25,
            attributes: vec![],
        },
        targets,
        history,
        elapsed_ms: 0,
        remaining_ms: 60_000,
        attempts_left: 5,
        now_unix_ms: 0,
        random: 7,
        sequence: 0,
    }
}

fn decide(targets: Vec<TargetState>, history: Vec<AttemptReport>) -> Option<(u32, u64)> {
    let failover = Failover { settings: Settings::default() };
    match failover.decide(&situation(targets, history)).action {
        Action::Attempt(attempt) => Some((attempt.target, attempt.after_ms)),
        Action::GiveUp => None,
    }
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
    let patient = |retry_after_ms| TargetState { ready_in_ms: retry_after_ms, retry_after_ms, ..ready() };
    assert_eq!(decide(vec![patient(900), out_for(5_000)], vec![]), Some((1, 0)));
    assert_eq!(decide(vec![patient(900), patient(700)], vec![]), Some((1, 700)));
    assert_eq!(decide(vec![patient(90_000)], vec![]), None);
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
