//! The price of a request is a guess: its length is estimated, and the answer's is a setting. It is the same guess for
//! every target, and only the order matters.

use pointsman_sdk::policy::*;
use serde::Deserialize;

/// See the crate.
pub struct Cheapest {
    settings: Settings,
    retry: Retry,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Tokens that an answer is expected to have.
    output_tokens: u64,
    /// Where a target stands whose price is not known.
    unknown_price: Place,
    /// A target whose attempts succeed less often, 0 to 1, comes after the others.
    min_success_rate: f64,
    /// A target whose first token takes longer comes after the others. Absent: it does not matter.
    max_first_token_ms: Option<u64>,
    #[serde(flatten)]
    retry: RetrySettings,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// It costs nothing: one's own machines.
    First,
    Last,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            output_tokens: 500,
            unknown_price: Place::Last,
            min_success_rate: 0.5,
            max_first_token_ms: None,
            retry: RetrySettings::default(),
        }
    }
}

impl Policy for Cheapest {
    type Settings = Settings;

    fn open(settings: Settings, targets: Vec<Target>) -> Result<Self, String> {
        within("output_tokens", settings.output_tokens, 0..=10_000_000)?;
        within("min_success_rate", settings.min_success_rate, 0.0..=1.0)?;
        within("max_first_token_ms", settings.max_first_token_ms.unwrap_or(1), 1..=600_000)?;
        Ok(Cheapest { retry: Retry::open(settings.retry.clone(), &targets)?, settings })
    }

    fn about() -> About {
        let Settings { output_tokens, min_success_rate, .. } = Settings::default();
        let own = [
            Setting::whole("output_tokens", output_tokens, 0..=10_000_000, "Tokens that an answer is expected to have."),
            Setting::choice("unknown_price", ["last", "first"], "Where a target stands whose price is not known."),
            Setting::number(
                "min_success_rate",
                min_success_rate,
                0.0..=1.0,
                "A target that succeeds less often comes after all others.",
            )
            .vary(0.0..=0.95),
            Setting::whole(
                "max_first_token_ms",
                None,
                1..=600_000,
                "Milliseconds: a target whose first token takes longer comes after all others. Absent: it does not matter.",
            )
            .vary(500..=30_000),
        ];
        About::new("The lowest price for the request among the targets that are well.", own).and(RetrySettings::about())
    }

    fn decide(&self, situation: &Situation) -> Decision {
        let unknown_usd = if self.settings.unknown_price == Place::First { 0.0 } else { f64::INFINITY };
        let price_usd = |target: usize| self.price_usd(situation, target).unwrap_or(unknown_usd);
        let mut order = situation.in_order();
        order.sort_by(|&a, &b| {
            let (worse_a, worse_b) = (self.is_bad(situation, a), self.is_bad(situation, b));
            worse_a.cmp(&worse_b).then(price_usd(a).total_cmp(&price_usd(b)))
        });
        let why = match order.first().and_then(|&target| self.price_usd(situation, target)) {
            Some(price_usd) => format!("the cheapest, about {price_usd:.6} USD"),
            None => "the first, its price is not known".to_owned(),
        };
        self.retry.decide(situation, &order, &why)
    }
}

impl Cheapest {
    /// US dollars that this request would cost, if that is known and no nonsense.
    fn price_usd(&self, situation: &Situation, target: usize) -> Option<f64> {
        let price = situation.targets.get(target)?.price?;
        let output_tokens = if situation.request.operation == "chat" { self.settings.output_tokens } else { 0 };
        let input_tokens = situation.request.input_tokens_estimate;
        let price_usd = (price.input * input_tokens as f64 + price.output * output_tokens as f64) / 1e6;
        Some(price_usd).filter(|price_usd| (0.0..=1e9).contains(price_usd))
    }

    /// It often fails, or is too slow: any other is better, whatever it costs.
    fn is_bad(&self, situation: &Situation, target: usize) -> bool {
        situation.targets.get(target).is_none_or(|state| {
            let most_ms = self.settings.max_first_token_ms.map_or(f64::INFINITY, |most_ms| most_ms as f64);
            !state.is_healthy(self.settings.min_success_rate) || state.first_token_ms.is_some_and(|ms| ms > most_ms)
        })
    }
}
