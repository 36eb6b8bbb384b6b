//! The story of one request, in plain words.

use std::fmt::Write as _;

use super::{Deliberation, Entry};
use crate::gateway::{Injected, Spent};
use crate::plugin::bindings::policy::{Action, AttemptReport, Circuit, Decision, TargetState};
use crate::plugin::shown;

/// What happened, a line for each thing.
pub fn story(entry: &Entry) -> String {
    let mut story = String::new();
    // Writing to a String cannot fail.
    let mut tell = |line: String| {
        let _ = writeln!(story, "{}", shown(&line));
    };
    let streamed = if entry.stream { ", streamed" } else { "" };
    let caller = if entry.caller.is_empty() { String::new() } else { format!(", by {}", entry.caller) };
    tell(format!("{}: {} for `{}` in {}{streamed}{caller}", entry.id, entry.operation, entry.model, entry.protocol));
    if entry.route.is_empty() {
        tell("it came to no route".to_owned());
    } else {
        tell(format!("route {}, policy {}", entry.route, entry.policy));
    }
    let (mut told, mut injected) = (0, entry.injected.iter().collect::<Vec<_>>());
    for deliberation in &entry.deliberations {
        let situation = &deliberation.situation;
        for report in situation.history.iter().skip(told) {
            let ended_at_ms = report.started_at_ms.saturating_add(report.elapsed_ms);
            let target = name(&entry.targets, report.target);
            // Parts of milliseconds are left out of both.
            let befell =
                injected.extract_if(.., |one| one.target == target && one.at_ms <= ended_at_ms.saturating_add(1));
            befell.for_each(|one| tell(injection(one)));
            tell(format!("{}{}", at(ended_at_ms), failure(&entry.targets, report)));
        }
        told = situation.history.len();
        tell(format!("{}{}", at(situation.elapsed_ms), said(entry, deliberation)));
        for (target, state) in entry.targets.iter().zip(&situation.targets) {
            tell(format!("{:12}{target}: {}", "", health(state)));
        }
    }
    injected.into_iter().for_each(|one| tell(injection(one)));
    if entry.left_out > 0 {
        tell(format!(
            "{:12}{} things were left out: this was more than the journal keeps of one request",
            "", entry.left_out
        ));
    }
    if let Some(first_token_ms) = entry.first_token_ms {
        tell(format!("{}first content, from {}", at(first_token_ms), entry.answered_by));
    }
    if entry.lost_content {
        tell(format!("{:12}a part of the reply was left out: {} has no word for it", "", entry.protocol));
    }
    for Spent { target, input_tokens, output_tokens, told } in &entry.spent {
        let by = if *told { "as its provider told" } else { "a guess: its provider told nothing" };
        tell(format!(
            "{:12}{target} did not answer, and used {input_tokens} tokens in, {output_tokens} out ({by})",
            ""
        ));
    }
    let why = if entry.why.is_empty() { String::new() } else { format!(": {}", entry.why) };
    let tokens = match (entry.input_tokens, entry.output_tokens) {
        (0, 0) => String::new(),
        (input, output) => format!(", {input} tokens in{} and {output} out", cached(entry)),
    };
    tell(format!("{}{}{why}{tokens}", at(entry.total_ms), end(&entry.outcome)));
    story
}

/// What of the input went by the provider's cache.
fn cached(entry: &Entry) -> String {
    match (entry.cache_read_tokens, entry.cache_write_tokens) {
        (0, 0) => String::new(),
        (read, 0) => format!(" ({read} read from the cache)"),
        (0, written) => format!(" ({written} written to the cache)"),
        (read, written) => format!(" ({read} read from the cache, {written} written to it)"),
    }
}

fn at(ms: u64) -> String {
    format!("{:>8} ms ", format!("+{ms}"))
}

fn injection(Injected { fault, kind, target, at_ms }: &Injected) -> String {
    format!("{}an operator's fault befell {target}: {kind} ({fault})", at(*at_ms))
}

