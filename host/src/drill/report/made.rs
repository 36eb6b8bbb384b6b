//! How a report is made.

use std::collections::BTreeMap;

use super::super::millis;
use super::super::outcome::Outcome;
use super::super::play::Played;
use super::super::scene::Scene;
use super::cost::{self, Costs};
use super::{Bin, Lost, OUTAGE_BELOW, Percentiles, PhaseView, Report, Run, SDK_RETRIES, Summary};
use crate::facts::Book;

/// Lost requests of one kind whose ids are told.
const IDS_MAX: usize = 20;

/// Of runs with their labels, and of what would have been without: each request once, and with the SDKs' retries.
pub fn report(scene: &Scene, book: &Book, runs: Vec<(&str, &Played)>, alone: &[Vec<Outcome>; 2]) -> Report {
    let firsts = runs.first().map_or(&[][..], |(_, played)| &played.firsts);
    let phases = scene.incident.phases.iter().map(|phase| PhaseView {
        name: phase.name.clone(),
        from_s: phase.from.as_secs(),
        to_s: phase.to.as_secs(),
    });
    let maker = Maker { scene, costs: Costs { book }, firsts };
    let runs = runs.iter().map(|(label, played)| Run {
        policies: played.policies.clone(),
        policy_faults: played.policy_faults,
        providers: played.ledgers.clone(),
        breakers: played.breakers.clone(),
        ..maker.run(label, &played.outcomes)
    });
    Report {
        incident: scene.incident.name.clone(),
        about: scene.incident.about.clone(),
        began: scene.incident.began.clone(),
        seed: scene.seed,
        lasts_s: scene.incident.lasts.as_secs(),
        bin_s: scene.bin.as_secs(),
        requests: scene.arrivals.len() as u64,
        phases: phases.collect(),
        runs: runs.collect(),
        straight: maker.run("straight to the first target", &alone[0]),
        sdk_retries: Some(maker.run(SDK_RETRIES, &alone[1])),
        value_usd: None,
    }
}

struct Maker<'a> {
    scene: &'a Scene,
    costs: Costs<'a>,
    /// For each piece of the mix.
    firsts: &'a [String],
}

/// What is counted over some requests.
#[derive(Default)]
struct Tally {
    requests: u64,
    answered: u64,
    attempts: u64,
    by_others: u64,
    by_target: BTreeMap<String, u64>,
    first_tokens: Vec<u64>,
    cost_usd: f64,
    first_cost_usd: f64,
    wasted_usd: f64,
    wasted_tokens: u64,
}

impl Maker<'_> {
    fn run(&self, label: &str, outcomes: &[Outcome]) -> Run {
        let (mut all, mut bins) = (Tally::default(), Vec::new());
        bins.resize_with(self.scene.bins(), Tally::default);
        for outcome in outcomes {
            let Some(arrival) = self.scene.arrivals.get(outcome.number as usize) else { continue };
            self.count(outcome, &mut all);
            if let Some(bin) = bins.get_mut(self.scene.bin(arrival.at)) {
                self.count(outcome, bin);
            }
        }
        let bin_s = millis(self.scene.bin) / 1_000;
        let bins: Vec<Bin> = bins.into_iter().enumerate().map(|(number, bin)| bin.bin(number as u64 * bin_s)).collect();
        let is_out = |bin: &&Bin| bin.success.is_some_and(|success| success < OUTAGE_BELOW);
        // The last bin may be shorter.
        let lasts = |bin: &Bin| bin_s.min(self.scene.incident.lasts.as_secs().saturating_sub(bin.at_s));
        Run {
            label: label.to_owned(),
            policies: BTreeMap::new(),
            policy_faults: 0,
            summary: Summary { outage_s: bins.iter().filter(is_out).map(lasts).sum(), ..all.summary() },
            bins,
            providers: BTreeMap::new(),
            breakers: BTreeMap::new(),
            lost: lost(outcomes),
            explained: self.explained(outcomes),
        }
    }

    fn explained(&self, outcomes: &[Outcome]) -> Option<String> {
        let id = self.scene.explain.as_deref()?;
        outcomes.iter().find(|outcome| outcome.id == id)?.story.clone()
    }

    fn count(&self, outcome: &Outcome, tally: &mut Tally) {
        let arrival = &self.scene.arrivals[outcome.number as usize];
        let first = &self.firsts[arrival.mix];
        tally.requests += 1;
        tally.attempts += u64::from(outcome.attempts);
        if outcome.is_answered {
            tally.answered += 1;
            tally.by_others += u64::from(outcome.target != *first);
            *tally.by_target.entry(outcome.target.clone()).or_default() += 1;
            // The others show all at once, at their end.
            tally.first_tokens.extend(outcome.first_token_ms.filter(|_| arrival.stream));
        }
        tally.wasted_tokens += cost::wasted_tokens(arrival, outcome);
        if let (Some(paid), Some(whole)) = (self.costs.paid(arrival, outcome), self.costs.whole(arrival, first)) {
            tally.cost_usd += paid.answer + paid.wasted;
            tally.wasted_usd += paid.wasted;
            // What was lost cost nothing, and would make what is left look cheap.
            tally.first_cost_usd += if paid.answer + paid.wasted > 0.0 { whole } else { 0.0 };
        }
    }
}

impl Tally {
    fn mean_attempts(&self) -> f64 {
        rounded(self.attempts as f64 / self.requests.max(1) as f64)
    }

    fn cost(&self) -> Option<f64> {
        (self.first_cost_usd > 0.0).then(|| rounded(self.cost_usd / self.first_cost_usd))
    }

    fn summary(self) -> Summary {
        Summary {
            requests: self.requests,
            answered: self.answered,
            lost: self.requests - self.answered,
            success: rounded(self.answered as f64 / self.requests.max(1) as f64),
            attempts: self.mean_attempts(),
            cost: self.cost(),
            first_token_ms: Percentiles::of(self.first_tokens),
            by_others: self.by_others,
            by_target: self.by_target,
            cost_usd: rounded(self.cost_usd),
            first_cost_usd: rounded(self.first_cost_usd),
            wasted_usd: rounded(self.wasted_usd),
            wasted_tokens: self.wasted_tokens,
            outage_s: 0,
        }
    }

    fn bin(self, at_s: u64) -> Bin {
        Bin {
            at_s,
            requests: self.requests,
            answered: self.answered,
            success: (self.requests > 0).then(|| rounded(self.answered as f64 / self.requests as f64)),
            attempts: self.mean_attempts(),
            cost: self.cost(),
            first_token_ms: Percentiles::of(self.first_tokens),
            by_target: self.by_target,
            cost_usd: rounded(self.cost_usd),
        }
    }
}

/// To a ten-thousandth: nobody reads more.
fn rounded(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}

fn lost(outcomes: &[Outcome]) -> Vec<Lost> {
    let mut by_reason: BTreeMap<&str, Lost> = BTreeMap::new();
    for outcome in outcomes.iter().filter(|outcome| !outcome.is_answered) {
        let lost = by_reason.entry(&outcome.why).or_insert_with(|| Lost {
            why: outcome.why.clone(),
            count: 0,
            numbers: Vec::new(),
            ids: Vec::new(),
            story: outcome.story.clone(),
        });
        lost.count += 1;
        if lost.numbers.len() < IDS_MAX {
            lost.numbers.push(outcome.number);
            lost.ids.extend(Some(outcome.id.clone()).filter(|id| !id.is_empty()));
        }
    }
    let mut lost: Vec<Lost> = by_reason.into_values().collect();
    lost.sort_by_key(|lost| std::cmp::Reverse(lost.count));
    lost
}
