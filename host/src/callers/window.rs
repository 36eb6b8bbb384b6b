//! How much was used in the span of time that ends now. It moves with the time: in no span is more used than the limit,
//! which a bucket that starts full would allow twice over.

use std::time::Duration;

use tokio::time::Instant;

/// The span is cut into so many parts; what was used in one of them leaves the window at once.
const PARTS: usize = 60;

/// See the module.
#[derive(Debug)]
pub struct Window {
    part: Duration,
    /// The newest is not over yet: hence one more, so that the window is never shorter than its span.
    used: [u64; PARTS + 1],
    began: Option<Instant>,
    /// Number of the newest part, counted from the beginning.
    newest: u64,
}

/// The part in which something was used. Later it may turn out to have been more, or less.
#[derive(Clone, Copy, Debug, Default)]
pub struct Part(u64);

impl Window {
    pub fn new(span: Duration) -> Window {
        Window { part: span / PARTS as u32, used: [0; PARTS + 1], began: None, newest: 0 }
    }

    /// May so much be used now? More than the limit as a whole may, when nothing else was.
    ///
    /// # Errors
    /// How long to wait until it may, if nothing else is used until then.
    pub fn fits(&mut self, amount: u64, limit: u64, now: Instant) -> Result<(), Duration> {
        self.turn(now);
        let began = self.began.unwrap_or(now);
        let mut sum = self.used.iter().fold(0_u64, |sum, used| sum.saturating_add(*used));
        let fits = |sum: u64| sum == 0 || sum.saturating_add(amount) <= limit;
        if fits(sum) {
            return Ok(());
        }
        let oldest = self.newest.saturating_sub(PARTS as u64);
        for number in oldest..=self.newest {
            sum = sum.saturating_sub(self.used[place(number)]);
            if fits(sum) {
                let leaves = began
                    + self.part.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX))
                    + self.part * (PARTS as u32 + 1);
                return Err(leaves.saturating_duration_since(now));
            }
        }
        // All of it has left by then.
        Err(self.part * (PARTS as u32 + 1))
    }

    pub fn add(&mut self, amount: u64, now: Instant) -> Part {
        self.turn(now);
        let used = &mut self.used[place(self.newest)];
        *used = used.saturating_add(amount);
        Part(self.newest)
    }

    /// What was thought to be `from` was `to`.
    pub fn correct(&mut self, part: Part, from: u64, to: u64, now: Instant) {
        self.turn(now);
        if part.0 + (PARTS as u64) < self.newest {
            // It has left the window.
            return;
        }
        let used = &mut self.used[place(part.0)];
        *used = used.saturating_sub(from).saturating_add(to);
    }

    /// The parts that have passed are emptied.
    fn turn(&mut self, now: Instant) {
        let began = *self.began.get_or_insert(now);
        let newest = now.saturating_duration_since(began).as_nanos() / self.part.as_nanos().max(1);
        let newest = u64::try_from(newest).unwrap_or(u64::MAX);
        let passed = newest.saturating_sub(self.newest).min(PARTS as u64 + 1);
        for number in newest - passed..newest {
            self.used[place(number + 1)] = 0;
        }
        self.newest = self.newest.max(newest);
    }
}

fn place(number: u64) -> usize {
    (number % (PARTS as u64 + 1)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: Duration = Duration::from_secs(60);

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// In no minute is more used than the limit, and whoever waits as long as was said gets through.
        #[test]
        fn in_no_span_is_more_used_than_the_limit(
            acts in prop::collection::vec((0_u64..9_000, 1_u64..40), 1..200),
            limit in 40_u64..100,
        ) {
            let (mut now, mut window) = (Instant::now(), Window::new(MINUTE));
            let mut used: Vec<(Instant, u64)> = Vec::new();
            for (millis, amount) in acts {
                now += Duration::from_millis(millis);
                if let Err(wait) = window.fits(amount, limit, now) {
                    prop_assert!(wait > Duration::ZERO && wait <= MINUTE + Duration::from_secs(1));
                    prop_assert!(window.fits(amount, limit, now + wait - Duration::from_millis(1)).is_err());
                    now += wait;
                    prop_assert_eq!(window.fits(amount, limit, now), Ok(()));
                }
                window.add(amount, now);
                used.push((now, amount));
                let lately = used.iter().filter(|(at, _)| now.saturating_duration_since(*at) < MINUTE);
                prop_assert!(lately.map(|(_, amount)| amount).sum::<u64>() <= limit);
            }
        }
    }

    #[test]
    fn what_turns_out_to_be_less_makes_room_and_what_is_more_takes_it() {
        let (now, mut window) = (Instant::now(), Window::new(MINUTE));
        let part = window.add(100, now);
        assert!(window.fits(1, 100, now).is_err());
        window.correct(part, 100, 20, now);
        assert_eq!(window.fits(80, 100, now), Ok(()));
        window.correct(part, 20, 500, now);
        assert_eq!(window.fits(1, 100, now), Err(Duration::from_secs(61)));
        let later = now + Duration::from_secs(61);
        assert_eq!(window.fits(100, 100, later), Ok(()));
        window.correct(part, 500, 0, later);
        assert_eq!(window.fits(100, 100, later), Ok(()), "what has left takes nothing along");
    }

    #[test]
    fn more_than_the_limit_gets_through_when_nothing_else_was_used() {
        let (now, mut window) = (Instant::now(), Window::new(MINUTE));
        assert_eq!(window.fits(1_000, 100, now), Ok(()));
        window.add(1, now);
        assert!(window.fits(1_000, 100, now).is_err());
    }
}
