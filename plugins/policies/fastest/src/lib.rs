//! The healthy target whose first token came soonest of late. A target that is out, or that mostly fails, is asked last.

use pointsman_sdk::policy::*;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Attempts for one request, each at another target.
    attempts: u32,
    /// One request in so many goes to another target than the fastest, so that a target which has recovered is noticed.
    /// 0 turns that off.
    explore_one_in: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { attempts: 3, explore_one_in: 50 }
    }
}

struct Fastest {
    settings: Settings,
}

impl Policy for Fastest {
    type Settings = Settings;

    fn open(settings: Settings, _: Vec<Target>) -> Result<Self, String> {
        if !(1..=5).contains(&settings.attempts) {
            return Err(format!("`attempts` is {}, but must be 1 to 5", settings.attempts));
        }
        Ok(Fastest { settings })
    }

    fn decide(&self, situation: &Situation) -> Decision {
        let history = &situation.history;
        if history.len() >= self.settings.attempts as usize {
            return give_up(format!("{} attempts were made", history.len()));
        }
        if history.last().is_some_and(|last| callers_own(last.fault)) {
            return give_up("the fault is the caller's own");
        }
        let mut order: Vec<usize> = (0..situation.targets.len())
            .filter(|&target| situation.targets[target].able)
            .filter(|&target| history.iter().all(|attempt| attempt.target as usize != target))
            .collect();
        order.sort_by(|&a, &b| cost(&situation.targets[a]).total_cmp(&cost(&situation.targets[b])));
        let explore = history.is_empty()
            && self.settings.explore_one_in > 0
            && situation.sequence % self.settings.explore_one_in == self.settings.explore_one_in - 1;
        match order.as_slice() {
            [] => give_up("every target that can serve the request was tried"),
            [_, second, ..] if explore && situation.targets[*second].ready_in_ms == 0 => {
                attempt(*second, "to see whether it has become faster")
            }
            [first, ..] => attempt(*first, "the fastest of late"),
        }
    }
}

/// Milliseconds that an answer is expected to take: the time to the first token, and more for what often fails. A
/// target without samples is taken for fast, so that it gets some.
fn cost(target: &TargetState) -> f64 {
    const OUT_MS: f64 = 1e9;
    const FAILURE_MS: f64 = 10_000.0;
    let out_ms = if target.ready_in_ms > 0 { OUT_MS + target.ready_in_ms as f64 } else { 0.0 };
    out_ms + target.first_token_ms.unwrap_or(0.0) + (1.0 - target.success_rate) * FAILURE_MS
}

pointsman_sdk::policy!(Fastest);

#[cfg(test)]
mod tests {
    use super::*;
    use pointsman_sdk::policy::testing::ready;

    fn state(first_token_ms: f64, success_rate: f64, ready_in_ms: u64) -> TargetState {
        TargetState { ready_in_ms, samples: 20, success_rate, first_token_ms: Some(first_token_ms), ..ready() }
    }

    #[test]
    fn slow_is_better_than_failing_and_failing_is_better_than_out() {
        let fast = cost(&state(100.0, 1.0, 0));
        let slow = cost(&state(900.0, 1.0, 0));
        let failing = cost(&state(100.0, 0.5, 0));
        let out = cost(&state(100.0, 1.0, 50));
        assert!(fast < slow && slow < failing && failing < out);
    }
}
