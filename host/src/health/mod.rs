//! What the gateway remembers about targets, keys and conversations. Policies read it; the host itself acts on
//! `Retry-After`, on limits and on budgets.

mod admission;
mod affinity;
mod baseline;
mod blame;
mod breaker;
mod budget;
mod doubt;
mod evidence;
mod headroom;
#[cfg(all(test, feature = "shuttle"))]
mod interleavings;
mod latency;
mod remembered;
mod rests;
mod running;
mod siblings;
mod silence;
mod sketch;
mod usual;
mod window;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use self::affinity::Affinity;
use self::breaker::{Breaker, Moment, Reason};
use self::doubt::Doubts;
use self::headroom::Headroom;
use self::latency::Latency;
use self::remembered::Remembered;
use self::rests::Rests;
use self::siblings::{Siblings, Suspicion};
use self::silence::Waiting;
use self::usual::Usual;
use self::window::Window;
use crate::plugin::bindings::faults::FaultKind;
use crate::plugin::bindings::policy::{Attribute, Circuit, TargetState};
use crate::sync::{Mutex, MutexGuard, PoisonError};

pub use self::admission::{Admission, AdmissionSettings, Busy, Permit};
pub use self::blame::{Blame, blame};
pub use self::breaker::{BreakerSettings, PROBE_PATIENCE};
pub use self::budget::{Budget, BudgetSettings};
pub use self::headroom::wait as read_wait;
pub use self::rests::KeyId;
pub use self::running::{Probed, Running, Start};
pub use self::usual::Form;

/// For how long policies are told how often a target was asked.
const LATELY: Duration = Duration::from_secs(300);
/// In this time without news a success rate has lost two thirds of its distance from 1.
const RATE_FADE: Duration = Duration::from_secs(60);

/// Health of every target, by provider and model. It outlives configurations and plugin versions.
#[derive(Debug, Default)]
pub struct Healths {
    targets: Mutex<Remembered>,
    providers: Mutex<HashMap<String, Provider>>,
    affinity: Mutex<Affinity>,
    /// Of all routes together.
    hedges: Mutex<Budget>,
}

impl Healths {
    /// Provider, model and health of all that were asked, by name.
    pub fn all(&self) -> Vec<(String, String, Arc<Health>)> {
        let targets = locked(&self.targets);
        let mut all: Vec<_> = targets
            .iter()
            .map(|((provider, model), health)| (provider.clone(), model.clone(), Arc::clone(health)))
            .collect();
        all.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        all
    }

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

