//! What must hold after every run, whatever happened in it. Each check says what it saw.

use std::time::Duration;

use pointsman::fake::{Fault, Protocol, Seen};
use pointsman_tests::reply::Reply;
use tokio::time::Instant;

use super::plan::{ATTEMPTS_MAX, OTHER, Plan, TOTAL, Target, WELL_AFTER, What};
use super::world::{History, Outcome};

/// What a request may take beside its provider's usual time, on a route where all is well.
const MOMENT: Duration = Duration::from_secs(1);
/// A target that has been silent to so many attempts for so long is known to be: more than the breakers of these configurations
/// need, and longer than any limit for the first content.
const SILENT_ATTEMPTS: usize = 8;
const SILENT_FOR: Duration = Duration::from_secs(10);
/// Then it may be probed so often.
const PROBE_EVERY: Duration = Duration::from_secs(2);
/// What virtual time may add to a deadline.
const DEADLINE_SPARE: Duration = Duration::from_millis(50);

/// All that is wrong with a run; nothing, if all is well.
pub fn judge(plan: &Plan, history: &History) -> Vec<String> {
    let mut wrong = Vec::new();
    for outcome in &history.outcomes {
        let said: Vec<String> = one(plan, history, outcome);
        let Outcome { ask, status, .. } = outcome;
        let target = outcome.header("x-pointsman-target");
        wrong.extend(said.into_iter().map(|text| {
            let body = String::from_utf8_lossy(&outcome.body);
            let at = ask.at.as_secs_f64();
            format!(
                "ask {} at {at:.3} ({:?}, streamed: {}): {text}; {status} by {target}: {body}",
                ask.number, ask.speaks, ask.stream
            )
        }));
    }
    patience(plan, history, &mut wrong);
    silence(plan, history, &mut wrong);
    for (target, open) in plan.targets.iter().zip(&history.open) {
        if *open > 0 {
            wrong.push(format!("{open} replies of {} are still open at the end", target.name));
        }
    }
    if history.tasks_after != history.tasks_before {
        wrong.push(format!("{} tasks before, {} after", history.tasks_before, history.tasks_after));
    }
    wrong
}

fn one(plan: &Plan, history: &History, outcome: &Outcome) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |holds: bool, text: String| {
        if !holds {
            wrong.push(text);
        }
    };
    let attempts = attempts(history, outcome);
    let counted = attempts.len() - resent(plan, history, &attempts);
    // Beside a request one target may be probed.
    check(counted <= ATTEMPTS_MAX + 1, format!("{counted} attempts, {} requests", attempts.len()));
    // A probe beside the request may be sent again when its connection breaks, which nobody waits for.
    let is_resent = |at: usize, seen: &Seen| {
        let mut before = attempts.iter().filter(|(other, first)| *other == at && first.at < seen.at);
        before.any(|(_, first)| may_break(&plan.targets[at], history, first, seen))
    };
    let begun = attempts.iter().filter(|(at, seen)| !is_resent(*at, seen)).filter_map(|(_, seen)| seen.at);
    let latest = begun.max().unwrap_or(outcome.asked_at);
    let committed = outcome.head_at.filter(|_| outcome.status == 200);
    check(
        plan.splices || committed.is_none_or(|committed| latest <= committed),
        format!("an attempt began after the caller had seen something: {}", times(plan, history, &attempts, committed)),
    );
    let took = outcome.ended_at.saturating_duration_since(outcome.asked_at);
    check(took <= TOTAL + DEADLINE_SPARE, format!("it took {took:?}"));
    if outcome.left {
        return wrong;
    }
    let reply = Reply::read(outcome.ask.speaks, outcome.ask.stream, &outcome.body);
    // After an error event, and only then, the body has no proper end.
    let breaks_off = outcome.status == 200 && reply.ends.first() == Some(&false);
    check(!outcome.broken || breaks_off, "the connection broke".to_owned());
    check(outcome.broken || !breaks_off, "a proper end after an error event".to_owned());
    check(reply.nonsense.is_none(), format!("nonsense: {:?}", reply.nonsense));
    check(reply.ends.len() == 1, format!("its ends: {:?}", reply.ends));
    check(reply.beginnings <= 1, format!("{} beginnings", reply.beginnings));
    let good = reply.ends.first() == Some(&true);
    check((outcome.status == 200) || !good, "a good end and a bad status".to_owned());
    check(outcome.status == 200 || reply.text.is_empty(), "text and a bad status".to_owned());
    if outcome.status == 200 {
        match expected(plan, outcome) {
            Some(expected) if good => {
                check(reply.text == expected, format!("it says {:?}, not {expected:?}", reply.text))
            }
            Some(expected) => {
                check(expected.starts_with(&reply.text), format!("it says {:?}, not {expected:?}", reply.text))
            }
            None => check(false, "no known target".to_owned()),
        }
        check(good || outcome.ask.stream, "200, and no answer".to_owned());
    }
    // Lost, though somebody could have answered. A stream that dies after its beginning is its target's fault.
    let is_other = |target: &Target| target.name == OTHER;
    let asked_for_other = outcome.ask.model() == "other";
    let mut route = plan.targets.iter().filter(|target| is_other(target) == asked_for_other);
    let somebody = route.find(|target| is_well(target, history, outcome));
    if let Some(somebody) = somebody
        && !plan.is_limited
        && (asked_for_other || !plan.is_full)
    {
        // What befalls the targets of another route is nothing to this one: neither is it refused, nor does it wait.
        let waited = outcome.head_at.map(|head_at| head_at.saturating_duration_since(outcome.asked_at));
        let is_soon = waited.is_some_and(|waited| waited <= somebody.well.first_token + MOMENT);
        let waits = asked_for_other && outcome.ask.stream && !is_soon;
        check(!waits, format!("it waited {waited:?} for {}, which was well", somebody.name));
        check(outcome.status == 200, format!("lost, though {} was well", somebody.name));
        let own = outcome.header("x-pointsman-target").starts_with(&somebody.name);
        check(good || !own, "a bad end by a target that was well".to_owned());
    }
    wrong
}

