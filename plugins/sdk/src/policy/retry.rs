//! What the built-in policies have in common. A policy says in which order it would have the targets; here it is decided
//! which of them is asked, when, and when it is over:
//!
//! 1. one attempt at a time, and another besides where those that run are late; so many for a request, and none after a fault
//!    that ends it;
//! 2. the best that is ready and was not tried; else the best that is full; else the one that is soonest ready, because
//!    an open breaker is better than no answer;
//! 3. else one that was tried or whose provider asked for patience, after a wait, where that can help.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::faults::{FAULTS, callers_own, fault_named, passes, was_called};
use super::{Circuit, Decision, FaultKind, Setting, Situation, Target, TargetState, attempt, give_up, wait, within};

/// More than the host allows would be a promise that nobody keeps.
const ATTEMPTS_MAX: u32 = 5;
const MINUTES_10_MS: u64 = 600_000;
/// The attribute of a target that tells how many tokens its model reads.
const CONTEXT_TOKENS: &str = "context-tokens";

/// The settings that all built-in policies share. A policy's own settings hold them with `#[serde(flatten)]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct RetrySettings {
    /// Attempts for one request, over all targets. Those that the host did not make are not counted.
    pub attempts: u32,
    /// Milliseconds to wait at most before a target is tried a second time; doubles with each further round. The wait is
    /// random between nothing and that, so that callers do not come back in step.
    pub backoff_ms: u64,
    /// Milliseconds that the doubling stops at.
    pub backoff_max_ms: u64,
    /// Milliseconds that a request may wait for a target whose provider asked for patience, when no other is left.
    pub wait_ms: u64,
    /// Ask another target even when the fault is the caller's own.
    pub retry_callers_own: bool,
    /// What follows a fault, by the fault's name, where it shall differ from the default.
    pub on: BTreeMap<String, Then>,
}

impl Default for RetrySettings {
    fn default() -> Self {
        RetrySettings {
            attempts: 3,
            backoff_ms: 200,
            backoff_max_ms: 10_000,
            wait_ms: 10_000,
            retry_callers_own: false,
            on: BTreeMap::new(),
        }
    }
}

impl RetrySettings {
    /// What a policy that has these settings says of them.
    pub fn about() -> [Setting; 6] {
        let RetrySettings { attempts, backoff_ms, backoff_max_ms, wait_ms, retry_callers_own, .. } = Self::default();
        let (attempts, attempts_max) = (u64::from(attempts), u64::from(ATTEMPTS_MAX));
        [
            Setting::whole("attempts", attempts, 1..=attempts_max, "Attempts for one request, over all targets.").vary_all(),
            Setting::whole(
                "backoff_ms",
                backoff_ms,
                0..=MINUTES_10_MS,
                "Milliseconds, the most to wait before the second attempt at the same target; doubles for each further one.",
            )
            .vary(0..=5_000),
            Setting::whole("backoff_max_ms", backoff_max_ms, 0..=MINUTES_10_MS, "Milliseconds where the doubling stops."),
            Setting::whole(
                "wait_ms",
                wait_ms,
                0..=MINUTES_10_MS,
                "Milliseconds that a request may wait for a target whose provider asked for it, when no other is left.",
            )
            .vary(0..=30_000),
            Setting::flag(
                "retry_callers_own",
                retry_callers_own,
                "Asks another target also when the fault is the caller's own.",
            ),
            Setting::other("on", "{}", "What follows a fault, by its name: `next`, `again`, `larger` or `give-up`."),
        ]
    }
}

/// What follows a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    /// Another target; when all were tried, one of them again where waiting can help.
    Next,
    /// The same target once more after a backoff, unless it is out; then as `Next`.
    Again,
    /// Another target, but none that is known to read no more tokens than this one.
    Larger,
    GiveUp,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Retry {
    settings: RetrySettings,
    on: Vec<(FaultKind, Then)>,
    /// Tokens that the targets read, where that is known.
    context_tokens: Vec<Option<u64>>,
}