    /// The health of this target; a new one is healthy. `caller` is the name of the key of the caller who chose the model, empty
    /// where there is no key; `None`: the configuration names the model.
    pub fn of(&self, provider: &str, model: &str, caller: Option<&str>, now: Instant) -> Arc<Health> {
        let mut targets = locked(&self.targets);
        let name = (provider.to_owned(), model.to_owned());
        if let Some(health) = targets.find(&name, caller) {
            return health;
        }
        let shared = locked(&self.providers).entry(provider.to_owned()).or_default().clone();
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let label = format!("{provider}/{model}");
        let health =
            Health { label, name: hasher.finish(), keys: shared.keys, siblings: shared.siblings, ..Health::default() };
        let health = Arc::new(health);
        targets.add(name, caller, &health, now);
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

/// What a provider's models have in common.
#[derive(Clone, Debug, Default)]
struct Provider {
    keys: Arc<Mutex<Rests>>,
    siblings: Arc<Mutex<Siblings>>,
}

/// One target's health.
#[derive(Debug, Default)]
pub struct Health {
    /// `provider/model`, for people.
    label: String,
    /// A digest of its own.
    name: u64,
    state: Mutex<State>,
    /// Which of the provider's keys rest, whatever the model.
    keys: Arc<Mutex<Rests>>,
    siblings: Arc<Mutex<Siblings>>,
    retries: Mutex<Budget>,
    pub admission: Arc<Admission>,
}

#[derive(Debug, Default)]
struct State {
    breaker: Breaker,
    retry_after: Option<Instant>,
    /// The fault that asked for that.
    retry_after_why: Option<FaultKind>,
    /// Which keys rest for this model.
    keys: Rests,
    doubts: Doubts,
    lately: Window,
    success_rate: Option<f64>,
    /// Of streams, and of whole replies.
    first_token: Latency,
    whole: Latency,
    headroom: Headroom,
    usual: Usual,
    waiting: Waiting,
    /// When an attempt ended last.
    counted: Option<Instant>,
    /// Counts attempts, so that keys take turns.
    turn: usize,
}

impl Health {
    /// What a policy sees of it now, if it can be asked with these keys for a reply of this form.
    pub fn view(&self, keys: &[KeyId], limits: AdmissionSettings, form: Form, now: Instant) -> TargetState {
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
        TargetState {
            able: true,
            circuit: state.breaker.circuit(now),
            ready_in_ms: state.breaker.ready_at(now).map_or(0, millis).max(retry_after_ms).max(rests_ms),
            retry_after_ms,
            samples: state.lately.all(now, LATELY),
            success_rate: state.success_rate(now),
            first_token_ms: state.expected_ms(form, now),
            in_flight,
            room,
            headroom: state.headroom.now(now),
            price: None,
            warm_ms: None,
            attributes: state.attributes(form, now),
        }
    }

    /// What it rests for, if it does: its provider asked for patience, or each of these keys was refused; and until when.
    pub fn rests(&self, keys: &[KeyId], now: Instant) -> Option<(Instant, FaultKind)> {
        let state = self.lock();
        let provider = locked(&self.keys);
        let later = |a: Option<(Instant, FaultKind)>, b: Option<(Instant, FaultKind)>| match (a, b) {
            (Some(a), Some(b)) => Some(if a.0 >= b.0 { a } else { b }),
            (a, b) => a.or(b),
        };
        let rest = |key: &KeyId| later(state.keys.why(*key, now), provider.why(*key, now));
        let of_keys = keys.iter().map(rest).min_by_key(|rest| rest.map(|(until, _)| until)).flatten();
        let asked = state.retry_after.filter(|until| *until > now).zip(state.retry_after_why);
        later(of_keys, asked)
    }

    /// Its circuit is not closed.
    pub fn is_out(&self, now: Instant) -> bool {
        self.lock().breaker.circuit(now) != Circuit::Closed
    }

    /// It must not be forgotten now: it rests, one of its keys does, or its circuit is not closed.
    fn is_needed(&self, now: Instant) -> bool {
        let state = self.lock();
        let rests = state.retry_after.is_some_and(|until| until > now) || state.keys.any(now);
        rests || state.breaker.circuit(now) != Circuit::Closed
    }

    /// Its circuit is not closed, but only because it is slow.
    pub fn is_merely_slow(&self) -> bool {
        self.lock().breaker.reason().is_some_and(Reason::is_soft)
    }

    /// When an attempt of this form counts as slow here.
    pub fn slow_after(&self, form: Form) -> Duration {
        self.lock().usual.slow_after(form)
    }

    /// How long replies of this form usually take to their first content: the median. `None` if too little is known.
    pub fn usual(&self, form: Form) -> Option<Duration> {
        let millis = self.lock().usual.first_content_ms(form, 0.5)?;
        Some(Duration::from_secs_f64(millis / 1e3))
    }

    /// It is half-open, and nobody finds out yet whether it is well.
    pub fn wants_probe(&self, now: Instant) -> bool {
        let state = self.lock();
        state.breaker.circuit(now) == Circuit::HalfOpen && !state.breaker.is_probed(now)
    }

    /// A probe must show how fast its streams run, not only when they begin.
    pub fn wants_pace(&self) -> bool {
        self.lock().breaker.reason() == Some(Reason::SlowStreams)
    }

    /// When an attempt of this form is late, from its beginning.
    pub fn late_after(&self, form: Form) -> Duration {
        self.lock().usual.late_after(form)
    }

    /// An attempt waits here: has the target fallen silent, or become slow? It is enough if one of those who wait asks. True if
    /// its circuit is not closed.
    pub fn look(&self, settings: &BreakerSettings, chance: u64, now: Instant) -> bool {
        self.change(now, |state| {
            let suspicion = self.suspicion(now);
            let moment = Moment { now, settings, chance, is_suspected: suspicion.is_some() };
            if let Some(looked) = state.waiting.look(&state.usual, suspicion, now) {
                // Who waits for it now knows more than those whom it answered last.
                looked.waits.into_iter().for_each(|(form, waits)| state.latency(form).at_least(waits, now));
                looked.slow.into_iter().for_each(|begun| state.breaker.waits_long(begun, moment));
                if looked.is_silent {
                    state.breaker.silent(moment);
                }
            }
            state.breaker.circuit(now) != Circuit::Closed
        })
    }

    /// Change what is known; a circuit that changes by it is told to the log, to the admission and to its siblings.
    fn change<R>(&self, now: Instant, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let (before, reason_before) = (state.breaker.circuit(now), state.breaker.reason());
        let changed = change(&mut state);
        let (after, reason) = (state.breaker.circuit(now), state.breaker.reason());
        if (before, reason_before) == (after, reason) {
            return changed;
        }
        match (before, after) {
            (Circuit::Closed, _) => self.admission.in_trouble(now),
            (_, Circuit::Closed) => {
                self.admission.ramp_from(now);
                state.recovered();
            }
            _ => {}
        }
        match (after, reason) {
            (Circuit::Closed, _) => locked(&self.siblings).closed(self.name),
            (Circuit::Open, Some(reason)) => {
                locked(&self.siblings).opened(self.name, reason, state.usual.late_after_each(), now);
            }
            _ => {}
        }
        drop(state);
        // Callers may have chosen the model's name: quoted, it stays in its line.
        tracing::info!(which = ?self.label, ?before, ?after, reason = ?reason, "breaker");
        changed
    }

    fn suspicion(&self, now: Instant) -> Option<Suspicion> {
        locked(&self.siblings).suspicion(self.name, now)
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
        let rate = state.success_rate(now);
        let is_well = state.breaker.circuit(now) == Circuit::Closed && rate >= breaker.success_rate;
        drop(state);
        is_well || locked(&self.retries).take(now, settings)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

fn attribute(name: &str, value: impl ToString) -> Attribute {
    Attribute { name: name.to_owned(), value: value.to_string() }
}

/// The longer of two rests.
fn later(a: Option<(Instant, bool)>, b: Option<(Instant, bool)>) -> Option<(Instant, bool)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.max(b.0), a.1 || b.1)),
        (a, b) => a.or(b),
    }
}