/// When which target was asked, and when the caller saw something.
fn times(plan: &Plan, history: &History, attempts: &[(usize, &Seen)], committed: Option<Instant>) -> String {
    let since = |at: Option<Instant>| at.map_or(0.0, |at| at.saturating_duration_since(history.began).as_secs_f64());
    let asked = attempts.iter().map(|(at, seen)| format!("{} at {:.3}", plan.targets[*at].name, since(seen.at)));
    format!("{}; a head at {:.3}", asked.collect::<Vec<_>>().join(", "), since(committed))
}

/// What the targets saw of one request.
fn attempts<'a>(history: &'a History, outcome: &Outcome) -> Vec<(usize, &'a Seen)> {
    let mark = format!("ask {}:", outcome.ask.number);
    let all = history.seen.iter().enumerate().flat_map(|(target, seen)| seen.iter().map(move |seen| (target, seen)));
    all.filter(|(_, seen)| memchr::memmem::find(&seen.body, mark.as_bytes()).is_some()).collect()
}

/// How many of them were no attempts: a request on a connection that was used before and broke without a reply is sent again,
/// on a fresh one and so only once.
fn resent(plan: &Plan, history: &History, attempts: &[(usize, &Seen)]) -> usize {
    let mut resent = 0;
    for target in 0..plan.targets.len() {
        let mut seen: Vec<&Seen> = attempts.iter().filter(|(at, _)| *at == target).map(|(_, seen)| *seen).collect();
        seen.sort_by_key(|seen| seen.at);
        let mut rest = &seen[..];
        while let [first, again, ..] = rest {
            let is_resent = may_break(&plan.targets[target], history, first, again);
            resent += usize::from(is_resent);
            rest = &rest[if is_resent { 2 } else { 1 }..];
        }
    }
    resent
}

/// The connection of the first one may have broken before the other came.
fn may_break(target: &super::plan::Target, history: &History, first: &Seen, again: &Seen) -> bool {
    let since = |seen: &Seen| seen.at.map_or(Duration::ZERO, |at| at.saturating_duration_since(history.began));
    let (from, to) = (since(first), since(again));
    let overlaps = |trouble: &super::plan::Trouble| trouble.from <= to && from <= trouble.to;
    let of_link = |trouble: &super::plan::Trouble| matches!(trouble.what, What::Link(_)) && overlaps(trouble);
    first.behaviour.fault == Fault::ResetBeforeHeaders || target.troubles.iter().any(of_link)
}

/// What the target that answered would say.
fn expected(plan: &Plan, outcome: &Outcome) -> Option<String> {
    let by = outcome.header("x-pointsman-target");
    let target = plan.targets.iter().find(|target| by == format!("{}/{}", target.name, target.model))?;
    let said: String = outcome.ask.prompt.chars().take(200).collect();
    Some(format!("Hello from {} {}: you said: {said}", target.protocol, target.model))
}

/// Nothing was wrong with the target from long before the request came to its end.
fn is_well(target: &super::plan::Target, history: &History, outcome: &Outcome) -> bool {
    let began = outcome.asked_at.saturating_duration_since(history.began);
    let ended = outcome.ended_at.saturating_duration_since(history.began);
    target.troubles.iter().all(|trouble| trouble.from > ended || trouble.to + WELL_AFTER <= began)
}

