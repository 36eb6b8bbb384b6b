//! Recent outcomes, weighed instead of counted: a share of bad ones is believed as soon as chance no longer explains it, after
//! a handful when all are bad, after dozens when it is a narrow thing. A large and a small team are judged alike.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Outcomes that are remembered. The bound of a share of two thirds lies above a half from 60 outcomes on.
const OUTCOMES_MAX: usize = 64;
/// Standard deviations: 1 in 100 is wrong by chance.
const CONFIDENCE: f64 = 2.33;

/// The last outcomes of one kind, the newest last.
#[derive(Debug, Default)]
pub struct Evidence {
    outcomes: VecDeque<(Instant, bool)>,
}

impl Evidence {
    pub fn add(&mut self, is_bad: bool, now: Instant) {
        if self.outcomes.len() == OUTCOMES_MAX {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back((now, is_bad));
    }

    /// The newest outcome that was thought to be good is bad.
    pub fn correct(&mut self) {
        if let Some((_, is_bad)) = self.outcomes.iter_mut().rev().find(|(_, is_bad)| !is_bad) {
            *is_bad = true;
        }
    }

    pub fn clear(&mut self) {
        self.outcomes.clear();
    }

    /// Forget all but the newest outcomes.
    pub fn keep_newest(&mut self, kept: usize) {
        self.outcomes.drain(..self.outcomes.len().saturating_sub(kept));
    }

    /// Is the share of bad outcomes surely above `share`, among the last `least` or more within `window`? The newest outcomes
    /// may show it alone, however many good ones came before them.
    pub fn shows_more_than(&self, share: f64, least: u32, window: Duration, now: Instant) -> bool {
        let (mut all, mut bad) = (0_u32, 0_u32);
        self.recent(window, now).any(|is_bad| {
            all += 1;
            bad += u32::from(is_bad);
            is_bad && all >= least && lower_bound(bad, all) > share
        })
    }

    /// The share of bad outcomes within `window`, 0 to 1. `None` if there are none.
    pub fn share(&self, window: Duration, now: Instant) -> Option<f64> {
        let (all, bad) = self.recent(window, now).fold((0, 0), |(all, bad), is_bad| (all + 1, bad + u32::from(is_bad)));
        (all > 0).then(|| f64::from(bad) / f64::from(all))
    }

    /// The newest first.
    fn recent(&self, window: Duration, now: Instant) -> impl Iterator<Item = bool> {
        let is_recent = move |at: &Instant| now.saturating_duration_since(*at) <= window;
        self.outcomes.iter().rev().take_while(move |(at, _)| is_recent(at)).map(|(_, is_bad)| *is_bad)
    }
}

/// Wilson's lower bound of a share.
fn lower_bound(part: u32, all: u32) -> f64 {
    let (n, z2) = (f64::from(all.max(1)), CONFIDENCE * CONFIDENCE);
    let share = f64::from(part) / n;
    let spread = CONFIDENCE * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    (share + z2 / (2.0 * n) - spread) / (1.0 + z2 / n)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);

    /// Is more than a half bad, when of each `of` outcomes `bad` are bad?
    fn opens_after(bad: u32, of: u32) -> Option<u32> {
        let now = Instant::now();
        let mut evidence = Evidence::default();
        (0..64).for_each(|_| evidence.add(false, now));
        (1..=200).find(|number| {
            evidence.add(number * bad / of > (number - 1) * bad / of, now);
            evidence.shows_more_than(0.5, 5, WINDOW, now)
        })
    }

    #[test]
    fn the_clearer_it_is_the_fewer_it_takes() {
        assert_eq!(opens_after(1, 1), Some(6), "all are bad");
        assert!(opens_after(6, 7).is_some_and(|count| (7..=20).contains(&count)), "{:?}", opens_after(6, 7));
        assert!(opens_after(7, 10).is_none_or(|count| count > 20), "{:?}", opens_after(7, 10));
        assert_eq!(opens_after(4, 10), None);
    }

    #[test]
    fn what_is_long_ago_says_nothing() {
        let now = Instant::now();
        let mut evidence = Evidence::default();
        (0..20).for_each(|_| evidence.add(true, now));
        assert!(evidence.shows_more_than(0.5, 5, WINDOW, now + WINDOW));
        let later = now + WINDOW + Duration::from_millis(1);
        assert!(!evidence.shows_more_than(0.5, 5, WINDOW, later) && evidence.share(WINDOW, later).is_none());
        assert_eq!(evidence.share(WINDOW, now), Some(1.0));
    }

    /// A small team's target that answers one request in seven, at ten requests a minute.
    #[test]
    fn few_requests_are_enough() {
        let begin = Instant::now();
        let mut evidence = Evidence::default();
        let found = (1..40_u32).find(|number| {
            let now = begin + Duration::from_secs(6) * *number;
            evidence.add(number % 7 != 0, now);
            evidence.shows_more_than(0.5, 5, Duration::from_secs(120), now)
        });
        assert!(found.is_some_and(|number| number <= 12), "{found:?}");
    }
}
