//! What is remembered of one request: the headers that tell its caller, and the one line in the log at its end.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

use super::Gateway;
use super::asked::Asked;
use super::begun::Failed;
use super::charge::Charge;
use super::commit::Facts;
use super::decide::Step;
use super::endpoint::Endpoint;
use super::exchange::{COUNT_TOKENS, Exchange};
use super::game_day::Befell;
use super::listed::listed;
use super::load::Held;
use super::race::Runner;
use super::spent::{self, Spent};
use super::trace::Trace;
use crate::callers::Admitted;
use crate::config::Caller;
use crate::health::{Blame, blame};
use crate::journal::{Deliberation, Entry};
use crate::plugin::Tally;
use crate::plugin::bindings::chat::Usage;
use crate::plugin::bindings::faults::Fault;

/// What is named as dropped where a part of a reply, such as an image, was left out.
pub const LOST_CONTENT: &str = "reply.content";
/// Deliberations of one request that are kept. With a route's targets and cut texts they bound an entry of the journal.
const DELIBERATIONS_MAX: usize = 32;

/// What is remembered of one request while it runs. Dropped without an end, the caller has left.
pub struct Record {
    line: Option<Line>,
}

struct Line {
    id: String,
    protocol: String,
    operation: String,
    arrived: Instant,
    /// The name of the caller's key.
    caller: String,
    /// Of the caller's trace, if its request belongs to one.
    trace: Option<String>,
    admitted: Option<Admitted>,
    /// Of the gateway's memory.
    held: Option<Held>,
    model: String,
    stream: bool,
    policy: String,
    attempts: u32,
    target: String,
    reason: String,
    dropped: Vec<String>,
    estimated: bool,
    skipped: Vec<String>,
    outrun: Vec<String>,
    spliced: Vec<String>,
    spent: Vec<Spent>,
    befell: Befell,
    first_token: Option<Duration>,
    usage: Option<Usage>,
    /// Of content that its caller was sent.
    content_bytes: usize,
    outcome: Outcome,
    story: Story,
}

/// What the journal wants to know besides.
struct Story {
    gateway: Arc<Gateway>,
    route: String,
    targets: Vec<String>,
    deliberations: Vec<Deliberation>,
    /// Of the version that decided.
    policy: Option<Arc<Tally>>,
    /// Of the version that spoke to the caller.
    endpoint: Arc<Tally>,
    /// Nobody but the caller is to blame for how it ended.
    is_callers_own: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    CallerLeft,
    Done,
    Failed(String),
    Refused(String),
}

impl Record {
    pub fn begin(gateway: &Arc<Gateway>, endpoint: &Endpoint) -> Record {
        let story = Story {
            gateway: Arc::clone(gateway),
            route: String::new(),
            targets: Vec::new(),
            deliberations: Vec::new(),
            policy: None,
            endpoint: Arc::clone(&endpoint.plugin.tally),
            is_callers_own: false,
        };
        let line = Line {
            id: format!("pm_{:016x}", gateway.clock.random()),
            protocol: endpoint.protocol.clone(),
            operation: endpoint.operation.clone(),
            arrived: Instant::now(),
            caller: String::new(),
            trace: None,
            admitted: None,
            held: None,
            model: String::new(),
            stream: false,
            policy: String::new(),
            attempts: 0,
            target: String::new(),
            reason: String::new(),
            dropped: Vec::new(),
            estimated: false,
            skipped: Vec::new(),
            outrun: Vec::new(),
            spliced: Vec::new(),
            spent: Vec::new(),
            befell: Befell::default(),
            first_token: None,
            usage: None,
            content_bytes: 0,
            outcome: Outcome::CallerLeft,
            story,
        };
        Record { line: Some(line) }
    }

    /// The record itself; what stays behind is empty.
    pub fn take(&mut self) -> Record {
        Record { line: self.line.take() }
    }

    fn note(&mut self, change: impl FnOnce(&mut Line)) {
        if let Some(line) = &mut self.line {
            change(line);
        }
    }

    pub fn caller(&mut self, caller: Option<&Caller>) {
        self.note(|line| line.caller = caller.map(|caller| caller.name.clone()).unwrap_or_default());
    }

    pub fn trace(&mut self, headers: &HeaderMap) {
        self.note(|line| line.trace = Trace::of(headers).map(|trace| trace.id().to_owned()));
    }

    /// The caller's limits allow it. They hear what it used when the request is over.
    pub fn admitted(&mut self, admitted: Option<Admitted>) {
        self.note(|line| line.admitted = admitted);
    }

    /// What it takes of the gateway's memory goes with it.
    pub fn held(&mut self, held: Held) {
        self.note(|line| line.held = Some(held));
    }

    pub fn id(&self) -> String {
        self.line.as_ref().map(|line| line.id.clone()).unwrap_or_default()
    }

