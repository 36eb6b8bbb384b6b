//! What the gateway remembers about targets, keys and conversations. Policies read it; the host itself acts on
//! `Retry-After`, on limits and on budgets.

mod admission;
mod affinity;
mod breaker;
mod budget;
mod headroom;
mod latency;
mod rests;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::header::HeaderMap;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use self::affinity::Affinity;
use self::breaker::{Begun, Breaker, Verdict, Window};
use self::headroom::Headroom;
use self::latency::Latency;
use self::rests::Rests;
use crate::plugin::bindings::faults::FaultKind;
use crate::plugin::bindings::policy::{Circuit, TargetState};
use crate::plugin::bindings::provider::RateLimit;

pub use self::admission::{Admission, AdmissionSettings, Busy, Permit};
pub use self::breaker::BreakerSettings;
pub use self::budget::{Budget, BudgetSettings};
pub use self::headroom::wait as read_wait;
pub use self::rests::KeyId;

/// A provider that asks for more patience than this gets this much. An absurd number must not retire a target for ever.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// How long a key rests whose provider says "rate limited" and not for how long.
const RATE_LIMIT_REST: Duration = Duration::from_secs(5);
/// How long a key rests at first that the provider refuses, or for this model: somebody has to change something.
const REFUSED_REST: Duration = Duration::from_secs(30);
/// For how long policies are told how often a target was asked.
const LATELY: Duration = Duration::from_secs(300);
/// Targets remembered. Callers choose model names where a route takes any, so their number must be bounded.
const TARGETS_MAX: usize = 4096;

/// Health of every target, by provider and model. It outlives configurations and plugin versions.
#[derive(Debug, Default)]
pub struct Healths {
    targets: Mutex<HashMap<(String, String), Arc<Health>>>,
    providers: Mutex<HashMap<String, Arc<Mutex<Rests>>>>,
    affinity: Mutex<Affinity>,
    /// Of all routes together.
    hedges: Mutex<Budget>,
}

impl Healths {
    /// The provider's targets whose circuit is open, in no order.
    pub fn out(&self, provider: &str, now: Instant) -> Vec<Arc<Health>> {
        let targets = locked(&self.targets);
        let of_it = targets.iter().filter(|((of, _), _)| of == provider).map(|(_, health)| health);
        of_it.filter(|health| health.lock().breaker.circuit(now) == Circuit::Open).map(Arc::clone).collect()
    }

    /// A request arrived.
    pub fn request(&self, now: Instant) {
        locked(&self.hedges).request(now);
    }

    /// May a second attempt run beside the first? If so, it is counted.
    pub fn may_hedge(&self, settings: BudgetSettings, now: Instant) -> bool {
        locked(&self.hedges).take(now, settings)
    }

    /// The health of this target; a new one is healthy.
    pub fn of(&self, provider: &str, model: &str) -> Arc<Health> {
        let mut targets = locked(&self.targets);
        let key = (provider.to_owned(), model.to_owned());
        if let Some(health) = targets.get(&key) {
            return Arc::clone(health);
        }
        if targets.len() >= TARGETS_MAX {
            targets.retain(|_, health| Arc::strong_count(health) > 1);
        }
        let keys = Arc::clone(locked(&self.providers).entry(provider.to_owned()).or_default());
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let health = Health { name: hasher.finish(), keys, ..Health::default() };
        let health = Arc::new(health);
        if targets.len() < TARGETS_MAX {
            targets.insert(key, Arc::clone(&health));
        }
        health
    }

    /// The target answered this conversation.
    pub fn answered(&self, health: &Health, conversation: u64, now: Instant) {
        if conversation != 0 {
            locked(&self.affinity).note(conversation, health.name, now);
        }
    }

    /// How long ago it last did.
    pub fn warm_since(&self, health: &Health, conversation: u64, now: Instant) -> Option<Duration> {
        locked(&self.affinity).since(conversation, health.name, now)
    }
}

