//! Whether a target is well again is found out beside a request that another target answers: the same request is sent to the target
//! that is half-open, and its reply is thrown away. It costs no caller any time, and the provider's price for the probe; it counts
//! as a hedge.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::attempt;
use super::decide::Step;
use super::exchange::Exchange;
use super::spent::Told;
use crate::upstream::SentAt;

/// How long a stream is read for its pace, where slow streams opened the circuit.
const PACE: Duration = Duration::from_secs(3);

/// Probe a target that wants it, and is not the one that answers. Beside one request there is one probe.
pub fn start(exchange: &Arc<Exchange>, answers: usize) {
    if !exchange.probes_beside() || exchange.asked.pinned.is_some() {
        return;
    }
    let now = Instant::now();
    for (position, target) in exchange.route.targets.iter().enumerate() {
        let health = exchange.health(target);
        let is_able = exchange.why_unable(position).is_none();
        if position == answers || !is_able || !health.wants_probe(now) {
            continue;
        }
        if exchange.view(target, now).retry_after_ms > 0 || !exchange.may_hedge() {
            continue;
        }
        // A probe that hangs has failed when an ordinary attempt would be late.
        let within = health.late_after(exchange.form());
        let pace = health.wants_pace().then_some(PACE);
        tokio::spawn(probe(Arc::clone(exchange), position, within, pace));
        return;
    }
}

async fn probe(exchange: Arc<Exchange>, position: usize, within: Duration, pace: Option<Duration>) {
    let step = Step {
        target: position,
        after: Duration::ZERO,
        first_token: within,
        idle: exchange.route.targets[position].holds.timeouts.idle,
        hedge_after: None,
        late: None,
        is_first: true,
        is_probe: true,
        reason: "is it well again?".to_owned(),
        told: Told::default(),
        sent_at: SentAt::default(),
    };
    let outcome = attempt::probe(&exchange, step, pace).await;
    let why = outcome.err().map(|failed| failed.fault.kind);
    tracing::info!(id = %exchange.id, target = ?exchange.name(position), well = why.is_none(), ?why, "probe");
}
