//! A peak-sensitive average: at once up to a higher value, and slowly down to lower ones, so that a target that becomes slow
//! loses its traffic before an ordinary average would have noticed.

use std::time::Duration;

use tokio::time::Instant;

/// In this time a peak has lost two thirds of its weight.
const DECAY: Duration = Duration::from_secs(10);
/// In this time without news it has lost two thirds of its weight, too.
const FADE: Duration = Duration::from_secs(60);

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
        if self.known.is_none_or(|(known, _)| elapsed.as_secs_f64() * 1e3 > known) {
            self.note(elapsed, now);
        }
    }

    /// What was known is of another time.
    pub fn forget(&mut self) {
        self.known = None;
    }

    /// What is known now. Without news a high value fades towards what is usual: what only traffic can refresh must not keep
    /// traffic away.
    pub fn millis(&self, usual: Option<f64>, now: Instant) -> Option<f64> {
        let (known, at) = self.known?;
        let usual = usual.map_or(0.0, |usual| usual.min(known));
        let kept = (-now.saturating_duration_since(at).div_duration_f64(FADE)).exp();
        let faded = usual + (known - usual) * kept;
        // Too little is left to tell anything.
        (kept > 0.01 || usual > 0.0).then_some(faded)
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
        assert_eq!(latency.millis(None, now), Some(900.0));
        let at = now + millis(100);
        latency.note(millis(100), at);
        assert!(latency.millis(None, at).is_some_and(|known| known > 880.0));
        let at = now + 10 * DECAY;
        latency.note(millis(100), at);
        assert!(latency.millis(None, at).is_some_and(|known| known < 101.0));
        latency.at_least(millis(50), at);
        assert!(latency.millis(None, at).is_some_and(|known| known >= 100.0));
    }

    #[test]
    fn without_news_it_fades_towards_what_is_usual_and_then_to_nothing() {
        let (now, mut latency) = (Instant::now(), Latency::default());
        latency.note(Duration::from_secs(20), now);
        let after = |seconds, usual| latency.millis(usual, now + Duration::from_secs(seconds));
        assert!(after(60, Some(500.0)).is_some_and(|millis| (7_000.0..8_500.0).contains(&millis)));
        assert!(after(600, Some(500.0)).is_some_and(|millis| millis < 510.0));
        assert_eq!(after(600, None), None);
        assert_eq!(after(0, Some(90_000.0)), Some(20_000.0), "what is usual raises nothing");
    }
}
