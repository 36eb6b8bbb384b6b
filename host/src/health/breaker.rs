//! A circuit breaker: closed (traffic flows), open (none does), half-open (one probe is let through).
//!
//! It opens after hard faults in a row, or when too small a share of what was asked lately succeeded. What it says is advice:
//! policies may ask a target whose circuit is open, and do so when no other is left.

use std::time::Duration;

use tokio::time::Instant;

use crate::plugin::bindings::policy::Circuit;

/// While a probe runs, others are told to come back this much later.
const PROBE_PATIENCE: Duration = Duration::from_secs(1);
/// Buckets of the window.
const BUCKETS: usize = 10;

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerSettings {
    /// Hard faults in a row.
    pub faults: u32,
    /// Share of attempts that must succeed within `window`, 0 to 1.
    pub success_rate: f64,
    /// Attempts within `window` below which the share says nothing.
    pub samples: u32,
    pub window: Duration,
    /// Doubles with each probe that fails, up to `out_max`; a fifth of it more or less, by chance, so that gateways that
    /// closed together do not come back together.
    pub out: Duration,
    pub out_max: Duration,
}

/// How an attempt ended, as far as a breaker is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Success,
    /// It counts in the share, and not in the row: a rate limit is no sign of a broken target.
    Soft,
    Hard,
}

/// What a breaker wants to know again when the attempt ends.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    changes: u64,
    probe: bool,
}

#[derive(Debug, Default)]
pub struct Breaker {
    faults: u32,
    /// How often it opened since it was closed for good.
    opened: u32,
    open_until: Option<Instant>,
    /// When it did so first since then.
    opened_at: Option<Instant>,
    /// How often it opened or closed. What began before the last time says nothing about what is now.
    changes: u64,
    probing: bool,
    window: Window,
}

impl Breaker {
    pub fn circuit(&self, now: Instant) -> Circuit {
        match self.open_until {
            None => Circuit::Closed,
            Some(until) if now < until => Circuit::Open,
            Some(_) => Circuit::HalfOpen,
        }
    }

    /// When an attempt is worth while; absent when it is now.
    pub fn ready_at(&self, now: Instant) -> Option<Instant> {
        match self.circuit(now) {
            Circuit::Closed => None,
            Circuit::Open => self.open_until,
            Circuit::HalfOpen => self.probing.then(|| now + PROBE_PATIENCE),
        }
    }

    /// How long ago it opened, however many probes failed since; absent while it is closed.
    pub fn out_since(&self, now: Instant) -> Option<Duration> {
        self.opened_at.map(|at| now.saturating_duration_since(at))
    }

    /// If it is open, it has been so for long enough.
    pub fn half_open(&mut self, now: Instant) {
        if let Some(until) = &mut self.open_until {
            *until = (*until).min(now);
        }
    }

    /// Somebody finds out whether it is well again, or has found that it is not.
    pub fn is_probed(&self, now: Instant) -> bool {
        match self.circuit(now) {
            Circuit::Closed => false,
            Circuit::HalfOpen => self.probing,
            Circuit::Open => true,
        }
    }

    /// An attempt begins: the probe, if it is half-open and none runs.
    pub fn begin(&mut self, now: Instant) -> Begun {
        let probe = self.circuit(now) == Circuit::HalfOpen && !self.probing;
        self.probing |= probe;
        Begun { changes: self.changes, probe }
    }

    /// An attempt ended without a verdict.
    pub fn release(&mut self, begun: Begun) {
        if begun.probe && begun.changes == self.changes {
            self.probing = false;
        }
    }

    /// An attempt ended so. `chance` is a random number.
    pub fn end(&mut self, verdict: Verdict, begun: Begun, now: Instant, settings: &BreakerSettings, chance: u64) {
        self.window.count(verdict == Verdict::Success, now, settings.window);
        if begun.changes != self.changes {
            return;
        }
        if verdict == Verdict::Success {
            self.faults = 0;
            if self.open_until.take().is_some() {
                (self.opened, self.probing) = (0, false);
                self.opened_at = None;
                self.changes += 1;
                self.window = Window::default();
            }
            return;
        }
        self.faults = self.faults.saturating_add(u32::from(verdict == Verdict::Hard));
        let opens = match self.circuit(now) {
            // It was asked although it is out: that proves nothing new.
            Circuit::Open => false,
            Circuit::HalfOpen => true,
            Circuit::Closed => self.faults >= settings.faults || self.window.is_bad(now, settings),
        };
        if opens {
            let out = settings.out.saturating_mul(1 << self.opened.min(16)).min(settings.out_max);
            self.open_until = Some(now + jittered(out, chance));
            self.opened_at.get_or_insert(now);
            self.opened += 1;
            (self.faults, self.probing) = (0, false);
            self.changes += 1;
        }
    }
}

/// Four to six fifths of a time.
fn jittered(time: Duration, chance: u64) -> Duration {
    time.mul_f64(0.8 + 0.4 * (chance >> 11) as f64 / (1_u64 << 53) as f64)
}

/// Attempts and successes of the last while, in buckets that follow each other.
#[derive(Debug, Default)]
pub struct Window {
    buckets: [(u32, u32); BUCKETS],
    began: Option<Instant>,
    /// The number of the newest bucket since `began`.
    newest: u64,
}