/// Who was asked to wait was not asked again too soon.
fn patience(plan: &Plan, history: &History, wrong: &mut Vec<String>) {
    for (target, seen) in plan.targets.iter().zip(&history.seen) {
        // The others never say it.
        let header = match target.protocol {
            Protocol::AnthropicMessages => "x-api-key",
            Protocol::OpenAiChat | Protocol::OpenAiResponses => "authorization",
            Protocol::Gemini => "x-goog-api-key",
            Protocol::Bedrock | Protocol::Ollama => continue,
        };
        for (number, asked) in seen.iter().enumerate() {
            let Fault::Status { status, retry_after_s: Some(seconds) } = asked.behaviour.fault else { continue };
            // Gemini says it in the body, and only of a rate limit.
            if target.protocol == Protocol::Gemini && status != 429 {
                continue;
            }
            // The fake says it after its usual time.
            let Some(told) = asked.at.map(|at| at + asked.behaviour.first_token) else { continue };
            let until = told + Duration::from_secs(seconds);
            let key = asked.header(header);
            let is_told = |at: Instant| at > told && at + Duration::from_millis(1) < until;
            let rash =
                seen[number + 1..].iter().find(|later| later.header(header) == key && later.at.is_some_and(is_told));
            // A caller who left did not let us hear it, nor one who went elsewhere before.
            let heard = history.outcomes.iter().any(|outcome| {
                let is_its = || attempts(history, outcome).iter().any(|(_, seen)| std::ptr::eq(*seen, asked));
                outcome.ended_at >= told && !outcome.left && is_its() && !goes_elsewhere(history, outcome, asked, told)
            });
            if let Some(rash) = rash.filter(|_| heard) {
                let since = |at: Instant| at.saturating_duration_since(history.began).as_secs_f64();
                wrong.push(format!(
                    "{} asked for {seconds} s of patience at {:.3}, and was asked again at {:.3}",
                    target.name,
                    since(told),
                    rash.at.map_or(0.0, since)
                ));
            }
        }
    }
}

/// Did this request's caller turn to somebody else before it was `told`?
fn goes_elsewhere(history: &History, outcome: &Outcome, asked: &Seen, told: Instant) -> bool {
    let between = |at: Option<Instant>| at.is_some_and(|at| asked.at < Some(at) && at < told);
    attempts(history, outcome).iter().any(|(_, other)| between(other.at))
}

/// A target that is known to be silent gets probes now and then, and nobody's request to wait with, while another is well.
fn silence(plan: &Plan, history: &History, wrong: &mut Vec<String>) {
    for Silence { target, known, ends, asked } in silences(plan, history) {
        let most = 2 + ends.saturating_sub(known).as_secs() / PROBE_EVERY.as_secs();
        if asked as u64 > most {
            wrong.push(format!(
                "{target} was known to be silent from {:.3} to {:.3}, and was asked {asked} times then, not {most}",
                known.as_secs_f64(),
                ends.as_secs_f64()
            ));
        }
    }
}

/// A time in which a target is known to be silent, while another is well.
pub struct Silence<'a> {
    target: &'a str,
    known: Duration,
    ends: Duration,
    /// How often it was asked then.
    asked: usize,
}

pub fn silences<'a>(plan: &'a Plan, history: &History) -> Vec<Silence<'a>> {
    let since = |at: Instant| at.saturating_duration_since(history.began);
    let mut silences = Vec::new();
    for (target, seen) in plan.targets.iter().zip(&history.seen) {
        for trouble in &target.troubles {
            let What::Behaves(behaviour) = &trouble.what else { continue };
            let others = plan.targets.iter().filter(|other| other.name != target.name && other.name != OTHER);
            let is_covered = others.flat_map(|other| &other.troubles).all(|of_other| of_other.from > trouble.to);
            if !matches!(behaviour.fault, Fault::HangBeforeHeaders | Fault::HangBeforeContent) || !is_covered {
                continue;
            }
            let times = seen.iter().filter_map(|seen| seen.at.map(since));
            let mut times: Vec<Duration> = times.filter(|at| (trouble.from..trouble.to).contains(at)).collect();
            times.sort();
            let Some(known) = times.get(SILENT_ATTEMPTS - 1).map(|at| *at + SILENT_FOR) else { continue };
            let asked = times.iter().filter(|at| **at >= known).count();
            silences.push(Silence { target: &target.name, known, ends: trouble.to, asked });
        }
    }
    silences
}

/// The plan in words, for whoever looks into a failure.
pub fn told(plan: &Plan) -> String {
    let mut told = String::new();
    for target in &plan.targets {
        told += &format!("{} {} ({:?})\n", target.name, target.protocol, target.well);
        for trouble in &target.troubles {
            let what = match &trouble.what {
                What::Behaves(behaviour) => format!("{behaviour:?}"),
                What::Link(fault) => format!("{fault:?}"),
            };
            told += &format!("  {:.3} to {:.3}: {what}\n", trouble.from.as_secs_f64(), trouble.to.as_secs_f64());
        }
    }
    for (at, text) in &plan.configurations {
        let policy = text.lines().find(|line| line.starts_with("policy")).unwrap_or_default();
        told += &format!("at {:.3}: {policy}\n", at.as_secs_f64());
    }
    told
}
