//! What must hold after every run, whatever happened in it. Each check says what it saw.

use std::time::Duration;

use pointsman::fake::{Fault, Protocol, Seen};
use pointsman_tests::reply::Reply;
use tokio::time::Instant;

use super::plan::{ATTEMPTS_MAX, Plan, TOTAL, WELL_AFTER, What};
use super::world::{History, Outcome};

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
    let latest = attempts.iter().filter_map(|(_, seen)| seen.at).max().unwrap_or(outcome.asked_at);
    let committed = outcome.head_at.filter(|_| outcome.status == 200);
    check(
        committed.is_none_or(|committed| latest <= committed),
        "an attempt began after the caller had seen something".to_owned(),
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
    let somebody = plan.targets.iter().find(|target| is_well(target, history, outcome));
    if let Some(somebody) = somebody
        && !plan.is_limited
    {
        check(outcome.status == 200, format!("lost, though {} was well", somebody.name));
        let own = outcome.header("x-pointsman-target").starts_with(&somebody.name);
        check(good || !own, "a bad end by a target that was well".to_owned());
    }
    wrong
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
            // A caller who left did not let us hear it.
            let heard = history.outcomes.iter().any(|outcome| {
                let mark = format!("ask {}:", outcome.ask.number);
                memchr::memmem::find(&asked.body, mark.as_bytes()).is_some()
                    && outcome.ended_at >= told
                    && !outcome.left
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
