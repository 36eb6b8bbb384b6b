//! What would have happened: numbers for people, for programs and for pictures.

mod cost;
mod headline;
mod html;
mod made;
mod results;
pub mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ledger::Ledger;

pub use self::headline::price;
pub use self::html::page;
pub use self::made::report;
pub use self::results::results;

/// Below this share of answers, people call it an outage.
pub const OUTAGE_BELOW: f64 = 0.9;
/// Straight to the first target, with what the official SDKs do by themselves.
pub const SDK_RETRIES: &str = "SDK retries only";
/// Straight to the first target, once.
pub const WITHOUT: &str = "without Pointsman";

/// See the module. Times are since the drill's beginning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub incident: String,
    pub about: String,
    pub began: Option<String>,
    pub seed: u64,
    pub lasts_s: u64,
    /// What is told for each so many seconds, by when requests came.
    pub bin_s: u64,
    pub requests: u64,
    pub phases: Vec<PhaseView>,
    /// One for each policy.
    pub runs: Vec<Run>,
    /// Without Pointsman: each request once, to the first target.
    pub straight: Run,
    /// Without Pointsman, but with the retries that the official SDKs make by themselves. Older reports do not have it.
    #[serde(default)]
    pub sdk_retries: Option<Run>,
    /// US dollars that an answered request is worth, if somebody said it.
    #[serde(default)]
    pub value_usd: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseView {
    pub name: String,
    pub from_s: u64,
    pub to_s: u64,
}

/// How it went with one policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub label: String,
    /// By route: `name@digest`.
    pub policies: BTreeMap<String, String>,
    /// Decisions that its policies failed to make: traps, time that was up, nonsense. Others were made in their place.
    pub policy_faults: u64,
    pub summary: Summary,
    pub bins: Vec<Bin>,
    /// What each provider saw.
    pub providers: BTreeMap<String, Ledger>,
    /// By target, for each bin: the share of the time in which its breaker was not closed.
    pub breakers: BTreeMap<String, Vec<f64>>,
    /// Why requests were lost, the most frequent first.
    pub lost: Vec<Lost>,
    /// The story of the request that was asked for, if there was one of that id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explained: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub requests: u64,
    pub answered: u64,
    pub lost: u64,
    /// From 0 to 1.
    pub success: f64,
    /// Of the streamed requests that were answered.
    pub first_token_ms: Percentiles,
    /// For each request, in the mean.
    pub attempts: f64,
    /// Of another target than the route's first.
    pub by_others: u64,
    pub by_target: BTreeMap<String, u64>,
    /// US dollars, of the requests whose models have a known price; and what the first targets would have cost, all well.
    pub cost_usd: f64,
    pub first_cost_usd: f64,
    /// One by the other. Absent when no price is known.
    pub cost: Option<f64>,
    /// Of the cost, what was paid for attempts that did not answer; and the tokens of these, of whatever model.
    #[serde(default)]
    pub wasted_usd: f64,
    #[serde(default)]
    pub wasted_tokens: u64,
    /// The bins in which less than [`OUTAGE_BELOW`] of the requests were answered, together.
    #[serde(default)]
    pub outage_s: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    pub p50: Option<u64>,
    pub p95: Option<u64>,
    pub p99: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    pub at_s: u64,
    pub requests: u64,
    pub answered: u64,
    /// Absent when nothing was asked.
    pub success: Option<f64>,
    pub first_token_ms: Percentiles,
    pub attempts: f64,
    pub by_target: BTreeMap<String, u64>,
    pub cost_usd: f64,
    /// Times what the first targets would have cost. Absent when no price is known, or nothing was answered.
    #[serde(default)]
    pub cost: Option<f64>,
}

/// Requests that were lost for the same reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lost {
    pub why: String,
    pub count: u64,
    /// Of the first ones: arrivals' numbers, and the ids that the gateway gave them.
    pub numbers: Vec<u32>,
    pub ids: Vec<String>,
    /// The first one's, as `pointsman explain` would tell it.
    pub story: Option<String>,
}

impl Report {
    /// What the runs are compared with, and its names: the fair one first.
    pub fn baselines(&self) -> impl Iterator<Item = (&'static str, &Run)> {
        self.sdk_retries.iter().map(|run| (SDK_RETRIES, run)).chain([(WITHOUT, &self.straight)])
    }

    /// The baseline that is quoted.
    pub fn fair_baseline(&self) -> (&'static str, &Run) {
        self.sdk_retries.as_ref().map_or((WITHOUT, &self.straight), |run| (SDK_RETRIES, run))
    }
}

impl Percentiles {
    fn of(mut values: Vec<u64>) -> Percentiles {
        values.sort_unstable();
        let at = |share: f64| {
            // The nearest rank.
            let rank = (share * values.len() as f64).ceil() as usize;
            values.get(rank.saturating_sub(1)).copied()
        };
        Percentiles { p50: at(0.5), p95: at(0.95), p99: at(0.99) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_there() {
        let percentiles = Percentiles::of((1..=200).rev().collect());
        assert_eq!(percentiles, Percentiles { p50: Some(100), p95: Some(190), p99: Some(198) });
        assert_eq!(Percentiles::of(vec![7]), Percentiles { p50: Some(7), p95: Some(7), p99: Some(7) });
        assert_eq!(Percentiles::of(Vec::new()), Percentiles::default());
    }
}
