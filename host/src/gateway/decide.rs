//! What next? The policy's answer, checked as if a stranger had given it; where it has none, the configured order.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::about;
use super::begun::Failed;
use super::exchange::Exchange;
use super::race::Runner;
use super::spent::Told;
use crate::health::{Blame, Health, blame};
use crate::journal::{Deliberation, Difference, What};
use crate::plugin::bindings::faults::FaultKind;
use crate::plugin::bindings::policy::{
    Action, Attempt, AttemptReport, Attribute, Circuit, Decision, RequestFacts, RunningAttempt, Situation, TargetState,
};
use crate::plugin::{PluginFault, kept, nonsense};
use crate::upstream::SentAt;

/// Decisions for one request that lead to an attempt, those included that the host does not make because a target is busy.
const DECISIONS_MAX: usize = 16;

/// What comes next for a request.
pub enum Next {
    Attempt(Step),
    /// Something runs, and nothing is to be done but wait for it.
    Wait,
    /// Nothing runs, and nothing more shall. The reason is for the logs.
    GiveUp(String),
}

/// An attempt that will be made.
#[derive(Clone, Debug)]
pub struct Step {
    /// Position in the route's targets: in range.
    pub target: usize,
    pub after: Duration,
    /// To the first content of a streamed reply, to the end of another.
    pub first_token: Duration,
    pub idle: Duration,
    /// From the start of the attempt: when the policy wants to be asked again, if there is no content yet.
    pub hedge_after: Option<Duration>,
    /// When it is late, from the moment its request is sent, and who knows of its target. `None` if nobody waits for that.
    pub late: Option<(Duration, Arc<Health>)>,
    /// The request was not sent anywhere yet.
    pub is_first: bool,
    /// The target was out for a while: this attempt finds out whether it is well again, and only one may.
    pub is_probe: bool,
    pub reason: String,
    /// Of what it uses.
    pub told: Told,
    /// When its request left.
    pub sent_at: SentAt,
}

/// Ask the policy; when it misbehaves, go by the configured order.
pub async fn next(exchange: &Exchange, history: &[Failed], running: &[Runner]) -> (Next, Option<Deliberation>) {
    if let Some(enough) = enough(exchange, history, running) {
        return (or_wait(running, enough), None);
    }
    let situation = situation(exchange, history, running);
    let policy = exchange.policy();
    let said = policy.decide(&situation).await;
    let mut overruled = None;
    let decided = match &said {
        // It never asked to be asked about what runs, and answered as if nothing did.
        Ok(decision) if is_asked_for_lateness(running) && runs_at(&situation, decision) => Ok(Next::Wait),
        Ok(decision) => check(decision.clone(), exchange, &situation).inspect_err(|fault| {
            policy.plugin.tally.note_fault(fault);
            overruled = Some(format!("the configured order, because {fault}"));
        }),
        Err(fault) => Err(fault.clone()),
    };
    let mut next = or_wait(running, decided.unwrap_or_else(|_| in_order(exchange, history, &situation)));
    if matches!(next, Next::Attempt(_)) && is_paid_hedge(&situation) && !exchange.may_hedge() {
        overruled = Some("wait, because the budget for hedges is used up".to_owned());
        next = Next::Wait;
    }
    let shadow = shadow(exchange, &situation, said.as_ref().ok()).await;
    let said = said.map_err(|fault| kept(fault.to_string()));
    let overruled = overruled.map(kept);
    let deliberation = Deliberation { situation, said, overruled, shadow };
    note_difference(exchange, &deliberation);
    (next, Some(deliberation))
}

/// The host asks because an attempt is late, and not because the policy wanted it.
fn is_asked_for_lateness(running: &[Runner]) -> bool {
    running.iter().any(Runner::is_late)
}

fn runs_at(situation: &Situation, decision: &Decision) -> bool {
    let Action::Attempt(attempt) = &decision.action else { return false };
    situation.running.iter().any(|running| running.target == attempt.target)
}

/// What the version in the shadow would have said. It is never obeyed.
async fn shadow(
    exchange: &Exchange,
    situation: &Situation,
    said: Option<&Decision>,
) -> Option<Result<Decision, String>> {
    // Beside the live version, not beside one that is itself on trial.
    let shadow = exchange.route.shadow.as_ref().filter(|_| exchange.is_live())?;
    let decision = shadow.decide(situation).await;
    if let (Ok(decision), Some(said)) = (&decision, said) {
        shadow.plugin.tally.note_comparison(decision.action == said.action);
    }
    Some(decision.map_err(|fault| kept(fault.to_string())))
}

