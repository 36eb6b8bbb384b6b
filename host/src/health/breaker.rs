//! A circuit breaker: closed (traffic flows), open (none does), half-open (one probe is let through).
//!
//! It opens after hard faults in a row, when the recent outcomes show that too few attempts succeed, when the target fell silent,
//! and when the recent attempts show that it has become far slower than it was. What it says is advice: policies may ask a target
//! whose circuit is open, and do so when no other is left.

use std::time::Duration;

use tokio::time::Instant;

use super::evidence::Evidence;
use crate::plugin::bindings::policy::Circuit;

/// While a probe runs, others are told to come back this much later.
pub const PROBE_PATIENCE: Duration = Duration::from_secs(1);
/// A target whose circuit stayed closed for so long has recovered: the next trouble is a new one.
const STABLE: Duration = Duration::from_secs(60);
/// More than this share of recent attempts being slow is no chance.
const SLOW_SHARE: f64 = 0.45;
/// With fewer attempts slowness says nothing. Five slow ones in a row are the least that the evidence takes.
const SLOW_SAMPLES: u32 = 5;
/// `SLOW_SHARE` and `SLOW_SAMPLES` while another model of the same provider is slow or silent: two slow attempts in a row open the
/// circuit, because models of one provider usually fail together.
const SLOW_SHARE_SUSPECTED: f64 = 0.25;
const SLOW_SAMPLES_SUSPECTED: u32 = 2;
/// For so long after its circuit closed a model is judged by its own attempts alone.
const FOUND_WELL: Duration = Duration::from_secs(10);

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerSettings {
    /// Hard faults in a row.
    pub faults: u32,
    /// Share of attempts that must succeed within `window`, 0 to 1.
    pub success_rate: f64,
    /// Attempts below which the share says nothing. Above it, a share is believed when chance does not explain it.
    pub samples: u32,
    pub window: Duration,
    /// Doubles with each probe that fails, and when it opens again soon after it closed, up to `out_max`; a fifth of it more or
    /// less, by chance, so that gateways that closed together do not come back together.
    pub out: Duration,
    pub out_max: Duration,
    /// A probe runs beside a request that another target answers, so that it costs no caller anything but its tokens.
    pub shadow_probes: bool,
}

/// Where it was only slow, or opened again soon after it had closed, so many attempts in a row must be good before it closes: of a
/// slow target's replies, too, one in ten is quick, and of one that fails seven in ten three succeed.
const QUICK_TO_CLOSE: u32 = 2;
/// Outcomes that are kept then. More would open it again at the first slow attempt, of which a healthy target has one in twenty.
const SLOW_KEPT: usize = 8;

/// How an attempt ended, as far as a breaker is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Success,
    /// It counts in the share, and not in the row: a rate limit is no sign of a broken target.
    Soft,
    Hard,
}

/// Why a circuit opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reason {
    #[default]
    Faults,
    /// No call showed any progress.
    Silent,
    /// It takes far longer to the first content than it used to.
    Slow,
    /// Its streams run far slower than they used to.
    SlowStreams,
}

impl Reason {
    /// It answers, and is only slow: there is no reason to avoid it where no other is better.
    pub fn is_soft(self) -> bool {
        matches!(self, Reason::Slow | Reason::SlowStreams)
    }
}

/// What a breaker wants to know again when the attempt ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct Begun {
    changes: u64,
    /// The number of the probe, if it is one.
    probe: Option<u64>,
}

/// What decides besides the breaker's own state. `chance` is a random number.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    pub now: Instant,
    pub settings: &'a BreakerSettings,
    pub chance: u64,
    /// Another model of the provider is slow or silent.
    pub is_suspected: bool,
}

#[derive(Debug, Default)]
pub struct Breaker {
    faults: u32,
    /// How often it opened since it was closed for good.
    opened: u32,
    open_until: Option<Instant>,
    reason: Reason,
    /// When it opened first since it was closed, and when it was closed last.
    opened_at: Option<Instant>,
    closed_at: Option<Instant>,
    /// How often it opened or closed. What began before the last time says nothing about what is now.
    changes: u64,
    /// The probe that runs.
    probing: Option<u64>,
    /// How many probes there have been.
    probes: u64,
    /// It opened again soon after it had closed: one success in a row shows nothing.
    has_flapped: bool,
    /// Good attempts in a row since it opened.
    quick: u32,
    outcomes: Evidence,
    /// Of these and the next the newest are kept while it opens and closes because it is slow: after a close by chance it takes
    /// three slow attempts to open it again, not five.
    slow: Evidence,
    slow_streams: Evidence,
}