/// What a key, or the name of an account, is remembered by.
pub fn key_id(key: &str) -> KeyId {
    let digest = Sha256::digest(key);
    digest.iter().take(8).fold(0, |id, byte| id << 8 | u64::from(*byte))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One target's health.
#[derive(Debug, Default)]
pub struct Health {
    /// A digest of its own.
    name: u64,
    state: Mutex<State>,
    /// Which of the provider's keys rest, whatever the model.
    keys: Arc<Mutex<Rests>>,
    retries: Mutex<Budget>,
    pub admission: Arc<Admission>,
}

#[derive(Debug, Default)]
struct State {
    breaker: Breaker,
    retry_after: Option<Instant>,
    /// Which keys rest for this model.
    keys: Rests,
    lately: Window,
    success_rate: Option<f64>,
    /// Of streams, and of whole replies.
    first_token: Latency,
    whole: Latency,
    headroom: Headroom,
    /// Counts attempts, so that keys take turns.
    turn: usize,
}

impl Health {
    /// What a policy sees of it now, if it can be asked with these keys.
    pub fn view(&self, keys: &[KeyId], limits: AdmissionSettings, streamed: bool, now: Instant) -> TargetState {
        let (in_flight, room) = (self.admission.in_flight(), self.admission.room(limits, now));
        let mut state = self.lock();
        let provider = locked(&self.keys);
        // Rounded up: who waits so long has waited long enough.
        let millis = |until: Instant| {
            let nanos = until.saturating_duration_since(now).as_nanos();
            u64::try_from(nanos.div_ceil(1_000_000)).unwrap_or(u64::MAX).max(1)
        };
        let rest = |key: &KeyId| later(state.keys.of(*key, now), provider.of(*key, now));
        let soonest = keys.iter().map(rest).min_by_key(|rest| rest.map(|(until, _)| until)).flatten();
        let told = state.retry_after.filter(|until| *until > now).map(millis).unwrap_or(0);
        let asked = soonest.filter(|(_, asked)| *asked).map_or(0, |(until, _)| millis(until));
        let retry_after_ms = told.max(asked);
        let rests_ms = soonest.map_or(0, |(until, _)| millis(until));
        let (first_token, whole) = (state.first_token.millis(), state.whole.millis());
        let (latency, other) = if streamed { (first_token, whole) } else { (whole, first_token) };
        TargetState {
            able: true,
            circuit: state.breaker.circuit(now),
            ready_in_ms: state.breaker.ready_at(now).map_or(0, millis).max(retry_after_ms).max(rests_ms),
            retry_after_ms,
            samples: state.lately.all(now, LATELY),
            success_rate: state.success_rate.unwrap_or(1.0),
            first_token_ms: latency.or(other),
            in_flight,
            room,
            headroom: state.headroom.now(now),
            price: None,
            warm_ms: None,
        }
    }

    /// It was out for a while, and one attempt that runs finds out whether it is well again.
    pub fn is_probed(&self, now: Instant) -> bool {
        self.lock().breaker.is_probed(now)
    }

    /// There is a sign that it is well again: the next attempt may find out.
    pub fn seems_well(&self, now: Instant) {
        self.lock().breaker.half_open(now);
    }

    /// The first attempt of a request will be made here.
    pub fn asked_first(&self, now: Instant) {
        locked(&self.retries).request(now);
    }

    /// May an attempt that is not its request's first be made here? Where all is well, always: that is what a backup is for.
    /// A target in trouble gets only so many more than its own first attempts, because retries are how trouble grows.
    pub fn may_retry(&self, settings: BudgetSettings, breaker: &BreakerSettings, now: Instant) -> bool {
        let state = self.lock();
        let rate = state.success_rate.unwrap_or(1.0);
        let is_well = state.breaker.circuit(now) == Circuit::Closed && rate >= breaker.success_rate;
        drop(state);
        is_well || locked(&self.retries).take(now, settings)
    }

    /// An attempt begins, with one of these keys: they take turns, and those that rest come last. What is returned must
    /// hear how it ended; dropped unheard, the caller has left, which says nothing about the target. `chance` is random.
    pub fn begin(
        self: &Arc<Self>,
        permit: Permit,
        keys: &[KeyId],
        settings: BreakerSettings,
        chance: u64,
        now: Instant,
    ) -> Running {
        let mut state = self.lock();
        let provider = locked(&self.keys);
        state.turn = state.turn.wrapping_add(1);
        let turn = state.turn;
        let rest = |key: KeyId| later(state.keys.of(key, now), provider.of(key, now)).map(|(until, _)| until);
        let in_turn = (0..keys.len()).map(|step| (turn + step) % keys.len());
        let key_at = in_turn.min_by_key(|at| rest(keys[*at])).unwrap_or(0);
        drop(provider);
        let begun = state.breaker.begin(now);
        drop(state);
        let key = keys.get(key_at).copied().unwrap_or(0);
        Running {
            health: Arc::clone(self),
            _permit: permit,
            settings,
            chance,
            began: now,
            begun,
            key,
            key_at,
            ended: false,
        }
    }

    /// Another attempt was faster: it would have taken longer than this.
    ///
    /// The attempt itself says nothing more, because it was cancelled.
    pub fn outrun(&self, elapsed: Duration, now: Instant) {
        self.lock().first_token.at_least(elapsed, now);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

/// The longer of two rests.
fn later(a: Option<(Instant, bool)>, b: Option<(Instant, bool)>) -> Option<(Instant, bool)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.max(b.0), a.1 || b.1)),
        (a, b) => a.or(b),
    }
}