fn note_difference(exchange: &Exchange, deliberation: &Deliberation) {
    let (Some(version), Some(shadow)) = (&exchange.route.shadow, &deliberation.shadow) else { return };
    let Ok(said) = &deliberation.said else { return };
    if shadow.as_ref().is_ok_and(|shadow| shadow.action == said.action) {
        return;
    }
    let targets = (0..exchange.route.targets.len()).map(|target| exchange.name(target)).collect();
    let live = &exchange.policy().plugin;
    let difference = Difference {
        request: exchange.id.clone(),
        at_unix_ms: deliberation.situation.now_unix_ms,
        route: exchange.route.pattern.to_string(),
        live: format!("{live:?}"),
        shadow: format!("{:?}", version.plugin),
        what: What::Decision { targets, deliberation: Box::new(deliberation.clone()) },
    };
    exchange.gateway.differences.add(&live.name, difference);
}

/// Attempts that were made, in this sense: the target was asked.
fn made(history: &[Failed]) -> usize {
    history.iter().filter(|failed| failed.fault.kind != FaultKind::Busy).count()
}

fn enough(exchange: &Exchange, history: &[Failed], running: &[Runner]) -> Option<Next> {
    let max = exchange.route.holds.attempts.max;
    if made(history) + running.len() >= max {
        return Some(Next::GiveUp(format!("{max} attempts were made")));
    }
    (history.len() >= DECISIONS_MAX).then(|| Next::GiveUp(format!("{DECISIONS_MAX} decisions led nowhere")))
}

/// May another attempt follow the one that runs, which is not in the history?
pub fn has_attempt_left(exchange: &Exchange, history: &[Failed]) -> bool {
    made(history) + 1 < exchange.route.holds.attempts.max && history.len() + 1 < DECISIONS_MAX
}

/// Is a further attempt one too many, unless the first is lost? Where all that run wait at targets that are out, it is a failover.
fn is_paid_hedge(situation: &Situation) -> bool {
    let is_closed =
        |target: u32| situation.targets.get(target as usize).is_some_and(|state| state.circuit == Circuit::Closed);
    situation.running.iter().any(|running| is_closed(running.target))
}

/// A reply broke off after the caller saw its beginning: who goes on? Only a policy that answers well is heard.
pub async fn continuing(exchange: &Exchange, history: &[Failed]) -> Next {
    if let Some(enough) = enough(exchange, history, &[]) {
        return enough;
    }
    let mut situation = situation(exchange, history, &[]);
    situation.request.continuing = true;
    for (state, target) in situation.targets.iter_mut().zip(&exchange.route.targets) {
        let facts = target.facts(&exchange.asked.model, &exchange.table.config.facts);
        state.able &= facts.prefill == Some(true);
    }
    let policy = exchange.policy();
    let nobody = || Next::GiveUp("nobody can go on".to_owned());
    if !situation.targets.iter().any(|target| target.able) {
        return nobody();
    }
    let Ok(decision) = policy.decide(&situation).await else { return nobody() };
    match check(decision, exchange, &situation) {
        Ok(Next::Attempt(step)) if situation.targets[step.target].able => Next::Attempt(step),
        Ok(_) => nobody(),
        Err(fault) => {
            policy.plugin.tally.note_fault(&fault);
            nobody()
        }
    }
}

/// A request is not given up while an attempt of it runs.
fn or_wait(running: &[Runner], next: Next) -> Next {
    match next {
        Next::GiveUp(_) if !running.is_empty() => Next::Wait,
        next => next,
    }
}

fn situation(exchange: &Exchange, history: &[Failed], running: &[Runner]) -> Situation {
    let now = Instant::now();
    let body_bytes = exchange.body.len() as u64;
    let about = &exchange.asked.about;
    Situation {
        request: RequestFacts {
            operation: exchange.endpoint.operation.clone(),
            protocol: exchange.endpoint.protocol.clone(),
            stream: exchange.asked.stream,
            body_bytes,
            input_tokens_estimate: body_bytes / 4,
            tools: about.tools,
            images: about.images,
            documents: about.documents,
            audio: about.audio,
            caller: exchange.caller.as_ref().map(|caller| caller.name.clone()).unwrap_or_default(),
            conversation: about.conversation,
            continuing: false,
            attributes: about::headers(&exchange.head.headers, &exchange.route.policy_headers),
        },
        targets: exchange.target_states(history, now),
        history: history.iter().map(report).collect(),
        running: running
            .iter()
            .map(|runner| RunningAttempt {
                target: u32::try_from(runner.target).unwrap_or(u32::MAX),
                started_at_ms: millis(runner.starts.saturating_duration_since(exchange.arrived)),
            })
            .collect(),
        elapsed_ms: millis(now.saturating_duration_since(exchange.arrived)),
        remaining_ms: millis(exchange.deadline.saturating_duration_since(now)),
        attempts_left: {
            let left = exchange.route.holds.attempts.max.saturating_sub(made(history) + running.len());
            u32::try_from(left).unwrap_or(u32::MAX)
        },
        now_unix_ms: millis(exchange.gateway.clock.unix()),
        random: exchange.random,
        sequence: exchange.sequence,
        attributes: late(running).into_iter().collect(),
    }
}

