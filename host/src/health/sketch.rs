//! A quantile sketch: counts in buckets whose bounds grow by a fifth, as in DDSketch. It takes 370 bytes, however many values
//! it has seen, and a quantile is at most a fifth too high.

/// The bounds of buckets grow by this factor.
const GROWTH: f64 = 1.2;
/// From 1 to 1.2^91, which is 4.5 hours in milliseconds.
const BUCKETS: usize = 92;
/// More values than this are forgotten by halves, so that the sketch follows slow changes.
const TOTAL_MAX: f32 = 2048.0;

/// The number of a value's bucket.
pub type Bucket = u8;

#[derive(Clone, Debug)]
pub struct Sketch {
    counts: [f32; BUCKETS],
    total: f32,
}

impl Default for Sketch {
    fn default() -> Self {
        Sketch { counts: [0.0; BUCKETS], total: 0.0 }
    }
}

/// The bucket of a value of 1 or more; smaller ones are in the first.
pub fn bucket(value: f64) -> Bucket {
    let number = value.max(1.0).log(GROWTH).floor();
    // NaN becomes 0, and the bound fits.
    number.clamp(0.0, (BUCKETS - 1) as f64) as Bucket
}

impl Sketch {
    pub fn add(&mut self, bucket: Bucket) {
        self.counts[usize::from(bucket).min(BUCKETS - 1)] += 1.0;
        self.total += 1.0;
        if self.total > TOTAL_MAX {
            self.counts.iter_mut().for_each(|count| *count /= 2.0);
            self.total /= 2.0;
        }
    }

    /// How many values it holds.
    pub fn total(&self) -> f32 {
        self.total
    }

    /// The value that a share of all values does not exceed, rounded up to its bucket's bound. `None` if it is empty.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = share * f64::from(self.total);
        let mut seen = 0.0;
        let found = self.counts.iter().position(|count| {
            seen += f64::from(*count);
            *count > 0.0 && seen >= wanted - 1e-3
        });
        Some(GROWTH.powi(i32::try_from(found?).unwrap_or(0) + 1))
    }

    /// The share of values above this one, 0 to 1, as if one value more lay beyond all: what was never seen is rare, not
    /// impossible. Within a bucket values are taken to be spread evenly.
    pub fn share_above(&self, value: f64) -> f64 {
        let value = if value.is_nan() { 0.0 } else { value };
        let bucket = usize::from(bucket(value));
        let above: f32 = self.counts[bucket + 1..].iter().sum();
        let (lower, upper) = (GROWTH.powi(bucket as i32), GROWTH.powi(bucket as i32 + 1));
        let part = ((upper - value) / (upper - lower)).clamp(0.0, 1.0);
        let within = f64::from(self.counts[bucket]) * part;
        (f64::from(above) + within + 1.0) / (f64::from(self.total) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_a_fifth_too_high_at_most() {
        let mut sketch = Sketch::default();
        assert_eq!(sketch.quantile(0.5), None);
        for value in 1..=1_000 {
            sketch.add(bucket(f64::from(value)));
        }
        for (share, exact) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0), (1.0, 1_000.0)] {
            let found = sketch.quantile(share).expect("values");
            assert!(found >= exact && found <= exact * GROWTH * 1.01, "{share}: {found}");
        }
        assert!((sketch.share_above(500.0) - 0.5).abs() < 0.02);
        assert!(sketch.share_above(5_000.0) > 0.0 && sketch.share_above(5_000.0) < 0.002);
        assert!((sketch.share_above(0.5) - 1.0).abs() < 0.01);
    }

    #[test]
    fn it_follows_a_change_and_keeps_its_size() {
        let mut sketch = Sketch::default();
        (0..5_000).for_each(|_| sketch.add(bucket(100.0)));
        (0..9_000).for_each(|_| sketch.add(bucket(900.0)));
        assert!(sketch.total() <= TOTAL_MAX);
        assert!(sketch.quantile(0.5).is_some_and(|median| median > 800.0));
    }

    #[test]
    fn absurd_values_have_a_bucket() {
        for value in [0.0, -5.0, f64::NAN, f64::INFINITY, 1e300] {
            let mut sketch = Sketch::default();
            sketch.add(bucket(value));
            assert!(sketch.quantile(0.5).is_some());
            assert!((0.0..=1.0).contains(&sketch.share_above(value)), "{value}");
        }
    }
}
