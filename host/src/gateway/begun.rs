//! What every attempt has in common: a place at its target, a key, its time, and what the target's health learns of it.

use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::HeaderMap;
use tokio::time::{Instant, timeout_at};

use super::decide::Step;
use super::exchange::Exchange;
use super::identities::Shown;
use super::refusal::{fault, is_about_us, is_unknown_path};
use super::table::Target;
use crate::health::{self, Running, Start};
use crate::plugin::bindings::chat::Usage;
use crate::plugin::bindings::faults::{Fault, FaultKind};
use crate::upstream::TimedOut;

/// Is added to what such a reply says.
const UNKNOWN_PATH: &str = " (nothing serves this path there: is the provider's `base_url` right?)";

/// An attempt that failed before the caller saw anything of it.
pub struct Failed {
    pub target: usize,
    /// Since the request arrived.
    pub started_at: Duration,
    pub elapsed: Duration,
    pub fault: Fault,
    /// What its provider told of its use.
    pub used: Option<Usage>,
    /// The provider's own reply, when the caller speaks its protocol.
    pub raw: Option<RawReply>,
}

/// An error reply as it came.
pub struct RawReply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why a target gave no answer.
pub struct Bad {
    pub fault: Fault,
    pub raw: Option<RawReply>,
    /// The target answered, and the plugin of the caller's protocol cannot write it down.
    is_unwritten: bool,
}

impl From<Fault> for Bad {
    fn from(fault: Fault) -> Bad {
        Bad::new(fault, None)
    }
}

impl Bad {
    /// With the provider's own reply, for a caller who speaks its protocol.
    pub fn new(fault: Fault, raw: Option<RawReply>) -> Bad {
        Bad { fault, raw, is_unwritten: false }
    }

    /// The target answered, and the plugin of the caller's protocol cannot write it down: that is not the target's fault.
    pub fn unwritten(fault: Fault) -> Bad {
        Bad { is_unwritten: true, ..Bad::from(fault) }
    }

    /// The request was sent with a credential that can perhaps be replaced: then its refusal is no word on the account.
    pub fn shown(mut self, shown: Option<&Shown>) -> Bad {
        if shown.is_some_and(|shown| shown.reclassify(&mut self.fault)) {
            self.raw = None;
        }
        self
    }
}

/// An attempt that may be made: it has its place at the target, and a key. What every attempt has in common is here: its
/// time, and what it tells of its target's health.
pub struct Begun<'a> {
    pub exchange: &'a Exchange,
    pub step: &'a Step,
    pub target: &'a Target,
    /// Before it had its place.
    started: Instant,
    pub running: Running,
}