impl State {
    fn count(&mut self, success: f64, now: Instant) {
        self.lately.count(now, LATELY);
        self.success_rate = Some(moved(Some(self.success_rate(now)), success));
        self.counted = Some(now);
    }

    /// Without news a low rate fades towards the unknown, which is 1.
    fn success_rate(&self, now: Instant) -> f64 {
        let rate = self.success_rate.unwrap_or(1.0);
        let silent_for = self.counted.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        1.0 - (1.0 - rate) * (-silent_for.div_duration_f64(RATE_FADE)).exp()
    }

    /// What its faults and its slowness showed is of another time.
    fn recovered(&mut self) {
        self.success_rate = None;
        self.first_token.forget();
        self.whole.forget();
    }

    fn latency(&mut self, form: Form) -> &mut Latency {
        if form.streamed { &mut self.first_token } else { &mut self.whole }
    }

    /// Milliseconds to the first content that are to be expected now.
    fn expected_ms(&self, form: Form, now: Instant) -> Option<f64> {
        let usual = |form| self.usual.first_content_ms(form, 0.5);
        let first_token = self.first_token.millis(usual(form.with_stream(true)), now);
        let whole = self.whole.millis(usual(form.with_stream(false)), now);
        let (latency, other) = if form.streamed { (first_token, whole) } else { (whole, first_token) };
        latency.or(usual(form)).or(other)
    }

    /// What policies are told besides: `wit/README.md` lists it.
    fn attributes(&self, form: Form, now: Instant) -> Vec<Attribute> {
        let millis = |name, millis: Option<f64>| millis.map(|millis| attribute(name, format!("{millis:.0}")));
        let open = self.breaker.out_since(now).map(|time| attribute("out-since-ms", time.as_millis()));
        let quiet = self.waiting.quiet_for(now).map(|time| attribute("quiet-ms", time.as_millis()));
        let slow = self.breaker.slow_share(LATELY, now).filter(|share| *share > 0.0);
        // A token is about four bytes.
        let tokens = self.usual.pace_ms_per_kb().map(|pace| 256.0 * 1e3 / pace.max(0.001));
        let told = [
            open,
            millis("first-token-p50-ms", self.usual.first_content_ms(form, 0.5)),
            millis("first-token-p95-ms", self.usual.first_content_ms(form, 0.95)),
            tokens.map(|tokens| attribute("tokens-per-second", format!("{tokens:.0}"))),
            slow.map(|share| attribute("slow-call-rate", format!("{share:.2}"))),
            quiet,
        ];
        told.into_iter().flatten().collect()
    }
}

/// An average in which the newest value weighs a fifth.
fn moved(average: Option<f64>, value: f64) -> f64 {
    const WEIGHT: f64 = 0.2;
    average.map_or(value, |average| average + (value - average) * WEIGHT)
}

#[cfg(test)]
mod tests;
