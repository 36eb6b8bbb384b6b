//! What a provider remembers of the load, where what it does depends on it.

use std::collections::VecDeque;
use std::time::Duration;

/// How long a rate is taken over.
const WINDOW: Duration = Duration::from_secs(20);
/// A bucket holds what comes in so many seconds.
const BURST_S: f64 = 10.0;
/// An acceleration is looked at so often within its doubling.
const STEPS: u32 = 8;

/// How much is asked.
#[derive(Debug, Default)]
pub struct Meter(VecDeque<Duration>);

impl Meter {
    /// One more; and how many there are a minute.
    pub fn count(&mut self, at: Duration) -> f64 {
        self.0.push_back(at);
        while self.0.front().is_some_and(|first| *first + WINDOW <= at) {
            self.0.pop_front();
        }
        self.0.len() as f64 * 60.0 / WINDOW.as_secs_f64()
    }
}

/// A limit of so much a minute, as a token bucket.
#[derive(Debug, Default)]
pub struct Bucket {
    /// What is left; absent before its first use, when it is full.
    level: Option<f64>,
    at: Duration,
}

impl Bucket {
    /// # Errors
    /// How long it takes until there is enough.
    pub fn take(&mut self, amount: f64, per_minute: f64, at: Duration) -> Result<(), Duration> {
        let (a_second, full) = (per_minute / 60.0, (per_minute * BURST_S / 60.0).max(1.0));
        let since = at.saturating_sub(self.at).as_secs_f64();
        let level = self.level.map_or(full, |level| (level + since * a_second).min(full));
        self.at = at;
        // What is larger than the bucket may have it all.
        let needed = amount.min(full);
        if level >= needed {
            self.level = Some(level - amount);
            return Ok(());
        }
        self.level = Some(level);
        Err(Duration::from_secs_f64(((needed - level) / a_second.max(1e-6)).min(3_600.0)))
    }
}

/// A load that may rise only so fast.
#[derive(Debug, Default)]
pub struct Rise {
    /// The interval that is counted, and what was taken in it and in the one before.
    interval: u128,
    taken: f64,
    before: f64,
}

impl Rise {
    /// # Errors
    /// How long it takes until more is allowed.
    pub fn take(&mut self, floor_per_minute: f64, doubling: Duration, at: Duration) -> Result<(), Duration> {
        let step = (doubling / STEPS).max(Duration::from_secs(1));
        let interval = at.as_nanos() / step.as_nanos();
        match interval - self.interval {
            0 => {}
            1 => (self.before, self.taken) = (self.taken, 0.0),
            _ => (self.before, self.taken) = (0.0, 0.0),
        }
        self.interval = interval;
        let floor = floor_per_minute * step.as_secs_f64() / 60.0;
        let allowed = floor.max(self.before * 2_f64.powf(1.0 / f64::from(STEPS))).ceil();
        if self.taken < allowed {
            self.taken += 1.0;
            return Ok(());
        }
        let within = at.as_nanos() % step.as_nanos();
        Err(step - Duration::from_nanos(u64::try_from(within).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_meter_tells_the_rate_of_late() {
        let mut meter = Meter::default();
        let rates: Vec<f64> = (0..100).map(|second| meter.count(at(second * 500))).collect();
        assert_eq!((rates[0], rates[99]), (3.0, 120.0));
    }

    #[test]
    fn a_bucket_gives_what_its_limit_says() {
        let mut bucket = Bucket::default();
        let good = (0..6_000).filter(|number| bucket.take(1.0, 60.0, at(number * 100)).is_ok()).count();
        assert!((607..=610).contains(&good), "ten minutes of 60, and the 10 that it was full of: {good}");
        let wait = (0..2).map(|_| bucket.take(1.0, 60.0, at(600_000))).find_map(Result::err);
        assert!(wait.is_some_and(|wait| wait <= at(1_000)), "{wait:?}");
    }

    #[test]
    fn a_load_may_double_and_no_more() {
        let mut rise = Rise::default();
        // Ten a second come for ten minutes, 12 a minute are always allowed.
        let times = (0..6_000_u64).filter(|number| rise.take(12.0, at(120_000), at(number * 100)).is_ok());
        let minutes: Vec<u64> = times.map(|number| number / 600).collect();
        let within = |minute| minutes.iter().filter(|of| **of == minute).count();
        assert!((12..30).contains(&within(0)) && within(5) < 300, "{} {}", within(0), within(5));
        assert!((4..10).all(|minute| within(minute) < within(minute - 2) * 3), "it doubles in two minutes");
        assert!(within(9) > within(5), "and it does rise");
    }
}