/// An attempt that has begun and not ended.
#[derive(Debug)]
pub struct Running {
    health: Arc<Health>,
    _permit: Permit,
    settings: BreakerSettings,
    chance: u64,
    began: Instant,
    begun: Begun,
    key: KeyId,
    key_at: usize,
    ended: bool,
}

impl Running {
    /// When the attempt began.
    pub fn began(&self) -> Instant {
        self.began
    }

    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The position of the key to use.
    pub fn key_at(&self) -> usize {
        self.key_at
    }

    /// The first content of a stream came, or the whole of a reply that is not streamed.
    pub fn content(&self, streamed: bool, now: Instant) {
        let elapsed = now.saturating_duration_since(self.began);
        let mut state = self.health.lock();
        match streamed {
            true => state.first_token.note(elapsed, now),
            false => state.whole.note(elapsed, now),
        }
    }

    /// The reply's headers tell of the provider's limits. How long those that are used up will be so.
    pub fn limits(&self, headers: &HeaderMap, limits: &[RateLimit], unix: Duration, now: Instant) -> Option<Duration> {
        let told = headroom::read(headers, limits, unix);
        let mut state = self.health.lock();
        state.headroom.note(told, now);
        let wait = told.used_up_for.map(|wait| wait.min(RETRY_AFTER_MAX));
        if let Some(wait) = wait {
            state.keys.asked(self.key, wait, now);
        }
        wait
    }

    /// The reply is complete.
    pub fn succeed(mut self, now: Instant) {
        self.ended = true;
        let mut state = self.health.lock();
        state.breaker.end(Verdict::Success, self.begun, now, &self.settings, self.chance);
        if state.retry_after.is_some_and(|until| until <= now) {
            state.retry_after = None;
        }
        if state.keys.of(self.key, now).is_none() {
            state.keys.served(self.key);
        }
        locked(&self.health.keys).served(self.key);
        state.count(1.0, now);
    }

    /// The attempt failed. `retry_after` is what the provider asked for.
    pub fn fail(mut self, kind: FaultKind, retry_after: Option<Duration>, now: Instant) {
        self.ended = true;
        let retry_after = retry_after.map(|wait| wait.min(RETRY_AFTER_MAX));
        let mut state = self.health.lock();
        let verdict = match blame(kind) {
            // The target did its work: it answered.
            Blame::Caller | Blame::NotAsked => {
                state.breaker.release(self.begun);
                return;
            }
            Blame::Target => {
                if let Some(wait) = retry_after {
                    state.retry_after = Some(now + wait);
                }
                Some(Verdict::Hard)
            }
            Blame::Account => {
                let is_for_all_models = matches!(kind, FaultKind::Authentication | FaultKind::QuotaExhausted);
                let mut provider = locked(&self.health.keys);
                let rests = if is_for_all_models { &mut *provider } else { &mut state.keys };
                match (retry_after, kind) {
                    (Some(wait), _) => rests.asked(self.key, wait, now),
                    (None, FaultKind::RateLimited) => rests.refused(self.key, RATE_LIMIT_REST, now),
                    (None, _) => rests.refused(self.key, REFUSED_REST, now),
                }
                (kind == FaultKind::RateLimited).then_some(Verdict::Soft)
            }
        };
        match verdict {
            Some(verdict) => state.breaker.end(verdict, self.begun, now, &self.settings, self.chance),
            None => state.breaker.release(self.begun),
        }
        state.count(0.0, now);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            self.health.lock().breaker.release(self.begun);
        }
    }
}