impl Retry {
    /// # Errors
    /// A sentence for the operator, as `Policy::open` gives it.
    pub fn open(settings: RetrySettings, targets: &[Target]) -> Result<Self, String> {
        within("attempts", settings.attempts, 1..=ATTEMPTS_MAX)?;
        within("backoff_ms", settings.backoff_ms, 0..=MINUTES_10_MS)?;
        within("backoff_max_ms", settings.backoff_max_ms, settings.backoff_ms..=MINUTES_10_MS)?;
        within("wait_ms", settings.wait_ms, 0..=MINUTES_10_MS)?;
        let on = settings.on.iter().map(|(name, then)| rule(name, *then)).collect::<Result<_, _>>()?;
        Ok(Retry { on, context_tokens: targets.iter().map(context_tokens).collect(), settings })
    }

    /// `order` holds the targets that may be asked, the best first; `why` says for people what makes the first the best.
    pub fn decide(&self, situation: &Situation, order: &[usize], why: &str) -> Decision {
        if !situation.running.is_empty() {
            return self.besides(situation, order);
        }
        if let Some(reason) = self.over(situation) {
            return give_up(reason);
        }
        let order: Vec<usize> = order.iter().copied().filter(|&target| self.may_ask(situation, target)).collect();
        if order.is_empty() {
            return give_up("no target is left that can serve the request");
        }
        self.same_again(situation, &order)
            .or_else(|| another(situation, &order, why))
            .or_else(|| self.after_a_wait(situation, &order))
            .unwrap_or_else(|| give_up("no target is left that another attempt could help soon enough"))
    }

    /// Attempts run: another is made only where all of them are late, and at a target that could answer at once. What runs goes on:
    /// whoever shows content first answers.
    fn besides(&self, situation: &Situation, order: &[usize]) -> Decision {
        if !situation.running.iter().all(|attempt| situation.is_late(attempt.target as usize)) {
            return wait("one attempt at a time");
        }
        self.spare(situation, order)
    }

    /// The best target that is free and was not tried, besides the attempts that run; else these go on.
    pub fn spare(&self, situation: &Situation, order: &[usize]) -> Decision {
        if let Some(reason) = self.over(situation) {
            return wait(format!("an attempt is late, but {reason}"));
        }
        let is_spare = |&&target: &&usize| {
            self.may_ask(situation, target)
                && situation.is_free(target)
                && situation.tried(target) == 0
                && !situation.runs_at(target)
        };
        match order.iter().find(is_spare) {
            Some(&target) => attempt(target, "besides: the attempt that runs is late"),
            None => wait("an attempt is late, but no other target is free"),
        }
    }

    /// Why no further attempt may be made, if so.
    pub fn over(&self, situation: &Situation) -> Option<String> {
        let history = &situation.history;
        let made = made(situation);
        if made >= self.settings.attempts as usize {
            return Some(format!("{made} attempts were made"));
        }
        if situation.attempts_left == 0 {
            return Some("the host allows no further attempt".to_owned());
        }
        let last = history.iter().find(|attempt| self.then(attempt.fault) == Then::GiveUp)?;
        Some(if callers_own(last.fault) {
            "the fault is the caller's own".to_owned()
        } else {
            format!("the fault ends it: {:?}", last.fault)
        })
    }

    fn then(&self, fault: FaultKind) -> Then {
        match self.on.iter().find(|(known, _)| *known == fault) {
            Some((_, then)) => *then,
            None if callers_own(fault) && !self.settings.retry_callers_own => Then::GiveUp,
            None => Then::Next,
        }
    }

    /// Is it able, and not known to read as little as one that found the request too long?
    fn may_ask(&self, situation: &Situation, target: usize) -> bool {
        let tokens = |target: usize| self.context_tokens.get(target).copied().flatten();
        let is_small = situation.history.iter().filter(|failed| self.then(failed.fault) == Then::Larger).any(|failed| {
            matches!((tokens(target), tokens(failed.target as usize)), (Some(here), Some(there)) if here <= there)
        });
        situation.is_able(target) && !is_small
    }

    fn same_again(&self, situation: &Situation, order: &[usize]) -> Option<Decision> {
        let last = situation.history.last().filter(|last| self.then(last.fault) == Then::Again)?;
        let target = last.target as usize;
        let state = situation.targets.get(target).filter(|_| order.contains(&target))?;
        // What else but `Retry-After` would have to pass may take long: another target is better then.
        if situation.tried(target) > 1 || state.circuit == Circuit::Open || state.ready_in_ms > state.retry_after_ms {
            return None;
        }
        let after_ms = self.wait_ms(situation, target)?;
        Some(attempt(target, "the same again, after a backoff").with(|attempt| attempt.after_ms = after_ms))
    }