    pub fn its_admission(&mut self) -> Option<&mut Admitted> {
        self.line.as_mut()?.admitted.as_mut()
    }

    pub fn asked(&mut self, asked: &Asked) {
        self.note(|line| {
            line.model.clone_from(&asked.model);
            line.stream = asked.stream;
        });
    }

    pub fn route(&mut self, exchange: &Exchange) {
        let plugin = &exchange.policy().plugin;
        self.note(|line| {
            line.policy = format!("{}@{}", plugin.name, plugin.digest12());
            line.befell = exchange.befell.clone();
            line.story.route = exchange.route.pattern.to_string();
            line.story.policy = Some(Arc::clone(&plugin.tally));
            line.story.targets = (0..exchange.route.targets.len()).map(|target| exchange.name(target)).collect();
        });
    }

    /// The policy was asked.
    pub fn deliberated(&mut self, deliberation: Option<Deliberation>) {
        self.note(|line| {
            let kept = &mut line.story.deliberations;
            // The newest one always: it says how the request ended.
            kept.truncate(DELIBERATIONS_MAX - usize::from(deliberation.is_some()));
            kept.extend(deliberation);
        });
    }

    /// Which targets cannot serve the request, and why.
    pub fn unable(&mut self, exchange: &Exchange) {
        let told = exchange.unable.iter().enumerate().filter_map(|(target, reason)| {
            reason.as_ref().map(|reason| format!("{}: {reason}", exchange.name(target)))
        });
        let told = told.collect();
        self.note(|line| line.skipped = told);
    }

    pub fn attempt(&mut self, exchange: &Exchange, step: &Step) {
        self.note(|line| {
            line.attempts += 1;
            line.target = exchange.name(step.target);
            line.reason.clone_from(&step.reason);
        });
    }

    /// Its provider may have counted tokens before it failed.
    pub fn failed_attempt(&mut self, exchange: &Exchange, failed: &Failed) {
        let spent = Spent::new(exchange.name(failed.target), failed.used, None);
        self.note(|line| line.spent.extend(spent));
    }

    /// Attempts that were cancelled because another showed content first. Where nobody told what they cost, it is at least
    /// their input.
    pub fn outrun(&mut self, exchange: &Exchange, losers: &[Runner]) {
        let guess = exchange.body.len() as u64 / 4;
        self.note(|line| {
            for loser in losers {
                let name = exchange.name(loser.target);
                line.outrun.push(name.clone());
                line.spent.extend(Spent::new(name, loser.told.usage(), Some(guess)));
            }
        });
    }

    /// Another target goes on with a reply that broke off.
    pub fn spliced(&mut self, target: &str) {
        self.note(|line| {
            line.attempts += 1;
            line.spliced.push(target.to_owned());
        });
    }

    pub fn answered(&mut self, facts: &Facts) {
        self.note(|line| {
            line.target.clone_from(&facts.target);
            line.dropped.clone_from(&facts.dropped);
            line.estimated = facts.estimated;
            line.first_token = Some(line.arrived.elapsed());
            line.usage = facts.usage;
            line.content_bytes = facts.content_bytes;
        });
    }

    pub fn usage(&mut self, usage: Option<Usage>) {
        self.note(|line| line.usage = usage.or(line.usage));
    }

    /// Content of the reply was left out, because the caller's protocol has no word for it.
    pub fn lost_content(&mut self) {
        self.note(|line| {
            if !line.has_lost_content() {
                line.dropped.push(LOST_CONTENT.to_owned());
            }
        });
    }

    /// The caller is sent so much content more.
    pub fn content(&mut self, bytes: usize) {
        self.note(|line| line.content_bytes = line.content_bytes.saturating_add(bytes));
    }

    pub fn done(&mut self) {
        self.note(|line| line.outcome = Outcome::Done);
    }

    pub fn failed(&mut self, fault: &Fault) {
        self.note(|line| line.outcome = Outcome::Failed(told(fault)));
    }

    pub fn refused(&mut self, fault: &Fault) {
        self.note(|line| {
            line.story.is_callers_own = blame(fault.kind) == Blame::Caller;
            line.outcome = Outcome::Refused(told(fault));
        });
    }

    /// What the caller is told of the way that its request took.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let Some(line) = &self.line else { return headers };
        let mut tell = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::try_from(value)
                && !value.is_empty()
            {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        tell("x-pointsman-request-id", &line.id);
        tell("x-pointsman-target", &line.target);
        tell("x-pointsman-attempts", &line.attempts.to_string());
        tell("x-pointsman-policy", &line.policy);
        tell("x-pointsman-dropped", &listed(&line.dropped, ", "));
        tell("x-pointsman-skipped", &listed(&line.skipped, "; "));
        tell("x-pointsman-outrun", &listed(&line.outrun, ", "));
        tell("x-pointsman-fault", &line.befell.ids().join(", "));
        tell("x-pointsman-estimated", if line.estimated { "input-tokens" } else { "" });
        headers
    }
}