/// Which of the attempts that run are late, by their targets' positions. `None` if none is.
fn late(running: &[Runner]) -> Option<Attribute> {
    let late = running.iter().filter(|runner| runner.is_late()).map(|runner| runner.target.to_string());
    let value = late.collect::<Vec<_>>().join(",");
    (!value.is_empty()).then(|| Attribute { name: "late".to_owned(), value })
}

fn report(failed: &Failed) -> AttemptReport {
    AttemptReport {
        target: u32::try_from(failed.target).unwrap_or(u32::MAX),
        started_at_ms: millis(failed.started_at),
        elapsed_ms: millis(failed.elapsed),
        fault: failed.fault.kind,
        status: failed.fault.status,
        retry_after_ms: failed.fault.retry_after_ms,
        attributes: Vec::new(),
    }
}

fn check(decision: Decision, exchange: &Exchange, situation: &Situation) -> Result<Next, PluginFault> {
    if let Some(text) = nonsense(situation, &decision) {
        return Err(PluginFault::Nonsense(text));
    }
    let reason = decision.reason;
    let attempt = match decision.action {
        Action::GiveUp => return Ok(Next::GiveUp(reason)),
        Action::Wait => return Ok(Next::Wait),
        Action::Attempt(attempt) => attempt,
    };
    let state = &situation.targets[attempt.target as usize];
    Ok(step(&attempt, state, exchange, situation, reason))
}

/// The host's own order: the first target that is ready and was not tried.
fn in_order(exchange: &Exchange, history: &[Failed], situation: &Situation) -> Next {
    if !situation.running.is_empty() {
        return Next::Wait;
    }
    let callers_own = |failed: &Failed| blame(failed.fault.kind) == Blame::Caller;
    if history.last().is_some_and(callers_own) {
        return Next::GiveUp("the fault is the caller's own".to_owned());
    }
    let untried = (0..situation.targets.len())
        .filter(|&target| situation.targets[target].able && history.iter().all(|failed| failed.target != target));
    let Some(target) = untried.min_by_key(|&target| (situation.targets[target].ready_in_ms, target)) else {
        return Next::GiveUp("every target that can serve the request was tried, in the configured order".to_owned());
    };
    let attempt = Attempt {
        target: u32::try_from(target).unwrap_or(u32::MAX),
        after_ms: 0,
        first_token_timeout_ms: None,
        idle_timeout_ms: None,
        hedge_after_ms: None,
    };
    let reason = "the configured order, because the policy misbehaved".to_owned();
    step(&attempt, &situation.targets[target], exchange, situation, reason)
}

fn step(attempt: &Attempt, state: &TargetState, exchange: &Exchange, situation: &Situation, reason: String) -> Next {
    let after_ms = attempt.after_ms.max(state.retry_after_ms);
    if after_ms >= situation.remaining_ms {
        return Next::GiveUp(format!("the deadline comes before the next attempt may start ({reason})"));
    }
    let target = &exchange.route.targets[attempt.target as usize];
    let (timeouts, health) = (&target.holds.timeouts, exchange.health(target));
    let configured = if exchange.asked.stream { timeouts.first_token } else { timeouts.reply };
    // A policy may say any number; one that reaches past the deadline means no more than the deadline.
    let within = |millis: Option<u64>| millis.map(|millis| Duration::from_millis(millis.max(1)).min(timeouts.total));
    Next::Attempt(Step {
        target: attempt.target as usize,
        after: Duration::from_millis(after_ms),
        first_token: within(attempt.first_token_timeout_ms).unwrap_or(configured),
        idle: within(attempt.idle_timeout_ms).unwrap_or(timeouts.idle),
        hedge_after: within(attempt.hedge_after_ms),
        late: timeouts.adaptive.then(|| (health.late_after(exchange.form()), health)),
        is_first: situation.running.is_empty()
            && situation.history.iter().all(|report| report.fault == FaultKind::Busy),
        is_probe: state.circuit == Circuit::HalfOpen && state.ready_in_ms == 0,
        reason,
        told: Told::default(),
        sent_at: SentAt::default(),
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