impl Window {
    pub fn count(&mut self, success: bool, now: Instant, window: Duration) {
        self.turn(now, window);
        let (all, good) = &mut self.buckets[self.newest as usize % BUCKETS];
        *all = all.saturating_add(1);
        *good = good.saturating_add(u32::from(success));
    }

    /// How many there were.
    pub fn all(&mut self, now: Instant, window: Duration) -> u32 {
        self.turn(now, window);
        self.buckets.iter().map(|(all, _)| *all).fold(0, u32::saturating_add)
    }

    /// Empty the buckets that time has passed by.
    fn turn(&mut self, now: Instant, window: Duration) {
        let began = *self.began.get_or_insert(now);
        let length = (window / BUCKETS as u32).max(Duration::from_millis(1));
        let newest = (now.saturating_duration_since(began).as_millis() / length.as_millis()) as u64;
        for number in self.newest + 1..=newest.min(self.newest + BUCKETS as u64) {
            self.buckets[number as usize % BUCKETS] = (0, 0);
        }
        if newest > self.newest + BUCKETS as u64 {
            self.buckets = Default::default();
        }
        self.newest = self.newest.max(newest);
    }

    fn is_bad(&mut self, now: Instant, settings: &BreakerSettings) -> bool {
        self.turn(now, settings.window);
        let (all, good) = self.buckets.iter().fold((0, 0), |sum, bucket| (sum.0 + bucket.0, sum.1 + bucket.1));
        all >= settings.samples.max(1) && f64::from(good) < settings.success_rate * f64::from(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BREAKER;
    use proptest::prelude::*;

    const MIDDLE: u64 = u64::MAX / 2;

    #[test]
    fn a_bad_share_opens_it_though_no_row_of_faults_is_long() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for number in 0..100 {
            let at = now + Duration::from_millis(number * 10);
            let verdict = if number % 3 == 0 { Verdict::Success } else { Verdict::Soft };
            let begun = breaker.begin(at);
            breaker.end(verdict, begun, at, &BREAKER, MIDDLE);
            if breaker.circuit(at) == Circuit::Open {
                break;
            }
        }
        assert_eq!(breaker.circuit(now + Duration::from_secs(1)), Circuit::Open);
        // The same faults an hour apart are chance.
        let mut breaker = Breaker::default();
        for number in 0..100 {
            let at = now + Duration::from_secs(number * 3600);
            let begun = breaker.begin(at);
            breaker.end(if number % 3 == 0 { Verdict::Success } else { Verdict::Hard }, begun, at, &BREAKER, MIDDLE);
            assert_eq!(breaker.circuit(at), Circuit::Closed);
        }
    }

    #[test]
    fn what_began_before_says_nothing_about_what_is_now() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        let early = breaker.begin(now);
        for _ in 0..BREAKER.faults {
            let begun = breaker.begin(now);
            breaker.end(Verdict::Hard, begun, now, &BREAKER, MIDDLE);
        }
        assert_eq!(breaker.circuit(now), Circuit::Open);
        breaker.end(Verdict::Success, early, now, &BREAKER, MIDDLE);
        assert_eq!(breaker.circuit(now), Circuit::Open, "a success that began before it opened");
        let out = breaker.begin(now);
        let later = now + BREAKER.out_max;
        let probe = breaker.begin(later);
        assert!(probe.probe);
        breaker.end(Verdict::Success, probe, later, &BREAKER, MIDDLE);
        assert_eq!(breaker.circuit(later), Circuit::Closed);
        for _ in 0..2 * BREAKER.faults {
            breaker.end(Verdict::Hard, out, later, &BREAKER, MIDDLE);
        }
        assert_eq!(breaker.circuit(later), Circuit::Closed, "faults that began before it closed");
    }

    #[derive(Clone, Copy, Debug)]
    enum Act {
        Begin,
        End(Verdict),
        Leave,
        Wait(u64),
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever happens: of all attempts that begin while it is half-open one at most is the probe, it is never out for
        /// longer than its settings say, and a success that began after it opened always closes it.
        #[test]
        fn holds_its_promises(acts in prop::collection::vec(prop_oneof![
            3 => Just(Act::Begin),
            2 => prop_oneof![Just(Verdict::Success), Just(Verdict::Soft), Just(Verdict::Hard)].prop_map(Act::End),
            1 => Just(Act::Leave),
            1 => (0_u64..40_000).prop_map(Act::Wait),
        ], 1..200), chance in any::<u64>()) {
            let mut now = Instant::now();
            let mut breaker = Breaker::default();
            let mut running: Vec<Begun> = Vec::new();
            for act in acts {
                match act {
                    Act::Begin => running.push(breaker.begin(now)),
                    Act::End(verdict) => if let Some(begun) = running.pop() {
                        let is_new = begun.changes == breaker.changes;
                        breaker.end(verdict, begun, now, &BREAKER, chance);
                        if verdict == Verdict::Success && is_new {
                            prop_assert_eq!(breaker.circuit(now), Circuit::Closed);
                        }
                    },
                    Act::Leave => if let Some(begun) = running.pop() {
                        breaker.release(begun);
                    },
                    Act::Wait(millis) => now += Duration::from_millis(millis),
                }
                let probes = running.iter().filter(|begun| begun.probe && begun.changes == breaker.changes).count();
                prop_assert!(probes <= 1);
                if let Some(until) = breaker.open_until {
                    prop_assert!(until <= now + BREAKER.out_max.mul_f64(1.2));
                }
            }
        }
    }
}
