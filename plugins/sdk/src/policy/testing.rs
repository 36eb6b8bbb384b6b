//! For the unit tests of policies: an ordinary situation, from which a test changes what it is about.
//!
//! ```
//! use pointsman_sdk::policy::{FaultKind, TargetState, testing::*};
//!
//! let calm = situation(vec![ready(), ready()]);
//! let tense = situation(vec![out_for(900), TargetState { in_flight: 40, ..ready() }]);
//! let second_try = after(calm.clone(), vec![failed(0, FaultKind::Overloaded)]);
//! # assert!(tense.history.is_empty() && second_try.attempts_left == 2);
//! ```
//!
//! With the feature `proptest`, `check_policy` tries a policy with situations of every kind.

#[cfg(feature = "proptest")]
mod laws;

use super::*;

#[cfg(feature = "proptest")]
pub use laws::{any_request, any_situation, check_policy};

/// A target that has served nobody yet, and could.
pub fn ready() -> TargetState {
    TargetState {
        able: true,
        circuit: Circuit::Closed,
        ready_in_ms: 0,
        retry_after_ms: 0,
        samples: 0,
        success_rate: 1.0,
        first_token_ms: None,
        in_flight: 0,
        room: None,
        headroom: None,
        price: None,
        warm_ms: None,
        attributes: Vec::new(),
    }
}

/// A target whose circuit is open for so many milliseconds more.
pub fn out_for(ready_in_ms: u64) -> TargetState {
    TargetState { circuit: Circuit::Open, ready_in_ms, ..ready() }
}

/// A target whose provider asked for patience.
pub fn asked_to_wait(retry_after_ms: u64) -> TargetState {
    TargetState { ready_in_ms: retry_after_ms, retry_after_ms, ..ready() }
}

/// A request that has just arrived, and a minute to answer it.
pub fn situation(targets: Vec<TargetState>) -> Situation {
    Situation {
        request: RequestFacts {
            operation: "chat".into(),
            protocol: "openai-chat".into(),
            stream: false,
            body_bytes: 400,
            input_tokens_estimate: 100,
            tools: false,
            images: false,
            documents: false,
            audio: false,
            caller: String::new(),
            conversation: 0,
            continuing: false,
            attributes: Vec::new(),
        },
        targets,
        history: Vec::new(),
        running: Vec::new(),
        elapsed_ms: 0,
        remaining_ms: 60_000,
        attempts_left: 3,
        now_unix_ms: 0,
        random: 7,
        sequence: 0,
        attributes: Vec::new(),
    }
}

/// An attempt at this target that failed at once.
pub fn failed(target: u32, fault: FaultKind) -> AttemptReport {
    AttemptReport {
        target,
        started_at_ms: 0,
        elapsed_ms: 5,
        fault,
        status: 0,
        retry_after_ms: None,
        attributes: Vec::new(),
    }
}

/// The same request, after these attempts.
pub fn after(situation: Situation, history: Vec<AttemptReport>) -> Situation {
    let attempts_left = situation.attempts_left.saturating_sub(u32::try_from(history.len()).unwrap_or(u32::MAX));
    Situation { history, attempts_left, ..situation }
}

/// A route's targets, `provider-N/model` each.
pub fn targets(weights: &[u32]) -> Vec<Target> {
    let target = |(position, &weight): (usize, &u32)| Target {
        id: format!("provider-{position}/model"),
        provider: format!("provider-{position}"),
        model: "model".into(),
        weight,
        attributes: Vec::new(),
    };
    weights.iter().enumerate().map(target).collect()
}

/// The target that the decision names, and the milliseconds to wait before.
pub fn chosen(decision: &Decision) -> Option<(usize, u64)> {
    match &decision.action {
        Action::Attempt(attempt) => Some((attempt.target as usize, attempt.after_ms)),
        Action::Wait | Action::GiveUp => None,
    }
}

/// The same request, while attempts run at these targets since these milliseconds.
pub fn running(situation: Situation, attempts: &[(u32, u64)]) -> Situation {
    let running = |&(target, started_at_ms): &(u32, u64)| RunningAttempt { target, started_at_ms };
    let attempts_left = situation.attempts_left.saturating_sub(u32::try_from(attempts.len()).unwrap_or(u32::MAX));
    Situation { running: attempts.iter().map(running).collect(), attempts_left, ..situation }
}

/// A policy as the host opens it: `settings` is JSON, and the route has a target for each weight.
///
/// # Errors
/// What an operator would read.
pub fn open<P: Policy>(settings: &str, weights: &[u32]) -> Result<P, String> {
    P::open(read_settings(settings)?, targets(weights))
}

/// Why a policy refuses these settings, for a route with three targets.
///
/// # Panics
/// When it does not.
pub fn refusal<P: Policy>(settings: &str) -> String {
    open::<P>(settings, &[1, 1, 1]).err().unwrap_or_else(|| panic!("{settings} is not refused"))
}
