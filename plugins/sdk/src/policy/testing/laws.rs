//! What every policy owes the host, in any situation whatever.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::super::faults::FAULTS;
use super::super::*;

/// Tries a policy that was opened for so many targets with situations of every kind, absurd ones too, and panics when
/// one is answered in a way that the host would count as a fault of the policy, or that leaves a request unanswered.
pub fn check_policy<P: Policy>(policy: &P, targets: usize) {
    let mut runner = TestRunner::new(Config { cases: 1_000, failure_persistence: None, ..Config::default() });
    let result = runner.run(&any_situation(targets), |situation| {
        lawful(&situation, &policy.decide(&situation), &policy.decide(&situation)).map_err(TestCaseError::fail)
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

fn lawful(situation: &Situation, decision: &Decision, again: &Decision) -> Result<(), String> {
    let law = |holds: bool, law: &str| if holds { Ok(()) } else { Err(format!("{law}: {decision:?}")) };
    let Situation { targets, history, running, .. } = situation;
    law(decision == again, "the same situation is decided the same way")?;
    law(decision.reason.len() <= 200, "a reason is 200 bytes at most")?;
    match &decision.action {
        Action::Attempt(attempt) => {
            let target = attempt.target as usize;
            let state = targets.get(target).ok_or(format!("there is no target {target}"))?;
            law(state.able, "a target that cannot serve the request is not asked")?;
            law(!situation.runs_at(target), "no second attempt runs beside the first at one target")?;
            law(situation.attempts_left > 0, "the host allows no further attempt")?;
            law(attempt.after_ms >= state.retry_after_ms, "`Retry-After` is kept")?;
            law(attempt.after_ms == 0 || attempt.after_ms < situation.remaining_ms, "no wait ends after the deadline")
        }
        Action::Wait => law(!running.is_empty(), "nothing runs that one could wait for"),
        Action::GiveUp => {
            let is_first = history.is_empty() && running.is_empty() && situation.attempts_left > 0;
            let could_ask = targets.iter().any(|state| state.able && state.retry_after_ms == 0);
            law(!(is_first && could_ask), "a request is not given up while nobody was asked")
        }
    }
}

/// Any situation of a route with so many targets.
pub fn any_situation(targets: usize) -> impl Strategy<Value = Situation> {
    let history = vec(any_report(targets), 0..5);
    let running = prop_oneof![3 => Just(Vec::new()), 1 => vec(any_running(targets), 1..3)];
    let times = (any_ms(), any_ms(), any_ms(), 0_u32..6);
    let numbers = (any::<u64>(), any::<u64>());
    (any_request(), vec(any_state(), targets), history, running, times, numbers).prop_map(
        |(request, targets, history, running, (elapsed_ms, remaining_ms, now_unix_ms, attempts_left), numbers)| {
            let (random, sequence) = numbers;
            Situation {
                request,
                targets,
                history,
                running,
                elapsed_ms,
                remaining_ms,
                attempts_left,
                now_unix_ms,
                random,
                sequence,
                attributes: Vec::new(),
            }
        },
    )
}

/// Any request, of callers and headers of few names, so that rules about them are met.
pub fn any_request() -> impl Strategy<Value = RequestFacts> {
    let operation = prop_oneof![Just("chat"), Just("embeddings"), Just("count-tokens")];
    let protocol = prop_oneof![Just("openai-chat"), Just("anthropic-messages")];
    let holds = any::<(bool, bool, bool, bool, bool, bool)>();
    let who = ("(team-[abc])?", prop_oneof![Just(0), 1_u64..4, any::<u64>()], "[xy]{0,2}");
    (operation, protocol, any_ms(), holds, who).prop_map(|(operation, protocol, tokens, holds, who)| RequestFacts {
        operation: operation.into(),
        protocol: protocol.into(),
        stream: holds.0,
        body_bytes: tokens.saturating_mul(4),
        input_tokens_estimate: tokens,
        tools: holds.1,
        images: holds.2,
        documents: holds.3,
        audio: holds.4,
        caller: who.0,
        conversation: who.1,
        continuing: holds.5,
        attributes: vec![Attribute { name: "header.x-team".into(), value: who.2 }],
    })
}

fn any_state() -> impl Strategy<Value = TargetState> {
    let circuit = prop_oneof![3 => Just(Circuit::Closed), 1 => Just(Circuit::HalfOpen), 1 => Just(Circuit::Open)];
    let can = (prop_oneof![4 => Just(true), 1 => Just(false)], circuit, any_ms(), any_ms());
    let health = (any::<u32>(), any_number(), option::of(any_number()));
    let load = (any::<u32>(), option::of(prop_oneof![Just(0), any::<u32>()]), option::of(any_number()));
    let rest = (option::of((any_number(), any_number())), option::of(any_ms()));
    (can, health, load, rest).prop_map(|(can, health, load, (price, warm_ms))| TargetState {
        able: can.0,
        circuit: can.1,
        ready_in_ms: can.2,
        retry_after_ms: can.3,
        samples: health.0,
        success_rate: health.1,
        first_token_ms: health.2,
        in_flight: load.0,
        room: load.1,
        headroom: load.2,
        price: price.map(|(input, output)| Price { input, output }),
        warm_ms,
        attributes: Vec::new(),
    })
}

/// Nothing, as often as not; an ordinary time; or an absurd one.
fn any_ms() -> impl Strategy<Value = u64> {
    prop_oneof![4 => Just(0), 3 => 0..100_000_u64, 1 => any::<u64>()]
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => 0.0..1.0,
        3 => 0.0..10_000.0,
        1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), any::<f64>()],
    ]
}

/// Rarely of a target that does not exist.
fn any_target(targets: usize) -> impl Strategy<Value = u32> {
    let targets = u32::try_from(targets).unwrap_or(u32::MAX).max(1);
    prop_oneof![30 => 0..targets, 1 => any::<u32>()]
}

fn any_report(targets: usize) -> impl Strategy<Value = AttemptReport> {
    let fault = prop::sample::select(FAULTS.map(|(_, fault)| fault).to_vec());
    (any_target(targets), any_ms(), any_ms(), fault, 0_u16..600, option::of(any_ms())).prop_map(
        |(target, started_at_ms, elapsed_ms, fault, status, retry_after_ms)| AttemptReport {
            target,
            started_at_ms,
            elapsed_ms,
            fault,
            status,
            retry_after_ms,
            attributes: Vec::new(),
        },
    )
}

fn any_running(targets: usize) -> impl Strategy<Value = RunningAttempt> {
    (any_target(targets), any_ms()).prop_map(|(target, started_at_ms)| RunningAttempt { target, started_at_ms })
}
