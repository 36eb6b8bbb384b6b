//! What no correct policy says: the host refuses it, whatever it was asked.

use super::bindings::policy::{Action, Decision, Situation};

/// Why this decision cannot be an answer to this situation, if so.
pub fn nonsense(situation: &Situation, decision: &Decision) -> Option<String> {
    let Situation { targets, history, running, .. } = situation;
    match &decision.action {
        Action::GiveUp if history.is_empty() && targets.iter().all(|target| target.able && target.ready_in_ms == 0) => {
            Some("it gave up before any attempt, though every target is ready".to_owned())
        }
        Action::Wait if running.is_empty() => Some("it waits, though nothing runs".to_owned()),
        Action::Attempt(attempt) if targets.get(attempt.target as usize).is_none() => {
            Some(format!("it chose target {} of {}", attempt.target, targets.len()))
        }
        Action::Attempt(attempt) if running.iter().any(|running| running.target == attempt.target) => {
            Some(format!("it hedges at target {}, where an attempt runs", attempt.target))
        }
        Action::GiveUp | Action::Wait | Action::Attempt(_) => None,
    }
}
