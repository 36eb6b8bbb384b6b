//! One attempt, from its beginning to what its target's health learns of it.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderMap;
use tokio::time::Instant;

use super::admission::Permit;
use super::blame::{Blame, blame};
use super::breaker::{Begun, BreakerSettings, Verdict};
use super::rests::KeyId;
use super::{Health, State, headroom, later, locked};
use crate::plugin::bindings::faults::FaultKind;
use crate::plugin::bindings::provider::RateLimit;

/// A provider that asks for more patience than this gets this much. An absurd number must not retire a target for ever.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// How long a key rests whose provider says "rate limited" and not for how long.
const RATE_LIMIT_REST: Duration = Duration::from_secs(5);
/// How long a key rests at first that the provider refuses, or for this model: somebody has to change something.
const REFUSED_REST: Duration = Duration::from_secs(30);

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

/// Its circuit was half-open, and another attempt finds out whether it is well again, or has found that it is not.
#[derive(Debug, PartialEq, Eq)]
pub struct Probed;

impl Running {
    /// An attempt begins, with one of these keys: they take turns, and those that rest come last. What is returned must
    /// hear how it ended; dropped unheard, the caller has left, which says nothing about the target. `chance` is random.
    ///
    /// # Errors
    /// It begins as a probe, and there is one. Only here can that be known: many can decide to probe at the same time.
    pub fn begin(
        health: &Arc<Health>,
        permit: Permit,
        keys: &[KeyId],
        settings: BreakerSettings,
        is_probe: bool,
        chance: u64,
        now: Instant,
    ) -> Result<Running, Probed> {
        let mut state = health.lock();
        if is_probe && state.breaker.is_probed(now) {
            return Err(Probed);
        }
        let provider = locked(&health.keys);
        state.turn = state.turn.wrapping_add(1);
        let turn = state.turn;
        let rest = |key: KeyId| later(state.keys.of(key, now), provider.of(key, now)).map(|(until, _)| until);
        let in_turn = (0..keys.len()).map(|step| (turn + step) % keys.len());
        let key_at = in_turn.min_by_key(|at| rest(keys[*at])).unwrap_or(0);
        drop(provider);
        let begun = state.breaker.begin(now);
        drop(state);
        let key = keys.get(key_at).copied().unwrap_or(0);
        Ok(Running {
            health: Arc::clone(health),
            _permit: permit,
            settings,
            chance,
            began: now,
            begun,
            key,
            key_at,
            ended: false,
        })
    }

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
        self.end(&mut state, Verdict::Success, now);
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
            Some(verdict) => self.end(&mut state, verdict, now),
            None => state.breaker.release(self.begun),
        }
        state.count(0.0, now);
    }
}

impl Running {
    fn end(&self, state: &mut State, verdict: Verdict, now: Instant) {
        let before = state.breaker.circuit(now);
        state.breaker.end(verdict, self.begun, now, &self.settings, self.chance);
        let after = state.breaker.circuit(now);
        if before != after {
            // Callers may have chosen the model's name: quoted, it stays in its line.
            tracing::info!(which = ?self.health.label, ?before, ?after, "breaker");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            self.health.lock().breaker.release(self.begun);
        }
    }
}