impl Breaker {
    pub fn circuit(&self, now: Instant) -> Circuit {
        match self.open_until {
            None => Circuit::Closed,
            Some(until) if now < until => Circuit::Open,
            Some(_) => Circuit::HalfOpen,
        }
    }

    /// Why it is not closed. `None` if it is.
    pub fn reason(&self) -> Option<Reason> {
        self.open_until.map(|_| self.reason)
    }

    /// When an attempt is worth while; absent when it is now.
    pub fn ready_at(&self, now: Instant) -> Option<Instant> {
        match self.circuit(now) {
            Circuit::Closed => None,
            Circuit::Open => self.open_until,
            Circuit::HalfOpen => self.probing.map(|_| now + PROBE_PATIENCE),
        }
    }

    /// How long ago it opened, however many probes failed since; absent while it is closed.
    pub fn out_since(&self, now: Instant) -> Option<Duration> {
        self.opened_at.map(|at| now.saturating_duration_since(at))
    }

    /// Share of recent attempts that were slow, 0 to 1. `None` if there are none.
    pub fn slow_share(&self, window: Duration, now: Instant) -> Option<f64> {
        self.slow.share(window, now)
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
            Circuit::HalfOpen => self.probing.is_some(),
            Circuit::Open => true,
        }
    }

    /// An attempt begins: the probe, if it is half-open and none runs.
    pub fn begin(&mut self, now: Instant) -> Begun {
        let is_probe = self.circuit(now) == Circuit::HalfOpen && self.probing.is_none();
        if !is_probe {
            return Begun { changes: self.changes, probe: None };
        }
        self.probes += 1;
        self.probing = Some(self.probes);
        Begun { changes: self.changes, probe: self.probing }
    }

    /// An attempt ended without a verdict. A probe that has made way for another one already ends nothing.
    pub fn release(&mut self, begun: Begun) {
        if begun.probe.is_some() && begun.probe == self.probing {
            self.probing = None;
        }
    }

    /// An attempt waits for far longer than is usual. It counts as slow, however it ends.
    pub fn waits_long(&mut self, begun: Begun, moment: Moment<'_>) {
        if begun.changes != self.changes {
            return;
        }
        self.slow.add(true, moment.now);
        match self.circuit(moment.now) {
            Circuit::HalfOpen if begun.probe.is_some() && self.reason.is_soft() => self.open(Reason::Slow, moment),
            Circuit::Closed => self.open_if_slow(moment),
            Circuit::HalfOpen | Circuit::Open => {}
        }
    }

    /// An attempt showed its first content. `is_slow` if that took far longer than is usual; `is_stream` if more is to come.
    pub fn content(&mut self, is_slow: bool, is_stream: bool, begun: Begun, moment: Moment<'_>) {
        if begun.changes != self.changes {
            return;
        }
        self.outcomes.add(false, moment.now);
        let is_soft = self.reason.is_soft();
        match self.circuit(moment.now) {
            Circuit::Closed if is_slow => self.open_if_slow(moment),
            Circuit::Closed => self.slow.add(false, moment.now),
            Circuit::HalfOpen if is_soft && is_slow && begun.probe.is_some() => self.open(Reason::Slow, moment),
            Circuit::HalfOpen | Circuit::Open if is_soft && is_slow => self.quick = 0,
            // Its pace is to be seen yet.
            Circuit::HalfOpen | Circuit::Open if self.reason == Reason::SlowStreams && is_stream => {}
            Circuit::HalfOpen | Circuit::Open if is_soft => {
                self.slow.add(false, moment.now);
                self.was_quick(begun, moment.now);
            }
            Circuit::HalfOpen | Circuit::Open if self.has_flapped => self.was_quick(begun, moment.now),
            Circuit::HalfOpen | Circuit::Open => self.close(moment.now),
        }
    }

    /// A stream ran for a while, far slower than is usual or not.
    pub fn pace(&mut self, is_slow: bool, begun: Begun, moment: Moment<'_>) {
        if begun.changes != self.changes {
            return;
        }
        self.slow_streams.add(is_slow, moment.now);
        let is_its_reason = self.reason == Reason::SlowStreams;
        match self.circuit(moment.now) {
            Circuit::Closed => self.open_if_slow(moment),
            Circuit::HalfOpen if is_its_reason && is_slow && begun.probe.is_some() => {
                self.open(Reason::SlowStreams, moment)
            }
            Circuit::HalfOpen | Circuit::Open if is_its_reason && !is_slow => self.was_quick(begun, moment.now),
            Circuit::HalfOpen | Circuit::Open => {}
        }
    }

    /// An attempt was good, at a target that must show more than one.
    fn was_quick(&mut self, begun: Begun, now: Instant) {
        self.quick += 1;
        if self.quick >= QUICK_TO_CLOSE {
            self.close(now);
        } else {
            self.release(begun);
        }
    }

    fn open_if_slow(&mut self, moment: Moment<'_>) {
        let Moment { now, settings, .. } = moment;
        // Models that have just been found well would else keep one another out.
        let is_new = self.closed_at.is_none_or(|at| now.saturating_duration_since(at) > FOUND_WELL);
        let (share, samples) = match moment.is_suspected && is_new {
            true => (SLOW_SHARE_SUSPECTED, SLOW_SAMPLES_SUSPECTED),
            false => (SLOW_SHARE, SLOW_SAMPLES),
        };
        let shows = |evidence: &Evidence| evidence.shows_more_than(share, samples, settings.window, now);
        if shows(&self.slow) {
            self.open(Reason::Slow, moment);
        } else if shows(&self.slow_streams) {
            self.open(Reason::SlowStreams, moment);
        }
    }

    /// None of its calls shows any progress.
    pub fn silent(&mut self, moment: Moment<'_>) {
        if self.reason().is_none_or(Reason::is_soft) {
            self.open(Reason::Silent, moment);
        }
    }

    /// Did this attempt begin after the circuit opened or closed last?
    pub fn is_current(&self, begun: Begun) -> bool {
        begun.changes == self.changes
    }

    /// An attempt ended so. `had_content` if it had shown some before.
    pub fn end(&mut self, verdict: Verdict, had_content: bool, begun: Begun, moment: Moment<'_>) {
        if begun.changes != self.changes {
            return;
        }
        if verdict == Verdict::Success {
            self.faults = 0;
            // A stream that was too short to show its pace, where that was to be seen.
            self.release(begun);
            return;
        }
        if had_content {
            self.outcomes.correct();
        } else {
            self.outcomes.add(true, moment.now);
        }
        self.faults = self.faults.saturating_add(u32::from(verdict == Verdict::Hard));
        let opens = match self.circuit(moment.now) {
            Circuit::HalfOpen if begun.probe.is_some() || !self.reason.is_soft() => true,
            // It was asked although it is out: that proves nothing new.
            Circuit::Open if !self.reason.is_soft() => false,
            // Where no other is better, who is merely slow goes on, and can become worse.
            Circuit::HalfOpen | Circuit::Open | Circuit::Closed => {
                self.faults >= moment.settings.faults || self.fails_too_often(moment)
            }
        };
        if opens {
            self.open(Reason::Faults, moment);
        }
    }

    fn fails_too_often(&self, Moment { now, settings, .. }: Moment<'_>) -> bool {
        self.outcomes.shows_more_than(1.0 - settings.success_rate, settings.samples, settings.window, now)
    }

    fn open(&mut self, reason: Reason, Moment { now, settings, chance, .. }: Moment<'_>) {
        if self.opened_at.is_none() {
            let was_stable = self.closed_at.is_none_or(|at| now.saturating_duration_since(at) > STABLE);
            self.opened = if was_stable { 0 } else { self.opened };
            self.has_flapped = !was_stable;
        }
        let out = settings.out.saturating_mul(1 << self.opened.min(16)).min(settings.out_max);
        self.open_until = Some(now + jittered(out, chance));
        self.reason = reason;
        self.quick = 0;
        self.opened_at.get_or_insert(now);
        self.opened += 1;
        self.change();
    }

    fn close(&mut self, now: Instant) {
        (self.open_until, self.opened_at, self.closed_at) = (None, None, Some(now));
        self.change();
    }

    fn change(&mut self) {
        (self.faults, self.probing) = (0, None);
        self.changes += 1;
        self.outcomes.clear();
        let kept = if self.reason.is_soft() { SLOW_KEPT } else { 0 };
        self.slow.keep_newest(kept);
        self.slow_streams.keep_newest(kept);
    }
}

/// Four to six fifths of a time.
fn jittered(time: Duration, chance: u64) -> Duration {
    time.mul_f64(0.8 + 0.4 * (chance >> 11) as f64 / (1_u64 << 53) as f64)
}

#[cfg(test)]
mod tests;