fn end(outcome: &str) -> &str {
    match outcome {
        "done" => "done",
        "failed" => "the reply broke off after its beginning, and the caller was told",
        "refused" => "the caller was told why there is no answer",
        "caller-left" => "the caller had left",
        other => other,
    }
}

fn name(targets: &[String], target: u32) -> &str {
    targets.get(target as usize).map_or("a target that is not there", String::as_str)
}

pub(super) fn failure(targets: &[String], report: &AttemptReport) -> String {
    let status = if report.status == 0 { String::new() } else { format!(" ({})", report.status) };
    let patience = report.retry_after_ms.map(|ms| format!(", asks for {ms} ms of patience")).unwrap_or_default();
    let (target, fault, elapsed_ms) = (name(targets, report.target), report.fault.word(), report.elapsed_ms);
    format!("{target} failed: {fault}{status} after {elapsed_ms} ms{patience}")
}

fn said(entry: &Entry, deliberation: &Deliberation) -> String {
    let mut said = match &deliberation.said {
        Ok(decision) => format!("the policy: {}", did(&entry.targets, decision)),
        Err(fault) => format!("the policy failed ({fault})"),
    };
    if let Some(overruled) = &deliberation.overruled {
        said += &format!("; instead: {overruled}");
    }
    match &deliberation.shadow {
        Some(Ok(shadow)) if deliberation.said.as_ref().is_ok_and(|said| said.action == shadow.action) => {}
        Some(Ok(shadow)) => said += &format!("; in the shadow: {}", did(&entry.targets, shadow)),
        Some(Err(fault)) => said += &format!("; the version in the shadow failed ({fault})"),
        None => {}
    }
    said
}

/// What a decision says, in words; `targets` are the route's.
pub fn did(targets: &[String], decision: &Decision) -> String {
    let what = match &decision.action {
        Action::Attempt(attempt) => {
            let after = if attempt.after_ms > 0 { format!(" in {} ms", attempt.after_ms) } else { String::new() };
            let hedge = attempt.hedge_after_ms.map(|ms| format!(", and look again after {ms} ms")).unwrap_or_default();
            format!("ask {}{after}{hedge}", name(targets, attempt.target))
        }
        Action::Wait => "wait for what runs".to_owned(),
        Action::GiveUp => "give up".to_owned(),
    };
    if decision.reason.is_empty() { what } else { format!("{what} ({})", decision.reason) }
}

pub(super) fn health(state: &TargetState) -> String {
    if !state.able {
        return "cannot serve this request".to_owned();
    }
    let mut words = vec![
        match state.circuit {
            Circuit::Closed => "closed",
            Circuit::HalfOpen => "half-open",
            Circuit::Open => "open",
        }
        .to_owned(),
    ];
    if state.retry_after_ms > 0 {
        words.push(format!("asked for {} ms of patience", state.retry_after_ms));
    } else if state.ready_in_ms > 0 {
        words.push(format!("ready in {} ms", state.ready_in_ms));
    }
    if state.samples > 0 {
        words.push(format!("{:.0} % good of {}", state.success_rate * 100.0, state.samples));
    }
    if let Some(first_token_ms) = state.first_token_ms {
        words.push(format!("first token {first_token_ms:.0} ms"));
    }
    if state.in_flight > 0 {
        words.push(format!("{} in flight", state.in_flight));
    }
    if state.room == Some(0) {
        words.push("full".to_owned());
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Faults: F151
    #[test]
    fn no_text_in_a_story_is_obeyed_by_a_terminal() {
        let text = "x\u{1b}[2J\nrequest done";
        let entry = Entry { id: "pm_1".to_owned(), model: text.to_owned(), why: text.to_owned(), ..Entry::default() };
        let told = story(&entry);
        assert!(!told.contains('\u{1b}') && told.lines().count() == 3, "{told}");
    }
}
