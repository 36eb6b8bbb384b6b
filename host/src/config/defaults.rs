//! Every default, with its unit and its reason: `DEFAULTS.md` is made of them.

use std::time::Duration;

use crate::health::{AdmissionSettings, BreakerSettings, BudgetSettings};
use crate::plugin::CompileLimits;

use super::resolved::{Attempts, Edge, Timeouts};

/// Not 8080, 4000 or 3000, which others use.
pub const LISTEN: &str = "127.0.0.1:4400";
pub const ADMIN: &str = "127.0.0.1:4401";
/// In the order of the targets: what everybody expects of a list.
pub const POLICY: &str = "failover";

pub const TIMEOUTS: Timeouts = Timeouts {
    // Name lookup, TCP and TLS: a few round trips, and one packet that is lost. What takes longer will not get better.
    connect: Duration::from_secs(5),
    // Providers send the head of a stream at once, but a local server may first load its model: no sooner than the next.
    headers: Duration::from_secs(60),
    // A ceiling, not the way in which silence is noticed: models that reason for long are slower than a minute now and then.
    first_token: Duration::from_secs(300),
    // Providers send pings every few seconds; two minutes of silence are a dead stream.
    idle: Duration::from_secs(120),
    // After the first content a caller waits for the next. Models that think between two texts, unseen, are done in less;
    // before the first content pings are no reason to wait either, and `first_token` says how long.
    between_tokens: Duration::from_secs(120),
    // What is slow is not wrong, and what is slower than usual is learned: whoever wants a faster answer says how fast.
    slowest: 0,
    // Long enough for a pause between two sentences or tool calls, and short against the length of a reply.
    slowest_over: Duration::from_secs(5),
    // Nobody knows before the outage how long is too long; each target's own replies tell.
    adaptive: true,
    // A reply that is not streamed is silent until it is complete, and long ones take minutes.
    reply: Duration::from_secs(600),
    // The longest reasoning runs.
    total: Duration::from_secs(3600),
};

/// A tool call is held back from its first fragment to its end: half of one is no use to its caller, and held back it can
/// still fail over unseen.
pub const HOLD_TOOL_CALLS: bool = true;
/// What a caller waits for a call at most, while it comes: a file that is written by one takes longer, and its caller may
/// want to see that it does.
pub const HOLD_TOOL_CALL_TIME: Duration = Duration::from_secs(15);
/// Of such a call: ten times the longest that are usual, and no more memory than a request's history.
pub const HOLD_TOOL_CALL_BYTES: usize = 256 << 10;

/// A reply that said why it stopped is complete, when only signs of life have come for so long: its counts and its last
/// words follow at once.
pub const AFTER_STOP: Duration = Duration::from_secs(5);

pub const BREAKER: BreakerSettings = BreakerSettings {
    // One fault is chance, and each costs its request only a failover.
    faults: 5,
    // Below a half a target does more harm than good.
    success_rate: 0.5,
    // Fewer say nothing; of more it depends on how clear they are.
    samples: 5,
    // What was longer ago says little of now, and less than this is few attempts for a small team.
    window: Duration::from_secs(120),
    // Short troubles of providers last seconds, and a probe costs no caller anything.
    out: Duration::from_secs(2),
    // Callers should be back within a quarter of a minute after the provider, a probe that hangs included.
    out_max: Duration::from_secs(6),
    // A caller whose request finds out that a target is still down waits for nothing.
    shadow_probes: true,
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
    // A cold backup that suddenly gets everybody lets them in step by step; who waits here is refused nowhere.
    queue: 1_000,
    // Who waits longer is better served by another target.
    queue_wait: Duration::from_secs(5),
    // Small teams never have so many at once. Providers answer sudden rises with 429.
    slow_start: 200,
};

/// How often a provider that is out is probed, where it is probed at all: a fraction of the time that it is out.
pub const PROBE_EVERY: Duration = Duration::from_secs(5);

