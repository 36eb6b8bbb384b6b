//! One attempt, from its beginning to what its target's health learns of it.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderMap;
use tokio::time::Instant;

use super::admission::Permit;
use super::blame::{Blame, blame};
use super::breaker::{Begun, BreakerSettings, Moment, Reason, Verdict};
use super::rests::KeyId;
use super::usual::Form;
use super::{Health, State, headroom, later, locked};
use crate::plugin::bindings::faults::FaultKind;
use crate::plugin::bindings::policy::Circuit;
use crate::plugin::bindings::provider::RateLimit;
use crate::upstream::SentAt;

/// A provider that asks for more patience than this gets this much. An absurd number must not retire a target for ever.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// The longest rest of a key whose quota is used up, where its provider states the reset. After an hour it is tried again, because
/// operators raise limits before they reset.
const QUOTA_REST_MAX: Duration = Duration::from_secs(60 * 60);
/// How long a key rests whose provider says "rate limited" and not for how long.
const RATE_LIMIT_REST: Duration = Duration::from_secs(5);
/// How long a key rests at first that the provider refuses, or for this model: somebody has to change something.
const REFUSED_REST: Duration = Duration::from_secs(30);

/// How an attempt is made.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// The keys that it may be made with.
    pub keys: &'a [KeyId],
    /// The only one of them that knows what the request names, if there is one.
    pub key: Option<KeyId>,
    pub settings: BreakerSettings,
    pub is_probe: bool,
    pub form: Form,
    /// Which conversation the request continues; 0 where that is not known.
    pub conversation: u64,
    /// Random.
    pub chance: u64,
    /// Is told when the request leaves.
    pub sent_at: &'a SentAt,
}

/// An attempt that has begun and not ended.
#[derive(Debug)]
pub struct Running {
    health: Arc<Health>,
    _permit: Permit,
    settings: BreakerSettings,
    chance: u64,
    began: Instant,
    sent_at: SentAt,
    begun: Begun,
    form: Form,
    conversation: u64,
    /// Its wait for the first content, while it waits.
    waiting: Option<u64>,
    late_after: Duration,
    key: KeyId,
    key_at: usize,
    had_content: bool,
    /// Its stream, when its pace was measured last.
    was_slow: Option<bool>,
    ended: bool,
}

/// Its circuit was half-open, and another attempt finds out whether it is well again, or has found that it is not.
#[derive(Debug, PartialEq, Eq)]
pub struct Probed;

