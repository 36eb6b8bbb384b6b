//! What every policy owes the host in every situation.

use std::sync::Arc;

use super::Failure;
use super::policy::spelt;
use crate::plugin::bindings::policy::{Action, Decision, Situation};
use crate::plugin::{Policy, nonsense};

/// The decision, if it is lawful: made within the limits of a call, one that the host takes, for a target that can serve
/// the request, and the same when asked again.
///
/// # Errors
/// What it said, and what was expected; the place is the caller's.
pub async fn keeps(policy: &Policy, situation: &Situation) -> Result<Decision, Failure> {
    let decision = decide(policy, situation).await?;
    lawful(situation, &decision)?;
    same(&decision, &decide(policy, situation).await?, "asked again")?;
    Ok(decision)
}

/// As [`keeps`], and the same in an instance that has decided nothing before.
///
/// # Errors
/// As there.
pub async fn keeps_in_fresh(policy: &Policy, situation: &Situation) -> Result<Decision, Failure> {
    let decision = keeps(policy, situation).await?;
    let fresh = Policy::open(Arc::clone(&policy.plugin), policy.settings().to_owned(), policy.targets().to_vec()).await;
    let fresh = fresh.map_err(|error| broken(format!("{error:#}"), "it opens a second time".to_owned()))?;
    same(&decision, &decide(&fresh, situation).await?, "asked in a fresh instance")?;
    Ok(decision)
}

async fn decide(policy: &Policy, situation: &Situation) -> Result<Decision, Failure> {
    let decided = policy.decide(situation).await;
    decided.map_err(|fault| broken(fault.to_string(), "a decision within the limits of a call".to_owned()))
}

fn lawful(situation: &Situation, decision: &Decision) -> Result<(), Failure> {
    if let Some(text) = nonsense(situation, decision) {
        return Err(broken(spelt(decision), format!("nothing that the host refuses: {text}")));
    }
    let Action::Attempt(attempt) = &decision.action else { return Ok(()) };
    let is_able = situation.targets.get(attempt.target as usize).is_some_and(|state| state.able);
    match situation.targets.iter().position(|state| state.able) {
        Some(able) if !is_able => {
            let text = format!("a target that can serve the request, such as {able}: {} is not `able`", attempt.target);
            Err(broken(spelt(decision), text))
        }
        Some(_) | None => Ok(()),
    }
}

fn same(decision: &Decision, other: &Decision, when: &str) -> Result<(), Failure> {
    if decision == other {
        return Ok(());
    }
    let expected =
        format!("the same as before, {}: a policy remembers nothing and has no dice but `random`", spelt(decision));
    Err(broken(format!("{when}, {}", spelt(other)), expected))
}

fn broken(said: String, expected: String) -> Failure {
    Failure::new(said, expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::case;
    use crate::plugin::bindings::policy::Attempt;

    fn judged(targets: &str, action: Action) -> Result<(), String> {
        let text = format!("[[case]]\ntargets = {targets}\nexpect = \"wait\"\n");
        let case = case::read(&text, "here").expect("a case").remove(0);
        lawful(&case.situation, &Decision { action, reason: String::new() }).map_err(|broken| broken.expected)
    }

    fn attempt(target: u32) -> Action {
        Action::Attempt(Attempt {
            target,
            after_ms: 0,
            first_token_timeout_ms: None,
            idle_timeout_ms: None,
            hedge_after_ms: None,
        })
    }

    #[test]
    fn the_laws() {
        assert_eq!(judged(r#"["ready", "out 900"]"#, attempt(1)), Ok(()), "a breaker may be overridden");
        assert_eq!(judged(r#"["unable"]"#, attempt(0)), Ok(()), "there is none that could");
        for (targets, action, word) in [
            (r#"["ready"]"#, attempt(99), "target 99 of 1"),
            (r#"["ready"]"#, Action::Wait, "nothing runs"),
            (r#"["ready"]"#, Action::GiveUp, "before any attempt"),
            (r#"["unable", "ready"]"#, attempt(0), "such as 1: 0 is not `able`"),
        ] {
            let text = judged(targets, action).expect_err(word);
            assert!(text.contains(word), "{text}");
        }
    }
}
