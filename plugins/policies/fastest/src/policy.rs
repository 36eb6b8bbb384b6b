//! Power of two choices: the best of two drawn by lot is nearly as good as the best of all, and a target that looks best
//! is not overrun by everyone who saw so at the same time. What is compared is the time to the first token, as the host
//! remembers its peaks, times the attempts that would run with this one.

use pointsman_sdk::policy::*;
use serde::Deserialize;

/// Rarer than that is never.
const EXPLORE_MAX: u64 = 1_000_000;
const FAILURE_MAX_MS: u64 = 600_000;

/// See the crate.
pub struct Fastest {
    explore_one_in: u64,
    failure_ms: f64,
    low_headroom: f64,
    retry: Retry,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// One request in so many goes to the target with the fewest samples, so that one that has recovered is noticed. 0
    /// turns that off.
    explore_one_in: u64,
    /// Milliseconds that a failed attempt is thought to cost.
    failure_ms: u64,
    /// Below this share of its provider's rate limits, a target counts as slower, in the end ten times.
    low_headroom: f64,
    #[serde(flatten)]
    retry: RetrySettings,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { explore_one_in: 50, failure_ms: 10_000, low_headroom: 0.1, retry: RetrySettings::default() }
    }
}

impl Policy for Fastest {
    type Settings = Settings;

    fn open(settings: Settings, targets: Vec<Target>) -> Result<Self, String> {
        within("explore_one_in", settings.explore_one_in, 0..=EXPLORE_MAX)?;
        within("failure_ms", settings.failure_ms, 0..=FAILURE_MAX_MS)?;
        within("low_headroom", settings.low_headroom, 0.0..=1.0)?;
        Ok(Fastest {
            explore_one_in: settings.explore_one_in,
            failure_ms: settings.failure_ms as f64,
            low_headroom: settings.low_headroom,
            retry: Retry::open(settings.retry, &targets)?,
        })
    }

    fn about() -> About {
        let Settings { explore_one_in, failure_ms, low_headroom, .. } = Settings::default();
        let own = [
            Setting::whole(
                "explore_one_in",
                explore_one_in,
                0..=EXPLORE_MAX,
                "One request in so many goes to the target with the fewest samples; 0 is never.",
            )
            .vary(10..=500),
            Setting::whole(
                "failure_ms",
                failure_ms,
                0..=FAILURE_MAX_MS,
                "Milliseconds that a failed attempt is thought to cost.",
            )
            .vary(1_000..=60_000),
            Setting::number(
                "low_headroom",
                low_headroom,
                0.0..=1.0,
                "Below this share of its provider's rate limits a target counts as slower.",
            )
            .vary(0.0..=0.5),
        ];
        About::new("Of two targets drawn by lot, the one that is sooner with its first token.", own)
            .and(RetrySettings::about())
    }

    fn decide(&self, situation: &Situation) -> Decision {
        let costs = self.costs(&situation.targets);
        let mut order = situation.in_order();
        order.sort_by(|&a, &b| costs[a].total_cmp(&costs[b]));
        // In this order, so that of two drawn the one further in front is the better.
        let free: Vec<usize> = order.iter().copied().filter(|&target| situation.is_free(target)).collect();
        let (first, why) = match two_of(free.len(), situation.dice()) {
            // A request that has failed once has waited long enough: no experiments, and no lots.
            _ if !situation.history.is_empty() => (None, "the fastest"),
            Some((a, b)) => {
                let best = free[a.min(b)];
                match self.explored(situation, &free, best) {
                    Some(seldom) => (Some(seldom), "to see whether it has become faster"),
                    None => (Some(best), "the faster of two"),
                }
            }
            None => (None, "the fastest"),
        };
        order.sort_by_key(|&target| Some(target) != first);
        self.retry.decide(situation, &order, why)
    }
}

impl Fastest {
    /// Milliseconds that each target is expected to take, for comparison.
    fn costs(&self, targets: &[TargetState]) -> Vec<f64> {
        let slowest_ms = targets.iter().filter_map(|state| state.first_token_ms).fold(0.0, f64::max);
        targets.iter().map(|state| self.cost(state, slowest_ms)).collect()
    }

    fn cost(&self, state: &TargetState, slowest_ms: f64) -> f64 {
        // Without samples it is taken for fast, so that it gets one; until that is there, for as slow as the slowest.
        let unknown_ms = if state.in_flight == 0 { 0.0 } else { slowest_ms };
        let latency_ms = state.first_token_ms.unwrap_or(unknown_ms);
        let failures_ms = (1.0 - state.success_rate) * self.failure_ms;
        let lack = state.headroom.map_or(0.0, |headroom| 1.0 - headroom / self.low_headroom).max(0.0);
        (latency_ms + failures_ms) * (f64::from(state.in_flight) + 1.0) * (1.0 + 9.0 * lack)
    }

    /// Whether this request is an experiment, and with whom.
    fn explored(&self, situation: &Situation, free: &[usize], best: usize) -> Option<usize> {
        let is_turn = self.explore_one_in > 0 && situation.sequence % self.explore_one_in == self.explore_one_in - 1;
        let others = free.iter().copied().filter(|&target| target != best);
        others.filter(|_| is_turn).min_by_key(|&target| situation.targets[target].samples)
    }
}

/// Two different numbers below `count`, if there are.
fn two_of(count: usize, random: u64) -> Option<(usize, usize)> {
    let count = u64::try_from(count).ok().filter(|count| *count > 1)?;
    let a = random % count;
    let b = (a + 1 + (random >> 32) % (count - 1)) % count;
    Some((usize::try_from(a).ok()?, usize::try_from(b).ok()?))
}
