//! A circuit breaker: closed (traffic flows), open (none does), half-open (one probe is let through).

use std::time::Duration;

use tokio::time::Instant;

use crate::plugin::bindings::policy::Circuit;

/// While a probe runs, others are told to come back this much later.
const PROBE_PATIENCE: Duration = Duration::from_secs(1);

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Faults in a row.
    pub faults: u32,
    /// Doubles with each probe that fails, up to `out_max`.
    pub out: Duration,
    pub out_max: Duration,
}

#[derive(Debug, Default)]
pub struct Breaker {
    faults: u32,
    /// How often it opened since the last success.
    opened: u32,
    open_until: Option<Instant>,
    probing: bool,
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

    /// An attempt begins. True if it is the probe.
    pub fn begin(&mut self, now: Instant) -> bool {
        let probe = self.circuit(now) == Circuit::HalfOpen && !self.probing;
        self.probing |= probe;
        probe
    }

    /// The probe ended without a verdict.
    pub fn release(&mut self, probe: bool) {
        if probe {
            self.probing = false;
        }
    }

    pub fn succeed(&mut self) {
        *self = Breaker::default();
    }

    pub fn fail(&mut self, now: Instant, settings: BreakerSettings) {
        self.faults += 1;
        let half_open = self.circuit(now) == Circuit::HalfOpen;
        let opens = half_open || (self.open_until.is_none() && self.faults >= settings.faults);
        self.probing = false;
        if opens {
            let out = settings.out.saturating_mul(1 << self.opened.min(16)).min(settings.out_max);
            self.open_until = Some(now + out);
            self.opened += 1;
        }
    }

    /// Open until then, whatever the number of faults: the account must rest.
    pub fn rest(&mut self, until: Instant) {
        self.open_until = Some(self.open_until.map_or(until, |already| already.max(until)));
    }
}
