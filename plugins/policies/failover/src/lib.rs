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
    /// Milliseconds that a request may wait for a target whose provider asked for patience, when no other is left.
    wait_ms: u64,
    /// Ask another target even when the fault is the caller's own.
    retry_callers_own: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { attempts: 3, backoff_ms: 200, wait_ms: 10_000, retry_callers_own: false }
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
        let able = |&target: &usize| situation.targets[target].able;
        let untried = || (0..situation.targets.len()).filter(able).filter(|&target| tried(target) == 0);
        if let Some(target) = untried().find(|&target| situation.targets[target].ready_in_ms == 0) {
            return attempt(target, if history.is_empty() { "first that is ready" } else { "next that is ready" });
        }
        // None is known to be ready: one that is out of favour is still better than no answer.
        let soonest =
            |target: &usize| (situation.targets[*target].retry_after_ms, situation.targets[*target].ready_in_ms);
        if let Some(target) = untried().min_by_key(soonest)
            && situation.targets[target].retry_after_ms == 0
        {
            return attempt(target, "none is ready: the one that is soonest");
        }
        self.again(situation, &tried)
    }
}

impl Failover {
    /// No target is left but those that were tried or that asked for patience: wait, where that can help.
    fn again(&self, situation: &Situation, tried: &dyn Fn(usize) -> usize) -> Decision {
        let hopeless = |target: usize| {
            situation.history.iter().any(|attempt| attempt.target as usize == target && !passes(attempt.fault))
        };
        let able = |&target: &usize| situation.targets[target].able;
        let candidates = (0..situation.targets.len()).filter(able).filter(|&target| !hopeless(target));
        let Some(target) = candidates.min_by_key(|&target| (tried(target), situation.targets[target].retry_after_ms))
        else {
            return give_up("no target is left that another attempt could help");
        };
        let after_ms = self.backoff_ms(tried(target), situation.random).max(situation.targets[target].retry_after_ms);
        if after_ms > self.settings.wait_ms.max(self.settings.backoff_ms) || after_ms >= situation.remaining_ms {
            return give_up("the next attempt may not start soon enough");
        }
        attempt(target, "no other is left: this one, after a wait").with(|attempt| attempt.after_ms = after_ms)
    }
}

impl Failover {
    fn backoff_ms(&self, tried: usize, random: u64) -> u64 {
        let Some(rounds) = tried.checked_sub(1) else { return 0 };
        let backoff_ms = self.settings.backoff_ms.saturating_mul(1 << rounds.min(6));
        backoff_ms - random % (backoff_ms / 2 + 1)
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
