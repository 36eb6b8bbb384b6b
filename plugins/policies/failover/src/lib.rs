//! Targets in the configured order: the first that is ready gets the request, and a failed attempt moves on to the next.

use pointsman_sdk::policy::*;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Attempts for one request, over all targets.
    attempts: u32,
    /// Milliseconds to wait before a target is tried a second time; doubles with each further round, and a random half
    /// of it is left out so that callers do not come back in step.
    backoff_ms: u64,
    /// Ask another target even when the fault is the caller's own.
    retry_callers_own: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { attempts: 3, backoff_ms: 200, retry_callers_own: false }
    }
}

struct Failover {
    settings: Settings,
}

impl Policy for Failover {
    type Settings = Settings;

    fn open(settings: Settings, _: Vec<Target>) -> Result<Self, String> {
        if !(1..=5).contains(&settings.attempts) {
            return Err(format!("`attempts` is {}, but must be 1 to 5", settings.attempts));
        }
        Ok(Failover { settings })
    }

    fn decide(&self, situation: &Situation) -> Decision {
        let history = &situation.history;
        if history.len() >= self.settings.attempts as usize {
            return give_up(format!("{} attempts were made", history.len()));
        }
        if let Some(last) = history.last()
            && callers_own(last.fault)
            && !self.settings.retry_callers_own
        {
            return give_up("the fault is the caller's own");
        }
        let tried = |target: usize| history.iter().filter(|attempt| attempt.target as usize == target).count();
        let untried = || (0..situation.targets.len()).filter(|&target| tried(target) == 0);
        if let Some(target) = untried().find(|&target| situation.targets[target].ready_in_ms == 0) {
            return attempt(target, if history.is_empty() { "first that is ready" } else { "next that is ready" });
        }
        // None is known to be ready: one that is out of favour is still better than no answer.
        if let Some(target) = untried().min_by_key(|&target| situation.targets[target].ready_in_ms) {
            return attempt(target, "none is ready: the one that is soonest");
        }
        self.again(situation, &tried)
    }
}

impl Failover {
    /// Every target was tried: go round again, where waiting can help and time is left.
    fn again(&self, situation: &Situation, tried: &dyn Fn(usize) -> usize) -> Decision {
        let hopeless = |target: usize| {
            situation.history.iter().any(|attempt| attempt.target as usize == target && !passes(attempt.fault))
        };
        let candidates = (0..situation.targets.len()).filter(|&target| !hopeless(target));
        let Some(target) = candidates.min_by_key(|&target| (tried(target), situation.targets[target].ready_in_ms)) else {
            return give_up("no target is left that another attempt could help");
        };
        let round = u32::try_from(tried(target)).unwrap_or(u32::MAX).saturating_sub(1).min(6);
        let backoff_ms = self.settings.backoff_ms << round;
        let after_ms = (backoff_ms - situation.random % (backoff_ms / 2 + 1)).max(situation.targets[target].ready_in_ms);
        if after_ms >= situation.remaining_ms {
            return give_up("the deadline comes before the next attempt may start");
        }
        let mut decision = attempt(target, "all were tried: again, after a wait");
        if let Action::Attempt(attempt) = &mut decision.action {
            attempt.after_ms = after_ms;
        }
        decision
    }
}

/// Can the same target answer the same request a little later?
fn passes(fault: FaultKind) -> bool {
    matches!(
        fault,
        FaultKind::Overloaded
            | FaultKind::RateLimited
            | FaultKind::ServerError
            | FaultKind::Unavailable
            | FaultKind::TimedOut
            | FaultKind::Connection
            | FaultKind::MalformedReply
            | FaultKind::Truncated
    )
}

pointsman_sdk::policy!(Failover);

#[cfg(test)]
mod tests;
