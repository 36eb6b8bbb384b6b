//! Every default, with its unit and its reason.

use std::time::Duration;

use crate::health::{AdmissionSettings, BreakerSettings, BudgetSettings};

use super::resolved::{Attempts, Timeouts};

/// Not 8080, 4000 or 3000, which others use.
pub const LISTEN: &str = "127.0.0.1:4400";
pub const ADMIN: &str = "127.0.0.1:4401";
pub const POLICY: &str = "failover";

pub const TIMEOUTS: Timeouts = Timeouts {
    // A TCP handshake that takes longer will not get better.
    connect: Duration::from_secs(3),
    // Providers send the head of a stream at once, but a local server may first load its model: no sooner than the next.
    headers: Duration::from_secs(60),
    // Long prompts on busy days take tens of seconds to their first token.
    first_token: Duration::from_secs(60),
    // Providers send pings every few seconds; two minutes of silence are a dead stream.
    idle: Duration::from_secs(120),
    // Encrypted reasoning can go on for minutes with nothing but pings to see; ten are a model that hangs.
    between_tokens: Duration::from_secs(600),
    // What is slow is not wrong: whoever wants a faster answer says how fast.
    slowest: 0,
    // A reply that is not streamed is silent until it is complete, and long ones take minutes.
    reply: Duration::from_secs(600),
    // The longest reasoning runs.
    total: Duration::from_secs(3600),
};

pub const BREAKER: BreakerSettings = BreakerSettings {
    // One fault is chance, and each costs its request only a failover.
    faults: 5,
    // Below a half a target does more harm than good; a handful of attempts say nothing yet.
    success_rate: 0.5,
    samples: 20,
    window: Duration::from_secs(30),
    out: Duration::from_secs(5),
    // Callers should come back soon after the provider does.
    out_max: Duration::from_secs(60),
};

pub const ATTEMPTS: Attempts = Attempts {
    // Google's SRE book: three; more help rarely and cost everybody.
    max: 3,
    // Finagle's numbers: a fifth more load is what a provider in trouble can bear, and a quiet gateway may always retry.
    retries: BudgetSettings { share: 0.2, floor: 10 },
    // A hedge is paid for: one request in ten.
    hedges: BudgetSettings { share: 0.1, floor: 1 },
};
/// What `max` may be at most, and what no policy can override.
pub const ATTEMPTS_MAX: usize = 5;

pub const LIMITS: AdmissionSettings = AdmissionSettings {
    // Only the operator knows what an account carries.
    max_in_flight: None,
    queue: 100,
    // Who waits longer is better served by another target.
    queue_wait: Duration::from_secs(5),
    // Small teams never have so many at once. Providers answer sudden rises with 429.
    slow_start: 200,
};

/// How often a provider that is out is probed, where it is probed at all: a fraction of the time that it is out.
pub const PROBE_EVERY: Duration = Duration::from_secs(5);

/// How long streams may run on after a signal to stop.
pub const DRAIN: Duration = Duration::from_secs(120);

/// The models that stand in when no configuration names any.
pub const ANTHROPIC_MODEL: &str = "claude-sonnet-4-5";
pub const OPENAI_MODEL: &str = "gpt-5";
pub const GEMINI_MODEL: &str = "gemini-2.5-pro";