impl Running {
    /// An attempt begins, with one of these keys: they take turns, and those that rest come last. What is returned must
    /// hear how it ended; dropped unheard, the caller has left, which says nothing about the target unless the attempt was late.
    ///
    /// # Errors
    /// It begins as a probe, and there is one. Only here can that be known: many can decide to probe at the same time.
    pub fn begin(health: &Arc<Health>, permit: Permit, start: Start<'_>, now: Instant) -> Result<Running, Probed> {
        let Start { keys, key, settings, is_probe, form, conversation, chance, sent_at } = start;
        let mut state = health.lock();
        if is_probe && state.breaker.is_probed(now) {
            return Err(Probed);
        }
        let provider = locked(&health.keys);
        state.turn = state.turn.wrapping_add(1);
        let turn = state.turn;
        let rest = |key: KeyId| later(state.keys.of(key, now), provider.of(key, now)).map(|(until, _)| until);
        let in_turn = (0..keys.len()).map(|step| (turn + step) % keys.len());
        let bound = key.and_then(|key| keys.iter().position(|known| *known == key));
        let key_at = bound.or_else(|| in_turn.min_by_key(|at| rest(keys[*at]))).unwrap_or(0);
        drop(provider);
        let begun = state.breaker.begin(now);
        let waiting = Some(state.waiting.add(form, begun, sent_at.clone()));
        let late_after = state.usual.late_after(form);
        drop(state);
        let key = keys.get(key_at).copied().unwrap_or(0);
        Ok(Running {
            health: Arc::clone(health),
            _permit: permit,
            settings,
            chance,
            began: now,
            sent_at: sent_at.clone(),
            begun,
            form,
            conversation,
            waiting,
            late_after,
            key,
            key_at,
            had_content: false,
            was_slow: None,
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

    /// The key to use.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// The position of the key to use.
    pub fn key_at(&self) -> usize {
        self.key_at
    }

    /// The first content of a stream came, or the whole of a reply that is not streamed.
    pub fn content(&mut self, now: Instant) {
        self.had_content = true;
        // What the request waited for before it left is not the provider's time.
        let elapsed = now.saturating_duration_since(self.sent_at.get().unwrap_or(self.began));
        let Form { streamed, .. } = self.form;
        self.change(now, |running, state, moment| {
            match streamed {
                true => state.first_token.note(elapsed, now),
                false => state.whole.note(elapsed, now),
            }
            state.waiting.connected();
            state.waiting.progress(now);
            let is_known = running.waiting.take().is_some_and(|call| state.waiting.remove(call));
            let is_slow = is_known || elapsed > state.usual.slow_after(running.form);
            // What was slow all along has been counted when it became so.
            if !is_known || state.breaker.circuit(now) != Circuit::Closed {
                state.breaker.content(is_slow, streamed, running.begun, moment);
            }
            // It speaks again: the next attempt may find out.
            if state.breaker.reason() == Some(Reason::Silent) {
                state.breaker.half_open(now);
            }
            state.usual.add_first_content(running.form, elapsed, now);
        });
    }

    /// A stream that runs showed that it is alive.
    pub fn progress(&self, now: Instant) {
        self.health.lock().waiting.progress(now);
    }

    /// A stream ran for a while: milliseconds for each kilobyte of its content, and whether that is slower than it may be. A
    /// stream counts once, and once more when it becomes slow later.
    pub fn pace(&mut self, millis_per_kb: f64, is_too_slow: bool, now: Instant) {
        self.change(now, |running, state, moment| {
            let is_slow = is_too_slow || state.usual.is_slow_pace(millis_per_kb);
            if running.was_slow.is_none_or(|was_slow| is_slow && !was_slow) {
                running.was_slow = Some(is_slow);
                state.breaker.pace(is_slow, running.begun, moment);
            }
            state.usual.add_pace(millis_per_kb, now);
        });
    }

    /// A stream came to its end, and this was the longest that it was silent.
    pub fn paused(&self, longest: Duration, now: Instant) {
        self.health.lock().usual.add_pause(longest, now);
    }

    /// After how long without a byte it is late, when it has begun. `None` if too little is known.
    pub fn pause_late_after(&self) -> Option<Duration> {
        self.health.lock().usual.pause_late_after()
    }

    /// The reply's headers tell of the provider's limits. How long those that are used up will be so.
    pub fn limits(&self, headers: &HeaderMap, limits: &[RateLimit], unix: Duration, now: Instant) -> Option<Duration> {
        let told = headroom::read(headers, limits, unix);
        let mut state = self.health.lock();
        state.headroom.note(told, now);
        let wait = told.used_up_for.map(|wait| wait.min(RETRY_AFTER_MAX));
        if let Some(wait) = wait {
            let until = state.keys.asked(self.key, FaultKind::RateLimited, wait, now);
            self.health.admission.ramp_from(until);
        }
        wait
    }

    /// The reply is complete.
    pub fn succeed(mut self, now: Instant) {
        if !self.had_content {
            self.content(now);
        }
        self.ended = true;
        self.change(now, |running, state, moment| {
            state.breaker.end(Verdict::Success, true, running.begun, moment);
            if state.retry_after.is_some_and(|until| until <= now) {
                state.retry_after = None;
            }
            if state.keys.of(running.key, now).is_none() {
                state.keys.served(running.key);
            }
            state.doubts.served(running.key, running.began, now);
            locked(&running.health.keys).served(running.key);
            state.count(1.0, now);
        });
    }

    /// The attempt failed. `status` is that of the provider's reply, 0 without one; `retry_after` is what the provider asked
    /// for. True if a key rests now.
    pub fn fail(mut self, kind: FaultKind, status: u16, retry_after: Option<Duration>, now: Instant) -> bool {
        self.ended = true;
        let most = if kind == FaultKind::QuotaExhausted { QUOTA_REST_MAX } else { RETRY_AFTER_MAX };
        let retry_after = retry_after.map(|wait| wait.min(most));
        self.change(now, |running, state, moment| {
            running.end_wait(state);
            if running.sent_at.get().is_some() {
                state.waiting.connected();
            }
            let verdict = match blame(kind) {
                // The target did its work: it answered.
                Blame::Caller | Blame::NotAsked => {
                    state.waiting.progress(now);
                    state.breaker.release(running.begun);
                    return false;
                }
                // What refuses this request serves others.
                Blame::Account
                    if state.doubts.is_requests_own(running.key, (kind, status), running.conversation, now) =>
                {
                    state.waiting.progress(now);
                    state.breaker.release(running.begun);
                    return false;
                }
                Blame::Target => {
                    if let Some(wait) = retry_after
                        // Requests that ran together are answered one after the other: the longest wait holds.
                        && state.retry_after.is_none_or(|until| until < now + wait)
                    {
                        state.retry_after = Some(now + wait);
                        state.retry_after_why = Some(kind);
                        running.health.admission.ramp_from(now + wait);
                    }
                    Some(Verdict::Hard)
                }
                Blame::Account => {
                    running.rest_key(state, kind, retry_after, now);
                    (kind == FaultKind::RateLimited).then_some(Verdict::Soft)
                }
            };
            // An error is an answer; only what came to nothing is silence.
            if !matches!(kind, FaultKind::TimedOut | FaultKind::Connection) {
                state.waiting.progress(now);
            }
            if state.breaker.is_current(running.begun) {
                state.count(0.0, now);
            }
            match verdict {
                Some(verdict) => state.breaker.end(verdict, running.had_content, running.begun, moment),
                None => state.breaker.release(running.begun),
            }
            blame(kind) == Blame::Account
        })
    }

    fn rest_key(&self, state: &mut State, kind: FaultKind, retry_after: Option<Duration>, now: Instant) {
        let is_for_all_models = matches!(kind, FaultKind::Authentication | FaultKind::QuotaExhausted);
        let mut provider = locked(&self.health.keys);
        let rests = if is_for_all_models { &mut *provider } else { &mut state.keys };
        match (retry_after, kind) {
            (Some(wait), _) => {
                let until = rests.asked(self.key, kind, wait, now);
                self.health.admission.ramp_from(until);
            }
            (None, FaultKind::RateLimited) => rests.refused(self.key, kind, RATE_LIMIT_REST, now),
            (None, _) => rests.refused(self.key, kind, REFUSED_REST, now),
        }
    }

    fn end_wait(&mut self, state: &mut State) {
        if let Some(call) = self.waiting.take() {
            state.waiting.remove(call);
        }
    }

    /// Change what is known of the target; a circuit that changes by it is told to the log and to the admission.
    fn change<R>(&mut self, now: Instant, change: impl FnOnce(&mut Running, &mut State, Moment<'_>) -> R) -> R {
        let (health, settings) = (Arc::clone(&self.health), self.settings);
        let is_suspected = health.suspicion(now).is_some();
        let moment = Moment { now, settings: &settings, chance: self.chance, is_suspected };
        health.change(now, |state| change(self, state, moment))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let now = Instant::now();
        let (sent, connecting) = (self.sent_at.get(), self.sent_at.connecting_since());
        let elapsed = sent.map_or(Duration::ZERO, |sent| now.saturating_duration_since(sent));
        self.change(now, |running, state, moment| {
            let call = running.waiting.take();
            let waited = call.is_some();
            let suspicion = running.health.suspicion(now);
            let gave_up = call.and_then(|call| state.waiting.give_up(call, &state.usual, suspicion, now));
            // Another attempt was sooner, and this one has taken longer than most.
            if gave_up.is_some_and(|gave_up| gave_up.is_slow) {
                state.breaker.waits_long(running.begun, moment);
            }
            if gave_up.is_some_and(|gave_up| gave_up.is_silent) {
                state.breaker.silent(moment);
            }
            let unconnected = connecting.is_some_and(|since| state.waiting.give_up_connecting(since, now));
            // Whoever gave it up, another attempt that was sooner or a caller without patience: it took too long.
            if waited && (unconnected || elapsed >= running.late_after) {
                state.latency(running.form).at_least(elapsed, now);
                if state.breaker.is_current(running.begun) {
                    state.count(0.0, now);
                }
                state.breaker.end(Verdict::Soft, false, running.begun, moment);
            } else {
                state.breaker.release(running.begun);
            }
        });
    }
}
