//! What is usual for a target: how long it takes on its good days, learned from its replies. A brown-out teaches nothing: values
//! come in batches, and a batch in which too many are far slower than usual is set aside, with the one before it. Only what
//! lasts becomes the new normal.

use std::time::Duration;

use tokio::time::Instant;

use super::sketch::{Bucket, Sketch, bucket};

/// Values in a batch. Of eight, three far above the median are hardly chance.
const BATCH: usize = 8;
const BATCH_SLOW_MAX: usize = 2;
/// With fewer values nothing is known.
const HISTORY_MIN: f32 = 8.0;
/// The first values are taken as they come.
const TAKEN_AT_ONCE: f32 = 16.0;
/// With fewer values the tail is a guess.
const TAIL_KNOWN: f32 = 64.0;
/// So many times the median is far slower. Of a log-normal time whose 95th percentile is four times its median 1 in 20 is.
pub const SLOW_TIMES: f64 = 3.0;
/// A target that is slower for so long has changed for good.
const NEW_NORMAL: Duration = Duration::from_secs(1_800);

/// A distribution of milliseconds, or of another quantity of which more is worse.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    known: Sketch,
    /// A good batch that waits for the next one: a trouble may have begun within it.
    waiting: Option<[Bucket; BATCH]>,
    batch: [Bucket; BATCH],
    filled: usize,
    /// The batches in a row that were set aside, and when the first of them came.
    slower: Option<Box<(Sketch, Instant)>>,
}

impl Baseline {
    pub fn add(&mut self, value: f64, now: Instant) {
        let bucket = bucket(value);
        if self.known.total() < TAKEN_AT_ONCE {
            self.known.add(bucket);
            return;
        }
        self.batch[self.filled] = bucket;
        self.filled += 1;
        if self.filled == BATCH {
            self.filled = 0;
            self.settle(now);
        }
    }

    fn settle(&mut self, now: Instant) {
        let slow = self.known.quantile(0.5).map_or(Bucket::MAX, |median| bucket(median * SLOW_TIMES));
        if self.batch.iter().filter(|value| **value > slow).count() <= BATCH_SLOW_MAX {
            // One good batch may be chance, too; two are not.
            if let Some(good) = self.waiting.replace(self.batch) {
                self.slower = None;
                good.into_iter().for_each(|value| self.known.add(value));
            }
            return;
        }
        self.waiting = None;
        let (slower, since) = &mut **self.slower.get_or_insert_with(|| Box::new((Sketch::default(), now)));
        self.batch.into_iter().for_each(|value| slower.add(value));
        if now.saturating_duration_since(*since) >= NEW_NORMAL {
            self.known = std::mem::take(slower);
            self.slower = None;
        }
    }

    /// The value that this share of all does not exceed. `None` if too little is known.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        (self.known.total() >= HISTORY_MIN).then(|| self.known.quantile(share)).flatten()
    }

    /// Are there enough values to tell what is rare?
    pub fn is_tail_known(&self) -> bool {
        self.known.total() >= TAIL_KNOWN
    }

    /// The share of values above this one. 1 if too little is known: then nothing is surprising.
    pub fn share_above(&self, value: f64) -> f64 {
        if self.known.total() < HISTORY_MIN { 1.0 } else { self.known.share_above(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastrand::Rng;

    const SECOND: Duration = Duration::from_secs(1);

    /// Log-normal, with a 95th percentile of four times the median.
    fn time(dice: &mut Rng, median: f64) -> f64 {
        let normal = (-2.0 * dice.f64().max(1e-12).ln()).sqrt() * (std::f64::consts::TAU * dice.f64()).cos();
        median * (4_f64.ln() / 1.645 * normal).exp()
    }

    #[test]
    fn a_brown_out_is_not_learned() {
        let (mut dice, mut baseline, mut now) = (Rng::with_seed(1), Baseline::default(), Instant::now());
        assert_eq!(baseline.quantile(0.5), None);
        for _ in 0..600 {
            now += SECOND / 10;
            baseline.add(time(&mut dice, 200.0), now);
        }
        let before = (baseline.quantile(0.5), baseline.quantile(0.99));
        assert!(before.0.is_some_and(|median| (180.0..260.0).contains(&median)), "{before:?}");
        for _ in 0..6_000 {
            now += SECOND / 10;
            baseline.add(time(&mut dice, 2_000.0), now);
        }
        assert_eq!(before, (baseline.quantile(0.5), baseline.quantile(0.99)), "ten minutes of it");
        for _ in 0..20_000 {
            now += SECOND / 10;
            baseline.add(time(&mut dice, 2_000.0), now);
        }
        assert!(
            baseline.quantile(0.5).is_some_and(|median| median > 1_500.0),
            "it lasts: {:?}",
            baseline.quantile(0.5)
        );
    }

    #[test]
    fn good_days_are_learned_however_long_their_tail() {
        let (mut dice, mut baseline, mut now) = (Rng::with_seed(2), Baseline::default(), Instant::now());
        let mut all = Vec::new();
        for number in 0..20_000 {
            now += SECOND;
            // Every hundredth thinks for long.
            let value = if number % 100 == 7 { 9_000.0 } else { time(&mut dice, 300.0) };
            baseline.add(value, now);
            all.push(value);
        }
        all.sort_by(f64::total_cmp);
        for share in [0.5, 0.95, 0.99] {
            let (found, exact) = (baseline.quantile(share).expect("known"), all[(all.len() as f64 * share) as usize]);
            assert!((exact * 0.8..exact * 1.5).contains(&found), "{share}: {found}, not {exact}");
        }
    }
}
