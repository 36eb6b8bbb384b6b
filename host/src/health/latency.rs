//! A peak-sensitive average: at once up to a higher value, and slowly down to lower ones, so that a target that becomes slow
//! loses its traffic before an ordinary average would have noticed.

use std::time::Duration;

use tokio::time::Instant;

/// In this time a peak has lost two thirds of its weight.
const DECAY: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, Default)]
pub struct Latency {
    known: Option<(f64, Instant)>,
}

impl Latency {
    /// It took so long.
    pub fn note(&mut self, elapsed: Duration, now: Instant) {
        let millis = elapsed.as_secs_f64() * 1e3;
        let moved = match self.known {
            Some((known, at)) if millis < known => {
                let kept = (-now.saturating_duration_since(at).div_duration_f64(DECAY)).exp();
                known * kept + millis * (1.0 - kept)
            }
            _ => millis,
        };
        self.known = Some((moved, now));
    }

    /// It takes at least so long: an attempt was ended before it showed how long.
    pub fn at_least(&mut self, elapsed: Duration, now: Instant) {
        if self.millis().is_none_or(|known| elapsed.as_secs_f64() * 1e3 > known) {
            self.note(elapsed, now);
        }
    }

    pub fn millis(&self) -> Option<f64> {
        self.known.map(|(millis, _)| millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_at_once_and_down_slowly() {
        let now = Instant::now();
        let (mut latency, millis) = (Latency::default(), Duration::from_millis);
        latency.note(millis(100), now);
        latency.note(millis(900), now);
        assert_eq!(latency.millis(), Some(900.0));
        latency.note(millis(100), now + millis(100));
        assert!(latency.millis().is_some_and(|known| known > 880.0));
        latency.note(millis(100), now + 10 * DECAY);
        assert!(latency.millis().is_some_and(|known| known < 101.0));
        latency.at_least(millis(50), now + 10 * DECAY);
        assert!(latency.millis().is_some_and(|known| known >= 100.0));
    }
}
