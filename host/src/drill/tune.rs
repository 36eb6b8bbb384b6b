//! A search: the settings of a policy are varied within the ranges that it declares (`about.wit`), each try meets the same
//! incident, and what is left is the frontier: those tries of which no other is better in one thing and as good in the rest.
//!
//! The first tries are spread evenly over the ranges; those that come later are near the best that were found.

mod space;

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::space::{Point, Space};
use super::chance::Chance;
use super::choice::Choice;
use super::report::Summary;
use super::stage::Stage;
use super::{Drill, Progress, report};

/// Tries that are played at once, whatever the machine: what is tried next follows from them, so the same seed finds the same.
const BATCH: usize = 8;
/// Of the tries, so many are spread evenly.
const SPREAD: f64 = 0.5;

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tuned {
    pub policy: String,
    /// The settings that were varied.
    pub varied: Vec<String>,
    /// The first is as it was given; the others are in the order in which they were tried.
    pub tried: Vec<Tried>,
    /// Settings that the policy refused to be opened with.
    pub refused: usize,
}

/// One try.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    pub settings: Map<String, Value>,
    /// See [`Summary`].
    pub success: f64,
    pub p95_first_token_ms: Option<u64>,
    pub cost: Option<f64>,
    pub attempts: f64,
    /// No other try is better in success, first token or cost, and as good in the other two.
    pub is_best: bool,
}

/// Try so many settings of the drill's only choice.
///
/// # Errors
/// See [`super::run`]; and when its policy declares nothing that may be varied.
pub fn tune(drill: &Drill, tries: usize, progress: &Progress<'_>) -> anyhow::Result<Tuned> {
    let [choice] = drill.choices.as_slice() else { anyhow::bail!("one policy is tuned at a time") };
    let stage = Stage::set(drill)?;
    let (policy, about, settings) = stage.policy(choice)?;
    let given: Map<String, Value> = serde_json::from_str(&settings).context("reading the policy's settings")?;
    let space = Space::of(&about);
    ensure!(!space.is_empty(), "`{policy}` declares no setting that may be varied: see `variation` in wit/about.wit");
    let mut search = Search { space, given, tried: Vec::new(), points: Vec::new(), seen: BTreeSet::new() };
    let (mut refused, mut asked) = (0, 0);
    while asked < tries {
        let batch = search.next(BATCH.min(tries - asked), asked, tries, drill.seed);
        if batch.is_empty() {
            break;
        }
        let choices: Vec<Choice> = batch.iter().map(|(_, text)| choice.with(&policy, text.clone())).collect();
        let part = |done: f64| progress((asked as f64 + done * batch.len() as f64) / tries as f64);
        let played = stage.play(&choices, &part);
        asked += batch.len();
        for (((point, text), choice), played) in batch.into_iter().zip(&choices).zip(played) {
            match played {
                Ok(played) => {
                    let runs = vec![(choice.label.as_str(), &played)];
                    let report = report::report(&stage.scene, &drill.config.facts, runs, &Default::default());
                    let settings = serde_json::from_str(&text).context("reading the tried settings")?;
                    search.tried.extend(report.runs.first().map(|run| Tried::of(settings, &run.summary)));
                    search.points.push(point);
                }
                // Two settings may not go together. Those that were given have to.
                Err(error) if search.tried.is_empty() => return Err(error),
                Err(_) => refused += 1,
            }
        }
        mark_best(&mut search.tried);
    }
    let varied = search.space.names().map(str::to_owned).collect();
    Ok(Tuned { policy, varied, tried: search.tried, refused })
}

struct Search {
    space: Space,
    given: Map<String, Value>,
    tried: Vec<Tried>,
    /// Of each try; absent for the given settings.
    points: Vec<Option<Point>>,
    /// As JSON.
    seen: BTreeSet<String>,
}

impl Search {
    /// What to try now: points, and the settings there as JSON. Fewer, when nothing new is found.
    fn next(&mut self, count: usize, asked: usize, tries: usize, seed: u64) -> Vec<(Option<Point>, String)> {
        let mut batch = Vec::new();
        for number in 0.. {
            if batch.len() == count || number > 20 * count {
                break;
            }
            let chance = Chance::new(seed).of(asked as u64).of(number as u64);
            let best: Vec<&Point> = self
                .tried
                .iter()
                .zip(&self.points)
                .filter(|(tried, _)| tried.is_best)
                .filter_map(|(_, point)| point.as_ref())
                .collect();
            let point = match asked + batch.len() {
                0 => None,
                position if best.is_empty() || (position as f64) < SPREAD * tries as f64 => {
                    Some(self.space.spread(asked + number, chance))
                }
                _ => Some(self.space.near(best[(chance.roll("which") * best.len() as f64) as usize], chance)),
            };
            let settings = match &point {
                None => self.given.clone(),
                Some(point) => self.space.settings(&self.given, point),
            };
            let text = Value::from(settings).to_string();
            if self.seen.insert(text.clone()) {
                batch.push((point, text));
            }
        }
        batch
    }
}

impl Tried {
    fn of(settings: Map<String, Value>, summary: &Summary) -> Tried {
        Tried {
            settings,
            success: summary.success,
            p95_first_token_ms: summary.first_token_ms.p95,
            cost: summary.cost,
            attempts: summary.attempts,
            is_best: false,
        }
    }

    /// Less is better.
    fn weights(&self) -> [f64; 3] {
        let first_token = self.p95_first_token_ms.map_or(f64::INFINITY, |ms| ms as f64);
        [-self.success, first_token, self.cost.unwrap_or(1.0)]
    }
}

fn mark_best(tried: &mut [Tried]) {
    let weights: Vec<_> = tried.iter().map(Tried::weights).collect();
    let beats =
        |one: &[f64; 3], other: &[f64; 3]| one != other && one.iter().zip(other).all(|(one, other)| one <= other);
    for (number, tried) in tried.iter_mut().enumerate() {
        let own = &weights[number];
        // Of two that do the same, the first stays.
        let is_beaten = |(other, weight): (usize, &[f64; 3])| beats(weight, own) || (weight == own && other < number);
        tried.is_best = !weights.iter().enumerate().any(is_beaten);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_those_that_nothing_beats() {
        let tried = |success: f64, ms: u64, cost: f64| Tried {
            settings: Map::new(),
            success,
            p95_first_token_ms: Some(ms),
            cost: Some(cost),
            attempts: 1.0,
            is_best: false,
        };
        let mut all = [
            tried(0.99, 900, 1.0),
            tried(0.99, 800, 1.0),
            tried(0.999, 900, 1.2),
            tried(0.98, 800, 1.0),
            tried(0.99, 800, 1.0),
            tried(0.9, 900, 0.9),
        ];
        mark_best(&mut all);
        assert_eq!(all.map(|tried| tried.is_best), [false, true, true, false, false, true]);
    }
}