pub const EDGE: Edge = Edge {
    // Two file descriptors for each, and the usual hard limit of them is far above.
    connections: 10_000,
    // Behind a proxy every caller has the same address.
    connections_per_ip: None,
    // A head is a few packets.
    header_timeout: Duration::from_secs(10),
    // Balancers and clients keep theirs for 60 s: who closes first must be they, or a request meets a closed connection.
    keep_alive: Duration::from_secs(75),
    // As much as there may be at all.
    body_bytes: BODY_BYTES_MAX,
    // Callers send what they have ready: who pauses so long has gone.
    body_idle: Duration::from_secs(30),
    // Modems were faster.
    body_rate: 256,
    // Callers that fall behind for a minute do not read any more.
    write_stall: Duration::from_secs(60),
    // Ten times what a small team has open; each holds a connection to a provider and some 100 kB. A route or a target may hold four
    // times what is free: four fifths of all (1,600), and four ninths (888) of all while another route's provider hangs.
    requests: 2_000,
    // Prompts of 2,000 requests are seldom a tenth of it, and machines have more memory than that.
    body_bytes_held: 1 << 30,
};
/// A request larger than this is refused: Anthropic's own limit, and what plugins' memory is made for.
pub const BODY_BYTES_MAX: u64 = 32 << 20;
/// The rate of a request's body is looked at after this time: it takes a while to get going.
pub const BODY_RATE_GRACE: Duration = Duration::from_secs(10);
/// Bytes a second that a caller must take of its reply where the reply waits for it, beyond `write_stall`. Modems were faster.
pub const READ_RATE: u32 = 256;
/// Of a head, all in all: four times what proxies let through.
pub const HEADER_BYTES_MAX: usize = 64 << 10;
/// Clients send about twenty; hyper's own limit.
pub const HEADERS_MAX: usize = 100;
/// The longest path of a protocol with a model's name of 256 bytes and a key in the query fits many times.
pub const URI_BYTES_MAX: usize = 8 << 10;
/// Requests at once on one connection of HTTP/2: a busy client's, and no more than it takes to be one.
pub const HTTP2_STREAMS_MAX: u32 = 200;
/// Streams that a caller reset before we looked at them (rapid reset, CVE-2023-44487); above it the connection ends.
pub const HTTP2_PENDING_RESETS_MAX: usize = 20;
/// Streams that we had to reset for a caller's faults (CVE-2025-8671); above it the connection ends.
pub const HTTP2_LOCAL_RESETS_MAX: usize = 200;
/// What a caller may send ahead: of one stream, and of all together. A megabyte fills a line of 100 ms and 80 Mbit/s.
pub const HTTP2_STREAM_WINDOW: u32 = 1 << 20;
pub const HTTP2_CONNECTION_WINDOW: u32 = 2 << 20;
/// What waits for a caller's window, of each stream.
pub const HTTP2_SEND_BYTES_MAX: usize = 64 << 10;
/// A connection of HTTP/2 must answer a ping, now and then.
pub const HTTP2_PING: Duration = Duration::from_secs(20);
pub const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Two round trips and a signature; who takes longer holds a connection for nothing.
pub const TLS_HANDSHAKE: Duration = Duration::from_secs(5);
/// After a reply to a request that was not read to its end: what still comes is thrown away for so long, because a closed
/// port's RST would take the reply with it.
pub const LINGER: Duration = Duration::from_secs(2);
/// Who finds the gateway full should come again after this time.
pub const FULL_RETRY: Duration = Duration::from_secs(1);

pub const COMPILE: CompileLimits = CompileLimits {
    // CPython takes 10 s in an unoptimised build, and 38 s of a core were measured on a machine with ten times its load.
    time: Duration::from_secs(120),
    // CPython takes 400 MB.
    memory_bytes: 1 << 30,
};
/// Hundreds of cases take a second or two in an interpreter, and nobody waits for it but who loads the plugin.
pub const CASES_TIME: Duration = Duration::from_secs(30);

/// Requests that are remembered for `explain` and `replay`: an hour of a busy team, in some ten megabytes.
pub const JOURNAL: usize = 5_000;

/// What the journal may take of the disk, where it is kept there: some hundred thousand requests, and no disk is so small.
pub const JOURNAL_DISK_BYTES: u64 = 1 << 30;

/// How long a fault lasts that operators inject, where they do not say: long enough to see what becomes of it.
pub const FAULT_FOR: &str = "10m";
/// No game day is longer, and whoever forgets what they injected sleeps well.
pub const FAULT_FOR_MAX: Duration = Duration::from_secs(14_400);
/// Injected at once: more than anybody keeps an eye on.
pub const FAULTS_MAX: usize = 32;

/// After SIGTERM, for so long requests are taken while `/readyz` says 503: balancers look every 5 to 10 s. SIGINT skips it.
pub const DRAIN_LEAD: Duration = Duration::from_secs(10);

/// How long streams may run on after a signal to stop.
pub const DRAIN: Duration = Duration::from_secs(120);

/// Protocols whose callers are told the model's name that they asked for, unless `reply_model` says otherwise. Claude Code takes the
/// thoughts out of its history that a model of another name had, and providers refuse a tool's turn without them.
pub const REPLY_MODEL_ASKED: &[&str] = &["anthropic-messages"];

/// The models that stand in when no configuration names any.
pub const ANTHROPIC_MODEL: &str = "claude-sonnet-4-5";
pub const OPENAI_MODEL: &str = "gpt-5";
pub const GEMINI_MODEL: &str = "gemini-2.5-pro";