    /// No target is left but those that were tried or that asked for patience: wait, where that can help.
    fn after_a_wait(&self, situation: &Situation, order: &[usize]) -> Option<Decision> {
        let is_hopeless = |target: usize| {
            situation.history.iter().any(|failed| failed.target as usize == target && !passes(failed.fault))
        };
        // Before the last attempt, one that says when it will serve again is worth the wait: another may still be in trouble.
        let is_last = situation.attempts_left == 1 || made(situation) + 1 == self.settings.attempts as usize;
        let may_fail_again = |target: usize| is_last && situation.targets[target].retry_after_ms == 0;
        let (target, after_ms) = order
            .iter()
            .filter(|&&target| !is_hopeless(target))
            .filter_map(|&target| Some((target, self.wait_ms(situation, target)?)))
            .min_by_key(|&(target, _)| {
                let state = &situation.targets[target];
                (situation.tried(target), may_fail_again(target), state.retry_after_ms, rank(state))
            })?;
        Some(attempt(target, "no other is left: this one, after a wait").with(|attempt| attempt.after_ms = after_ms))
    }

    /// Milliseconds before this target may be asked: its provider's wish, and a random part of the backoff. Nothing when
    /// that is too long.
    fn wait_ms(&self, situation: &Situation, target: usize) -> Option<u64> {
        let settings = &self.settings;
        let retry_after_ms = situation.targets.get(target)?.retry_after_ms;
        let backoff_ms = situation.tried(target).checked_sub(1).map_or(0, |rounds| {
            let most_ms = settings.backoff_ms.saturating_mul(1_u64 << rounds.min(16)).min(settings.backoff_max_ms);
            situation.dice() % (most_ms + 1)
        });
        let after_ms = backoff_ms.max(retry_after_ms);
        let is_bearable = retry_after_ms <= settings.wait_ms.max(settings.backoff_ms);
        (is_bearable && after_ms < situation.remaining_ms).then_some(after_ms)
    }
}

/// Attempts, those that run included.
fn made(situation: &Situation) -> usize {
    situation.history.iter().filter(|attempt| was_called(attempt.fault)).count() + situation.running.len()
}

/// The best target that was not tried and may be asked now.
fn another(situation: &Situation, order: &[usize], why: &str) -> Option<Decision> {
    let untried = || order.iter().copied().filter(|&target| situation.tried(target) == 0);
    let target = untried()
        .filter(|&target| situation.targets[target].retry_after_ms == 0)
        .min_by_key(|&target| rank(&situation.targets[target]))?;
    let why = if situation.history.is_empty() { why } else { "the next" };
    let but = match rank(&situation.targets[target]) {
        (0, _) if untried().next() == Some(target) => "",
        (0, _) => "; those before it are not ready",
        (1, _) => "; full, but none has room",
        _ => "; out, but none is ready",
    };
    Some(attempt(target, format!("{why}{but}")))
}

/// Ready is better than full, and full better than out; of those that are out, the soonest.
fn rank(state: &TargetState) -> (u8, u64) {
    match state {
        _ if !state.is_ready() => (2, state.ready_in_ms),
        _ if state.is_full() => (1, 0),
        _ => (0, 0),
    }
}

fn rule(name: &str, then: Then) -> Result<(FaultKind, Then), String> {
    let Some(fault) = fault_named(name) else {
        let known = FAULTS.map(|(known, _)| known).join(", ");
        return Err(format!("`on` names the fault `{name}`, which is unknown; there are: {known}"));
    };
    if then == Then::Larger && fault != FaultKind::ContextTooLong {
        return Err(format!(
            "`on.{name}` is `larger`, which only `context-too-long` may be; else `next`, `again`, `give-up`"
        ));
    }
    Ok((fault, then))
}

fn context_tokens(target: &Target) -> Option<u64> {
    target.attributes.iter().find(|attribute| attribute.name == CONTEXT_TOKENS)?.value.parse().ok()
}
