//! A warm prompt cache makes a long conversation several times cheaper and its first token sooner; a target that fails is
//! worth neither.

use pointsman_sdk::policy::hash::rendezvous;
use pointsman_sdk::policy::*;
use serde::Deserialize;

/// See the crate.
pub struct Sticky {
    settings: Settings,
    targets: Vec<Target>,
    retry: Retry,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Milliseconds after its last answer for which a target's prompt cache is taken for warm.
    max_warm_ms: u64,
    /// A target whose attempts succeed less often, 0 to 1, does not keep its conversations.
    min_success_rate: f64,
    /// Where a conversation goes that is warm nowhere.
    begin: Begin,
    #[serde(flatten)]
    retry: RetrySettings,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Begin {
    Configured,
    /// Each conversation has an order of its own, in proportion to the weights.
    Spread,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            max_warm_ms: 300_000,
            min_success_rate: 0.5,
            begin: Begin::Configured,
            retry: RetrySettings::default(),
        }
    }
}

impl Policy for Sticky {
    type Settings = Settings;

    fn open(settings: Settings, targets: Vec<Target>) -> Result<Self, String> {
        within("max_warm_ms", settings.max_warm_ms, 1..=86_400_000)?;
        within("min_success_rate", settings.min_success_rate, 0.0..=1.0)?;
        Ok(Sticky { retry: Retry::open(settings.retry.clone(), &targets)?, targets, settings })
    }

    fn about() -> About {
        let Settings { max_warm_ms, min_success_rate, .. } = Settings::default();
        let own = [
            Setting::whole(
                "max_warm_ms",
                max_warm_ms,
                1..=86_400_000,
                "Milliseconds after its last answer for which a target's prompt cache is taken for warm.",
            )
            .vary(60_000..=3_600_000),
            Setting::number(
                "min_success_rate",
                min_success_rate,
                0.0..=1.0,
                "A target that succeeds less often keeps no conversation.",
            )
            .vary(0.0..=0.95),
            Setting::choice("begin", ["configured", "spread"], "Where a conversation goes that is warm nowhere.")
                .vary_all(),
        ];
        About::new("Where the conversation's prompt cache is warm, until that target is unwell.", own)
            .and(RetrySettings::about())
    }

    fn decide(&self, situation: &Situation) -> Decision {
        let mut order = match (self.settings.begin, situation.request.conversation) {
            (Begin::Configured, _) => situation.in_order(),
            (Begin::Spread, 0) => rendezvous(situation.random, &self.targets),
            (Begin::Spread, conversation) => rendezvous(conversation, &self.targets),
        };
        let warm = order.iter().copied().filter_map(|target| Some((self.warm_ms(situation, target)?, target))).min();
        let why = match warm {
            Some((warm_ms, target)) => {
                order.sort_by_key(|&other| other != target);
                format!("it answered this conversation {} s ago", warm_ms / 1_000)
            }
            None => "the conversation is warm nowhere".to_owned(),
        };
        self.retry.decide(situation, &order, &why)
    }
}

impl Sticky {
    /// How long ago this target answered the conversation, if that makes it the better one.
    fn warm_ms(&self, situation: &Situation, target: usize) -> Option<u64> {
        let state = situation.targets.get(target)?;
        let is_well = state.circuit == Circuit::Closed && state.is_healthy(self.settings.min_success_rate);
        state.warm_ms.filter(|&warm_ms| is_well && warm_ms <= self.settings.max_warm_ms)
    }
}
