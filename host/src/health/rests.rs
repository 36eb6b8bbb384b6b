//! Keys that must rest: because the provider refused them, or because their limit is reached.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::plugin::bindings::faults::FaultKind;

/// A short digest of a key. What is not shown with a key has one too: 0.
pub type KeyId = u64;

/// A key that is refused again each time it is tried rests this much longer at most.
const REFUSED_MAX: Duration = Duration::from_secs(600);

#[derive(Clone, Copy, Debug)]
struct Rest {
    until: Instant,
    /// The provider itself said so: nothing is sent before.
    asked: bool,
    /// In a row.
    times: u32,
    /// What it was refused with.
    why: FaultKind,
}

/// Which keys rest, for one provider or for one of its models.
#[derive(Debug, Default)]
pub struct Rests {
    by_key: HashMap<KeyId, Rest>,
}

impl Rests {
    /// The provider asked to leave this key alone for so long. What it asked for before holds if it is longer: requests that ran
    /// together are answered one after the other. Gives the end.
    pub fn asked(&mut self, key: KeyId, why: FaultKind, wait: Duration, now: Instant) -> Instant {
        let before = self.by_key.get(&key).copied();
        let times = before.map_or(0, |rest| rest.times).saturating_add(1);
        let longer = before.filter(|rest| rest.asked && rest.until > now + wait);
        let (until, why) = longer.map_or((now + wait, why), |rest| (rest.until, rest.why));
        self.by_key.insert(key, Rest { until, asked: true, times, why });
        until
    }

    /// It was refused, and nobody said for how long: twice as long each time.
    pub fn refused(&mut self, key: KeyId, why: FaultKind, wait: Duration, now: Instant) {
        let before = self.by_key.get(&key).copied();
        let times = before.map_or(0, |rest| rest.times);
        let wait = wait.saturating_mul(1 << times.min(10)).min(REFUSED_MAX.max(wait));
        let rest = match before.filter(|rest| rest.asked && rest.until > now + wait) {
            Some(longer) => longer,
            None => Rest { until: now + wait, asked: false, times, why },
        };
        self.by_key.insert(key, Rest { times: times.saturating_add(1), ..rest });
    }

    pub fn served(&mut self, key: KeyId) {
        self.by_key.remove(&key);
    }

    /// Until when it rests, and whether the provider asked for that.
    pub fn of(&self, key: KeyId, now: Instant) -> Option<(Instant, bool)> {
        self.by_key.get(&key).filter(|rest| rest.until > now).map(|rest| (rest.until, rest.asked))
    }

    /// Does any key rest?
    pub fn any(&self, now: Instant) -> bool {
        self.by_key.values().any(|rest| rest.until > now)
    }

    /// Until when it rests, and what it was refused with.
    pub fn why(&self, key: KeyId, now: Instant) -> Option<(Instant, FaultKind)> {
        self.by_key.get(&key).filter(|rest| rest.until > now).map(|rest| (rest.until, rest.why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_key_rests_longer_each_time_until_it_serves_again() {
        let now = Instant::now();
        let (mut rests, wait) = (Rests::default(), Duration::from_secs(30));
        let rest =
            |rests: &Rests, now: Instant| rests.of(1, now).map(|(until, asked)| ((until - now).as_secs(), asked));
        rests.refused(1, FaultKind::Authentication, wait, now);
        assert_eq!(rest(&rests, now), Some((30, false)));
        rests.refused(1, FaultKind::Authentication, wait, now);
        assert_eq!(rest(&rests, now), Some((60, false)));
        (0..40).for_each(|_| rests.refused(1, FaultKind::Authentication, wait, now));
        assert_eq!(rest(&rests, now), Some((600, false)));
        assert_eq!(rests.of(2, now), None);
        rests.served(1);
        assert_eq!(rests.of(1, now), None);
        rests.asked(1, FaultKind::RateLimited, wait, now);
        assert_eq!((rest(&rests, now), rest(&rests, now + wait)), (Some((30, true)), None));
        assert_eq!(rests.why(1, now), Some((now + wait, FaultKind::RateLimited)));
    }

    /// Faults: F149
    #[test]
    fn a_shorter_rest_replaces_no_longer_one_that_was_asked_for() {
        let (now, mut rests) = (Instant::now(), Rests::default());
        let (long, short) = (Duration::from_secs(60), Duration::from_secs(1));
        rests.asked(1, FaultKind::RateLimited, long, now);
        rests.asked(1, FaultKind::RateLimited, short, now);
        rests.refused(1, FaultKind::RateLimited, short, now);
        assert_eq!(rests.of(1, now), Some((now + long, true)));
        rests.asked(1, FaultKind::RateLimited, 2 * long, now);
        assert_eq!(rests.of(1, now), Some((now + 2 * long, true)));
        let over = now + 3 * long;
        rests.asked(1, FaultKind::RateLimited, short, over);
        assert_eq!(rests.of(1, over), Some((over + short, true)));
    }
}
