//! A hedge costs a request twice, so it starts only when the first attempt takes longer than its target usually does, and
//! only where an answer can be expected. The host bounds how many there are.

use pointsman_sdk::policy::*;
use serde::Deserialize;

const MINUTES_10_MS: u64 = 600_000;

/// See the crate.
pub struct Hedged {
    settings: Settings,
    retry: Retry,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Which target is asked first, and which is the hedge.
    order: Order,
    /// Milliseconds without content after which an attempt is late. Absent: by its target's own latency, as follows.
    hedge_after_ms: Option<u64>,
    /// Late is so many times the 95th percentile of the target's usual first token.
    hedge_after_times: f64,
    /// Milliseconds, the least and the most of that; the most also where the latency is not known.
    hedge_after_min_ms: u64,
    hedge_after_max_ms: u64,
    #[serde(flatten)]
    retry: RetrySettings,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    Configured,
    /// By the time to the first token; those not known come first, to become known.
    Fastest,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            order: Order::Configured,
            hedge_after_ms: None,
            hedge_after_times: 1.0,
            hedge_after_min_ms: 500,
            hedge_after_max_ms: 10_000,
            retry: RetrySettings::default(),
        }
    }
}

impl Policy for Hedged {
    type Settings = Settings;

    fn open(settings: Settings, targets: Vec<Target>) -> Result<Self, String> {
        within("hedge_after_ms", settings.hedge_after_ms.unwrap_or(1), 1..=MINUTES_10_MS)?;
        within("hedge_after_times", settings.hedge_after_times, 1.0..=100.0)?;
        within("hedge_after_min_ms", settings.hedge_after_min_ms, 1..=MINUTES_10_MS)?;
        within("hedge_after_max_ms", settings.hedge_after_max_ms, settings.hedge_after_min_ms..=MINUTES_10_MS)?;
        Ok(Hedged { retry: Retry::open(settings.retry.clone(), &targets)?, settings })
    }

    fn about() -> About {
        let Settings { hedge_after_times, hedge_after_min_ms, hedge_after_max_ms, .. } = Settings::default();
        let own = [
            Setting::choice("order", ["configured", "fastest"], "Who is asked first, and who is the hedge.").vary_all(),
            Setting::whole(
                "hedge_after_ms",
                None,
                1..=MINUTES_10_MS,
                "Milliseconds after which an attempt is late. Absent: by its target's own latency, as follows.",
            )
            .vary(200..=20_000),
            Setting::number(
                "hedge_after_times",
                hedge_after_times,
                1.0..=100.0,
                "Late is so many times the 95th percentile of the target's usual first token.",
            )
            .vary(1.0..=5.0),
            Setting::whole(
                "hedge_after_min_ms",
                hedge_after_min_ms,
                1..=MINUTES_10_MS,
                "Milliseconds, the least of that.",
            )
            .vary(100..=3_000),
            Setting::whole(
                "hedge_after_max_ms",
                hedge_after_max_ms,
                1..=MINUTES_10_MS,
                "Milliseconds, the most of that, and where the latency is not known.",
            )
            .vary(3_000..=30_000),
        ];
        About::new("A second target when the first token is late; the loser is cancelled.", own)
            .and(RetrySettings::about())
    }

    fn decide(&self, situation: &Situation) -> Decision {
        let mut order = situation.in_order();
        if let Order::Fastest = self.settings.order {
            let latency_ms = |target: usize| situation.targets[target].first_token_ms.unwrap_or(0.0);
            order.sort_by(|&a, &b| latency_ms(a).total_cmp(&latency_ms(b)));
        }
        let decision = match situation.running.as_slice() {
            [] => self.retry.decide(situation, &order, "the first"),
            [runner] => self.beside(situation, &order, runner),
            // A third, where both are late.
            _ => self.retry.decide(situation, &order, "the first"),
        };
        // Who continues a reply that broke off must be one.
        if situation.request.continuing {
            return decision;
        }
        decision.with(|attempt| attempt.hedge_after_ms = Some(self.late_ms(situation, attempt.target)))
    }
}

impl Hedged {
    /// One attempt runs: it is late, or another beside it has failed.
    fn beside(&self, situation: &Situation, order: &[usize], runner: &RunningAttempt) -> Decision {
        if !self.is_late(situation, runner) {
            return wait("another attempt runs, and is not late");
        }
        self.retry.spare(situation, order)
    }

    /// The host asks when an attempt is late, and when one of two has failed: then the other may have just begun.
    fn is_late(&self, situation: &Situation, runner: &RunningAttempt) -> bool {
        let ended_beside =
            |report: &AttemptReport| report.started_at_ms.saturating_add(report.elapsed_ms) > runner.started_at_ms;
        let elapsed_ms = situation.elapsed_ms.saturating_sub(runner.started_at_ms);
        !situation.history.iter().any(ended_beside)
            || situation.is_late(runner.target as usize)
            || elapsed_ms >= self.late_ms(situation, runner.target)
    }

    /// Milliseconds after which an attempt at this target is late.
    fn late_ms(&self, situation: &Situation, target: u32) -> u64 {
        let settings = &self.settings;
        // What was usual before the trouble: a target that becomes slow is not given more time for it.
        let usual = |state: &TargetState| state.number("first-token-p95-ms").or(state.first_token_ms);
        let usual_ms = situation.targets.get(target as usize).and_then(usual);
        settings.hedge_after_ms.unwrap_or_else(|| match usual_ms {
            // The cast cuts what is too large, and makes nothing of what is no number.
            Some(usual_ms) => ((usual_ms * settings.hedge_after_times) as u64)
                .clamp(settings.hedge_after_min_ms, settings.hedge_after_max_ms),
            None => settings.hedge_after_max_ms,
        })
    }
}
