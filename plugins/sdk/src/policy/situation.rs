//! What policies ask of a situation. A position that does not exist is a target that cannot serve: nothing here panics.

use super::hash::mix;
use super::{Situation, TargetState};

/// With fewer, a target's success rate says little.
const SAMPLES_MIN: u32 = 5;

impl Situation {
    /// The positions of all targets, in the configured order.
    pub fn in_order(&self) -> Vec<usize> {
        (0..self.targets.len()).collect()
    }

    /// Can this target serve the request at all?
    pub fn is_able(&self, target: usize) -> bool {
        self.targets.get(target).is_some_and(|state| state.able)
    }

    /// Could an attempt begin here at once, without waiting for anything?
    pub fn is_free(&self, target: usize) -> bool {
        self.targets.get(target).is_some_and(|state| state.able && state.is_ready() && !state.is_full())
    }

    /// Attempts of this request that failed at this target.
    pub fn tried(&self, target: usize) -> usize {
        self.history.iter().filter(|attempt| attempt.target as usize == target).count()
    }

    /// Does an attempt of this request run at this target?
    pub fn runs_at(&self, target: usize) -> bool {
        self.running.iter().any(|attempt| attempt.target as usize == target)
    }

    /// Does the attempt that runs at this target take longer than is usual there, as the host has learned it?
    pub fn is_late(&self, target: usize) -> bool {
        let late = self.attributes.iter().find(|attribute| attribute.name == "late");
        late.is_some_and(|late| late.value.split(',').any(|number| number.parse() == Ok(target)))
    }

    /// A random number that differs after each attempt; `random` is one for the whole request.
    pub fn dice(&self) -> u64 {
        mix(self.random, self.history.len() as u64)
    }
}

impl TargetState {
    /// A number that the host tells in an attribute, such as `first-token-p95-ms`. `None` if it is not known.
    pub fn number(&self, name: &str) -> Option<f64> {
        let attribute = self.attributes.iter().find(|attribute| attribute.name == name)?;
        attribute.value.parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// Neither breaker nor provider stands in the way.
    pub fn is_ready(&self) -> bool {
        self.ready_in_ms == 0 && self.retry_after_ms == 0
    }

    /// A further attempt would wait in the host's queue.
    pub fn is_full(&self) -> bool {
        self.room == Some(0)
    }

    /// Does it succeed often enough, as far as one can tell?
    pub fn is_healthy(&self, min_success_rate: f64) -> bool {
        self.samples < SAMPLES_MIN || self.success_rate >= min_success_rate
    }
}
