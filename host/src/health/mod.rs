//! What the gateway remembers about targets. Policies read it; the host acts on `Retry-After` by itself.

mod breaker;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use self::breaker::Breaker;
use crate::plugin::bindings::faults::FaultKind;
use crate::plugin::bindings::policy::TargetState;

pub use self::breaker::BreakerSettings;

/// A provider that asks for more patience than this gets this much. An absurd number must not retire a target for ever.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// How long a target rests whose provider says "rate limited" and not for how long.
const RATE_LIMIT_REST: Duration = Duration::from_secs(5);
/// How long a target rests whose key or model the provider refuses: somebody has to change something first.
const REFUSED_REST: Duration = Duration::from_secs(30);
/// Targets remembered. Callers choose model names where a route takes any, so their number must be bounded.
const TARGETS_MAX: usize = 4096;

/// Health of every target, by provider and model. It outlives configurations and plugin versions.
#[derive(Debug, Default)]
pub struct Healths {
    targets: Mutex<HashMap<(String, String), Arc<Health>>>,
}

impl Healths {
    /// The health of this target; a new one is healthy.
    pub fn of(&self, provider: &str, model: &str) -> Arc<Health> {
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (provider.to_owned(), model.to_owned());
        if let Some(health) = targets.get(&key) {
            return Arc::clone(health);
        }
        if targets.len() >= TARGETS_MAX {
            targets.retain(|_, health| Arc::strong_count(health) > 1);
        }
        let health = Arc::new(Health::default());
        if targets.len() < TARGETS_MAX {
            targets.insert(key, Arc::clone(&health));
        }
        health
    }
}

/// One target's health.
#[derive(Debug, Default)]
pub struct Health {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    breaker: Breaker,
    retry_after: Option<Instant>,
    in_flight: u32,
    samples: u32,
    success_rate: Option<f64>,
    first_token_ms: Option<f64>,
}

impl Health {
    /// What a policy sees of it now.
    pub fn view(&self, now: Instant) -> TargetState {
        let state = self.lock();
        let millis =
            |until: Instant| u64::try_from(until.saturating_duration_since(now).as_millis()).unwrap_or(u64::MAX);
        let retry_after_ms = state.retry_after.map_or(0, millis);
        let ready_in_ms = state.breaker.ready_at(now).map_or(0, |at| millis(at).max(1)).max(retry_after_ms);
        TargetState {
            able: true,
            circuit: state.breaker.circuit(now),
            ready_in_ms,
            retry_after_ms,
            samples: state.samples,
            success_rate: state.success_rate.unwrap_or(1.0),
            first_token_ms: state.first_token_ms,
            in_flight: state.in_flight,
            room: None,
            headroom: None,
            price: None,
            warm_ms: None,
        }
    }