impl<'a> Begun<'a> {
    /// # Errors
    /// The target is not asked at all: it cannot serve the request, it is full, or it was retried too often of late.
    pub async fn new(exchange: &'a Exchange, step: &'a Step) -> Result<Begun<'a>, Box<Failed>> {
        let target = &exchange.route.targets[step.target];
        let started = Instant::now();
        let not_asked = |kind, text: String| {
            let now = Instant::now();
            Box::new(Failed {
                target: step.target,
                started_at: started.saturating_duration_since(exchange.arrived),
                elapsed: now.saturating_duration_since(started),
                fault: fault(kind, text),
                used: None,
                raw: None,
            })
        };
        if let Some(reason) = exchange.why_unable(step.target) {
            return Err(not_asked(FaultKind::Unsupported, reason));
        }
        let holds = &target.holds;
        let health = exchange.health(target);
        if step.is_first {
            health.asked_first(started);
        } else if !health.may_retry(holds.attempts.retries, &holds.breaker, started) {
            let text = "it is in trouble, and was retried so often of late that more would only add to it";
            return Err(not_asked(FaultKind::Busy, text.to_owned()));
        }
        let until = (started + step.first_token).min(exchange.deadline);
        let permit = health.admission.admit(exchange.limits(target), until).await;
        let permit =
            permit.map_err(|health::Busy| not_asked(FaultKind::Busy, "it has as much to do as it may".to_owned()))?;
        let (keys, now) = (exchange.keys(target), Instant::now());
        // Another attempt may have heard it while this one waited.
        if exchange.view(target, now).retry_after_ms > 0 {
            return Err(not_asked(FaultKind::Busy, "its provider asked for patience meanwhile".to_owned()));
        }
        let (is_probe, chance) = (step.is_probe, exchange.gateway.clock.random());
        let (form, conversation) = (exchange.form(), exchange.asked.about.conversation);
        let key = exchange.best_key(target, &health, now);
        let sent_at = &step.sent_at;
        let start = Start { keys, key, settings: holds.breaker, is_probe, form, conversation, chance, sent_at };
        let running = Running::begin(&health, permit, start, now);
        let running = running.map_err(|health::Probed| {
            not_asked(FaultKind::Busy, "another request finds out whether it is well again".to_owned())
        })?;
        Ok(Begun { exchange, step, target, started, running })
    }

    /// When it must have its first content, or all of a reply that is not streamed.
    pub fn until(&self) -> Instant {
        (self.step.sent_at.get().unwrap_or(self.started) + self.step.first_token).min(self.exchange.deadline)
    }

    /// Until its first content a stream may take so long, and until its end another reply. What passes before the request leaves
    /// has limits of its own.
    pub async fn within<T>(&self, asking: impl Future<Output = Result<T, Bad>>) -> Result<T, Bad> {
        let (within, deadline) = (self.step.first_token, self.exchange.deadline);
        let late = |within: Duration| {
            let what = if self.exchange.asked.stream { "no content" } else { "no complete reply" };
            Err(Bad::from(fault(FaultKind::TimedOut, format!("{what} within {} ms", within.as_millis()))))
        };
        match timeout_at(deadline, self.step.sent_at.within(within, asking)).await {
            Ok(Ok(asked)) => asked,
            Ok(Err(TimedOut)) => late(within),
            Err(_) => late(deadline.saturating_duration_since(self.started)),
        }
    }

    /// The target's health hears how it went.
    pub fn judge<T>(self, asked: Result<T, Bad>) -> Result<(T, Running), Box<Failed>> {
        let Begun { exchange, step, target, started, mut running } = self;
        let now = Instant::now();
        match asked {
            Ok(good) => {
                running.content(now);
                exchange.gateway.healths.answered(running.health(), exchange.asked.about.conversation, now);
                Ok((good, running))
            }
            Err(mut bad) => {
                // Whosesoever fault it is said to be: that is the adapter's own word. Of a request that never left it had none.
                let is_ours = matches!(bad.fault.kind, FaultKind::Busy | FaultKind::Unavailable);
                let was_asked = !is_ours || step.sent_at.get().is_some();
                if let Some(adapter) = exchange.adapter(target).filter(|_| was_asked && !bad.is_unwritten) {
                    adapter.plugin.tally.note_outcome(false);
                }
                let (kind, status, key) = (bad.fault.kind, bad.fault.status, running.key_at() + 1);
                let blamed = match bad.is_unwritten {
                    true => FaultKind::Unsupported,
                    false if was_asked => kind,
                    false => FaultKind::Busy,
                };
                let is_alone = || {
                    (0..exchange.route.targets.len()).all(|at| at == step.target || exchange.why_unable(at).is_some())
                };
                // Without credentials of ours: while others may have theirs, that is no attempt.
                if !was_asked && kind == FaultKind::Unavailable && !is_alone() {
                    bad.fault.kind = FaultKind::Busy;
                }
                let rests = running.fail(blamed, status, bad.fault.retry_after_ms.map(Duration::from_millis), now);
                let (provider, of) = (&target.provider.name, exchange.keys(target).len());
                if is_unknown_path(&bad.fault) {
                    let base_url = exchange.adapter(target).map(|adapter| adapter.base_url.as_str());
                    tracing::warn!(provider, base_url, "404 for the path: is the provider's `base_url` right?");
                    bad.fault.message += UNKNOWN_PATH;
                    // The caller asked at the right place.
                    bad.raw = None;
                } else if rests && is_about_us(kind) {
                    // Somebody has to do something, whether callers notice or not.
                    tracing::warn!(provider, key, of, ?kind, "a key is refused and rests");
                }
                Err(Box::new(Failed {
                    target: step.target,
                    started_at: started.saturating_duration_since(exchange.arrived),
                    elapsed: now.saturating_duration_since(started),
                    fault: bad.fault,
                    used: step.told.usage(),
                    raw: bad.raw,
                }))
            }
        }
    }
}