impl Line {
    fn has_lost_content(&self) -> bool {
        self.dropped.iter().any(|field| field == LOST_CONTENT)
    }

    /// The tokens that its caller is charged for. `guess`: those that were counted when it came.
    fn tokens(&self, guess: u64) -> u64 {
        let is_refused = matches!(self.outcome, Outcome::Refused(_)) && self.usage.is_none();
        if self.operation == COUNT_TOKENS || is_refused {
            return 0;
        }
        let is_complete = self.outcome == Outcome::Done;
        Charge { usage: self.usage, is_complete, guess, content_bytes: self.content_bytes }.tokens()
    }
}

impl Line {
    /// The versions that served it hear how it ended, and the journal of all.
    fn remember(self, outcome: &str, why: String, usage: Usage) {
        let lost_content = self.has_lost_content();
        let is_good = self.outcome == Outcome::Done;
        if self.outcome != Outcome::CallerLeft {
            // That it is the caller's own fault is an adapter's word: a bad version may say it of good requests.
            self.story.endpoint.note_outcome(is_good);
            if let Some(policy) = self.story.policy.filter(|_| !self.story.is_callers_own) {
                policy.note_outcome(is_good);
            }
        }
        let gateway = self.story.gateway;
        let settings = gateway.table().config.journal;
        if settings.is_off() {
            return;
        }
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let total_ms = millis(self.arrived.elapsed());
        let entry = Entry {
            id: self.id,
            at_unix_ms: millis(gateway.clock.unix()).saturating_sub(total_ms),
            route: self.story.route,
            model: self.model,
            protocol: self.protocol,
            operation: self.operation,
            stream: self.stream,
            caller: self.caller,
            policy: self.policy,
            targets: self.story.targets,
            deliberations: self.story.deliberations,
            answered_by: self.target,
            spent: self.spent,
            injected: self.befell.all(),
            lost_content,
            left_out: 0,
            outcome: outcome.to_owned(),
            why,
            first_token_ms: self.first_token.map(millis),
            total_ms,
            input_tokens: usage.input,
            cache_read_tokens: usage.cache_read,
            cache_write_tokens: usage.cache_write,
            output_tokens: usage.output,
            reasoning_tokens: usage.reasoning,
        };
        gateway.journal.add(entry, settings);
    }
}

/// Kind and status. The message can quote the caller's prompt, and stays out of the log.
fn told(fault: &Fault) -> String {
    match fault.status {
        0 => fault.kind.word(),
        status => format!("{} ({status})", fault.kind.word()),
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let Some(mut line) = self.line.take() else { return };
        if let Some(mut admitted) = line.admitted.take() {
            let tokens = line.tokens(admitted.tokens());
            admitted.settle(tokens, Instant::now());
        }
        let (outcome, why) = match &line.outcome {
            Outcome::CallerLeft => ("caller-left", ""),
            Outcome::Done => ("done", ""),
            Outcome::Failed(why) => ("failed", why.as_str()),
            Outcome::Refused(why) => ("refused", why.as_str()),
        };
        let why = why.to_owned();
        let injected = line.befell.ids();
        let usage = line.usage.unwrap_or(Usage { input: 0, output: 0, cache_read: 0, cache_write: 0, reasoning: 0 });
        tracing::info!(
            id = %line.id,
            trace_id = line.trace.as_deref(),
            protocol = %line.protocol,
            caller = (!line.caller.is_empty()).then_some(line.caller.as_str()),
            // Callers choose these: quoted, so that no line break of theirs begins a line of ours.
            model = line.model.as_str(),
            stream = line.stream,
            target = line.target.as_str(),
            attempts = line.attempts,
            policy = %line.policy,
            reason = %line.reason,
            outcome,
            why = %why,
            first_token_ms = line.first_token.map(|elapsed| u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)),
            total_ms = u64::try_from(line.arrived.elapsed().as_millis()).unwrap_or(u64::MAX),
            input_tokens = usage.input,
            cache_read_tokens = Some(usage.cache_read).filter(|tokens| *tokens > 0),
            cache_write_tokens = Some(usage.cache_write).filter(|tokens| *tokens > 0),
            output_tokens = usage.output,
            spliced = (!line.spliced.is_empty()).then(|| line.spliced.join(", ")),
            outrun = (!line.outrun.is_empty()).then(|| line.outrun.join(", ")),
            injected = (!injected.is_empty()).then(|| injected.join(", ")),
            // Not the other fields that were dropped: callers choose their names.
            dropped = line.has_lost_content().then_some(LOST_CONTENT),
            // Of attempts that did not answer.
            spent_input_tokens = spent::sum(&line.spent, |spent| spent.input_tokens),
            spent_output_tokens = spent::sum(&line.spent, |spent| spent.output_tokens),
            "request"
        );
        line.remember(outcome, why, usage);
    }
}