impl State {
    fn count(&mut self, success: f64, now: Instant) {
        self.lately.count(success > 0.5, now, LATELY);
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
    /// Nobody's: the target was not even asked.
    NotAsked,
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
        FaultKind::InvalidRequest | FaultKind::ContextTooLong | FaultKind::ContentPolicy | FaultKind::TooLarge => {
            Blame::Caller
        }
        FaultKind::Unsupported | FaultKind::Busy => Blame::NotAsked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{BREAKER, LIMITS};

    const KEYS: &[KeyId] = &[1];
    const MIDDLE: u64 = u64::MAX / 2;

    async fn begin(health: &Arc<Health>, keys: &[KeyId]) -> Running {
        let settings = BreakerSettings { faults: 3, ..BREAKER };
        let now = Instant::now();
        let permit = health.admission.admit(LIMITS, now + Duration::from_secs(1)).await.expect("room");
        health.begin(permit, keys, settings, MIDDLE, now)
    }

    async fn fail(health: &Arc<Health>, kind: FaultKind, retry_after: Option<Duration>) {
        begin(health, KEYS).await.fail(kind, retry_after, Instant::now());
    }

    fn view(health: &Health) -> TargetState {
        health.view(KEYS, LIMITS, true, Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn faults_in_a_row_open_the_breaker_and_one_probe_closes_it() {
        let health = Arc::new(Health::default());
        for _ in 0..3 {
            assert_eq!(view(&health).circuit, Circuit::Closed);
            fail(&health, FaultKind::Overloaded, None).await;
        }
        let out = view(&health);
        assert_eq!((out.circuit, out.ready_in_ms, out.retry_after_ms), (Circuit::Open, 5_000, 0));
        tokio::time::advance(BREAKER.out).await;
        assert_eq!(view(&health).ready_in_ms, 0);
        let probe = begin(&health, KEYS).await;
        let half = view(&health);
        assert_eq!(half.circuit, Circuit::HalfOpen);
        assert!(half.ready_in_ms > 0, "only one probe at a time");
        probe.succeed(Instant::now());
        assert_eq!(view(&health).circuit, Circuit::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_fails_doubles_the_time_and_one_that_is_dropped_does_not() {
        let health = Arc::new(Health::default());
        for _ in 0..3 {
            fail(&health, FaultKind::TimedOut, None).await;
        }
        tokio::time::advance(BREAKER.out).await;
        drop(begin(&health, KEYS).await);
        assert_eq!(view(&health).ready_in_ms, 0, "the caller left: the next one may probe");
        fail(&health, FaultKind::TimedOut, None).await;
        assert_eq!(view(&health).ready_in_ms, 10_000);
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_is_kept_and_capped_and_a_callers_fault_counts_for_nothing() {
        let health = Arc::new(Health::default());
        fail(&health, FaultKind::RateLimited, Some(Duration::from_secs(7))).await;
        assert_eq!((view(&health).retry_after_ms, view(&health).circuit), (7_000, Circuit::Closed));
        fail(&health, FaultKind::Overloaded, Some(Duration::from_secs(1_000_000))).await;
        assert_eq!(view(&health).retry_after_ms, 300_000);
        let other = Arc::new(Health::default());
        for _ in 0..9 {
            fail(&other, FaultKind::InvalidRequest, None).await;
        }
        let view = view(&other);
        assert_eq!((view.circuit, view.samples, view.in_flight), (Circuit::Closed, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_rests_and_the_others_go_on() {
        let healths = Healths::default();
        let (one, sibling) = (healths.of("p", "one"), healths.of("p", "sibling"));
        let keys: &[KeyId] = &[11, 12];
        let now = Instant::now();
        let ready_in_ms = |health: &Health, keys: &[KeyId]| health.view(keys, LIMITS, true, now).ready_in_ms;
        let fail = async |health: &Arc<Health>, kind| {
            let running = begin(health, keys).await;
            let at = running.key_at();
            running.fail(kind, None, now);
            at
        };
        let refused = fail(&one, FaultKind::Authentication).await;
        for health in [&one, &sibling] {
            assert_eq!(ready_in_ms(health, keys), 0, "there is another key");
            for _ in 0..4 {
                assert_ne!(begin(health, keys).await.key_at(), refused, "for all models of the provider");
            }
        }
        assert_ne!(fail(&one, FaultKind::ModelNotFound).await, refused);
        assert!(ready_in_ms(&one, keys) > 0, "no key is left for this model");
        assert_eq!(ready_in_ms(&sibling, keys), 0, "but for its sibling");
        assert_eq!(ready_in_ms(&one, &[13]), 0, "a new key knows nothing of this");
    }

    #[tokio::test(start_paused = true)]
    async fn keys_take_turns() {
        let health = Arc::new(Health::default());
        let mut used = std::collections::BTreeSet::new();
        for _ in 0..6 {
            used.insert(begin(&health, &[1, 2, 3]).await.key_at());
        }
        assert_eq!(used.len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_backup_that_is_well_takes_all_retries_and_one_in_trouble_only_a_few() {
        let health = Arc::new(Health::default());
        let (now, budget) = (Instant::now(), BudgetSettings { share: 0.2, floor: 1 });
        assert!((0..100).all(|_| health.may_retry(budget, &BREAKER, now)), "it is well");
        for _ in 0..4 {
            fail(&health, FaultKind::Overloaded, None).await;
        }
        (0..50).for_each(|_| health.asked_first(now));
        let granted = (0..100).filter(|_| health.may_retry(budget, &BREAKER, now)).count();
        assert_eq!(granted, 10 + 10, "a fifth of its own requests, and one for each of ten seconds");
    }
}