    /// An attempt begins. What is returned must hear how it ended; dropped unheard, the caller has left, which says
    /// nothing about the target.
    pub fn begin(self: &Arc<Self>, now: Instant, settings: BreakerSettings) -> Running {
        let mut state = self.lock();
        state.in_flight += 1;
        let probe = state.breaker.begin(now);
        drop(state);
        Running { health: Arc::clone(self), settings, began: now, probe, ended: false }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An attempt that has begun and not ended.
#[derive(Debug)]
pub struct Running {
    health: Arc<Health>,
    settings: BreakerSettings,
    began: Instant,
    probe: bool,
    ended: bool,
}

impl Running {
    /// When the attempt began.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// The first content came (or the whole of a reply that is not streamed).
    pub fn first_token(&self, now: Instant) {
        let elapsed_ms = now.saturating_duration_since(self.began).as_secs_f64() * 1e3;
        let mut state = self.health.lock();
        state.first_token_ms = Some(moved(state.first_token_ms, elapsed_ms));
    }

    /// The reply is complete.
    pub fn succeed(mut self) {
        self.ended = true;
        let mut state = self.health.lock();
        state.breaker.succeed();
        state.retry_after = None;
        state.count(1.0);
    }

    /// The attempt failed. `retry_after` is what the provider asked for.
    pub fn fail(mut self, kind: FaultKind, retry_after: Option<Duration>, now: Instant) {
        self.ended = true;
        let mut state = self.health.lock();
        match blame(kind) {
            Blame::Caller => {
                // The target did its work: it answered.
                state.breaker.release(self.probe);
                return;
            }
            Blame::Target => state.breaker.fail(now, self.settings),
            Blame::Account => {
                state.breaker.release(self.probe);
                let rest = if kind == FaultKind::RateLimited { RATE_LIMIT_REST } else { REFUSED_REST };
                state.breaker.rest(now + retry_after.unwrap_or(rest).min(RETRY_AFTER_MAX));
            }
        }
        if let Some(wait) = retry_after {
            state.retry_after = Some(now + wait.min(RETRY_AFTER_MAX));
        }
        state.count(0.0);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.health.lock();
        state.in_flight = state.in_flight.saturating_sub(1);
        if !self.ended {
            state.breaker.release(self.probe);
        }
    }
}

impl State {
    fn count(&mut self, success: f64) {
        self.samples = self.samples.saturating_add(1);
        self.success_rate = Some(moved(Some(self.success_rate.unwrap_or(1.0)), success));
    }
}

/// An average in which the newest value weighs a fifth.
fn moved(average: Option<f64>, value: f64) -> f64 {
    const WEIGHT: f64 = 0.2;
    average.map_or(value, |average| average + (value - average) * WEIGHT)
}

/// Whose fault a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// This target, as it is now.
    Target,
    /// Our account, key or configuration at this provider.
    Account,
    /// The request.
    Caller,
}

/// See [`Blame`].
pub fn blame(kind: FaultKind) -> Blame {
    match kind {
        FaultKind::Overloaded
        | FaultKind::ServerError
        | FaultKind::Unavailable
        | FaultKind::TimedOut
        | FaultKind::Connection
        | FaultKind::MalformedReply
        | FaultKind::Truncated
        | FaultKind::AdapterFailed => Blame::Target,
        FaultKind::RateLimited
        | FaultKind::QuotaExhausted
        | FaultKind::Authentication
        | FaultKind::Permission
        | FaultKind::ModelNotFound => Blame::Account,
        FaultKind::InvalidRequest
        | FaultKind::ContextTooLong
        | FaultKind::ContentPolicy
        | FaultKind::TooLarge
        | FaultKind::Unsupported
        // Ours: the target was not even asked.
        | FaultKind::Busy => Blame::Caller,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::bindings::policy::Circuit;

    const SETTINGS: BreakerSettings =
        BreakerSettings { faults: 3, out: Duration::from_secs(5), out_max: Duration::from_secs(60) };

    fn fail(health: &Arc<Health>, kind: FaultKind, retry_after: Option<Duration>) {
        let now = Instant::now();
        health.begin(now, SETTINGS).fail(kind, retry_after, now);
    }

    #[tokio::test(start_paused = true)]
    async fn faults_in_a_row_open_the_breaker_and_one_probe_closes_it() {
        let health = Arc::new(Health::default());
        for _ in 0..3 {
            assert_eq!(health.view(Instant::now()).circuit, Circuit::Closed);
            fail(&health, FaultKind::Overloaded, None);
        }
        let view = health.view(Instant::now());
        assert_eq!((view.circuit, view.ready_in_ms, view.retry_after_ms), (Circuit::Open, 5_000, 0));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(health.view(Instant::now()).ready_in_ms, 0);
        let probe = health.begin(Instant::now(), SETTINGS);
        let view = health.view(Instant::now());
        assert_eq!(view.circuit, Circuit::HalfOpen);
        assert!(view.ready_in_ms > 0, "only one probe at a time");
        probe.succeed();
        assert_eq!(health.view(Instant::now()).circuit, Circuit::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_fails_doubles_the_time_and_one_that_is_dropped_does_not() {
        let health = Arc::new(Health::default());
        (0..3).for_each(|_| fail(&health, FaultKind::TimedOut, None));
        tokio::time::advance(Duration::from_secs(5)).await;
        drop(health.begin(Instant::now(), SETTINGS));
        assert_eq!(health.view(Instant::now()).ready_in_ms, 0, "the caller left: the next one may probe");
        fail(&health, FaultKind::TimedOut, None);
        assert_eq!(health.view(Instant::now()).ready_in_ms, 10_000);
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_is_kept_and_capped_and_a_callers_fault_counts_for_nothing() {
        let health = Arc::new(Health::default());
        fail(&health, FaultKind::RateLimited, Some(Duration::from_secs(7)));
        assert_eq!(health.view(Instant::now()).retry_after_ms, 7_000);
        fail(&health, FaultKind::RateLimited, Some(Duration::from_secs(1_000_000)));
        assert_eq!(health.view(Instant::now()).retry_after_ms, 300_000);
        let other = Arc::new(Health::default());
        (0..9).for_each(|_| fail(&other, FaultKind::InvalidRequest, None));
        let view = other.view(Instant::now());
        assert_eq!((view.circuit, view.samples, view.in_flight), (Circuit::Closed, 0, 0));
    }
}
