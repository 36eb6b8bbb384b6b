//! The author's own cases: a situation in words, and what is to be decided in it. In TOML, any number in a file:
//!
//! ```toml
//! [[case]]
//! targets = ["out 900", "ready"]        # also: "asked 700", "full", "unable", and tables
//! history = ["1 overloaded"]            # attempts that failed: at which target, with which fault
//! request = { tools = true }
//! expect = "attempt 0"                  # or "wait", "give-up"
//! after_ms = [0, 200]
//! ```

use std::fmt;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use toml::Spanned;

use crate::plugin::bindings::faults::FaultKind;
use crate::plugin::bindings::policy::{
    Action, AttemptReport, Attribute, Circuit, Decision, Price, RequestFacts, RunningAttempt, Situation, Target,
    TargetState,
};

/// Milliseconds that a failed attempt took, where the case is silent.
const ELAPSED_MS: u64 = 100;
/// Attempts that the host would allow.
const ATTEMPTS_MAX: u32 = 3;

/// A situation, and what is expected.
#[derive(Debug)]
pub struct Case {
    /// `FILE:LINE`
    pub place: String,
    /// JSON. Absent: those that the whole test is given.
    pub settings: Option<String>,
    pub targets: Vec<Target>,
    pub situation: Situation,
    pub expected: Expected,
}

/// What is to be decided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    what: What,
    /// The wait before an attempt: from, to.
    after_ms: Option<(u64, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Attempt(u32),
    Wait,
    GiveUp,
}

impl Expected {
    pub fn fits(&self, decision: &Decision) -> bool {
        match (self.what, &decision.action) {
            (What::Attempt(target), Action::Attempt(attempt)) => {
                let (from, to) = self.after_ms.unwrap_or((0, u64::MAX));
                attempt.target == target && (from..=to).contains(&attempt.after_ms)
            }
            (What::Wait, Action::Wait) | (What::GiveUp, Action::GiveUp) => true,
            (What::Attempt(_) | What::Wait | What::GiveUp, _) => false,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            What::Attempt(target) => write!(formatter, "attempt {target}")?,
            What::Wait => formatter.write_str("wait")?,
            What::GiveUp => formatter.write_str("give-up")?,
        }
        match self.after_ms {
            Some((from, to)) => write!(formatter, " after {from} to {to} ms"),
            None => Ok(()),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    case: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// For people.
    #[serde(default)]
    #[expect(dead_code, reason = "a title is welcome, and the line is told")]
    name: String,
    settings: Option<toml::Table>,
    targets: Spanned<Vec<toml::Value>>,
    #[serde(default)]
    history: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    running: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    request: WrittenRequest,
    elapsed_ms: Option<u64>,
    remaining_ms: Option<u64>,
    attempts_left: Option<u32>,
    #[serde(default)]
    now_unix_ms: u64,
    #[serde(default)]
    random: u64,
    #[serde(default)]
    sequence: u64,
    expect: Spanned<String>,
    after_ms: Option<(u64, u64)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenRequest {
    operation: String,
    protocol: String,
    stream: bool,
    body_bytes: u64,
    input_tokens_estimate: Option<u64>,
    tools: bool,
    images: bool,
    documents: bool,
    audio: bool,
    caller: String,
    conversation: u64,
    continuing: bool,
    /// The caller's, by name.
    headers: std::collections::BTreeMap<String, String>,
}

impl Default for WrittenRequest {
    fn default() -> Self {
        WrittenRequest {
            operation: "chat".to_owned(),
            protocol: "openai-chat".to_owned(),
            stream: false,
            body_bytes: 400,
            input_tokens_estimate: None,
            tools: false,
            images: false,
            documents: false,
            audio: false,
            caller: String::new(),
            conversation: 0,
            continuing: false,
            headers: std::collections::BTreeMap::new(),
        }
    }
}

/// A target, where a word does not say enough.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTarget {
    /// As a word would be.
    #[serde(default)]
    state: Option<String>,
    /// `provider/model`
    id: Option<String>,
    weight: Option<u32>,
    context_tokens: Option<u64>,
    samples: Option<u32>,
    success_rate: Option<f64>,
    first_token_ms: Option<f64>,
    in_flight: Option<u32>,
    room: Option<u32>,
    headroom: Option<f64>,
    /// US dollars for a million tokens: input, output.
    price: Option<(f64, f64)>,
    warm_ms: Option<u64>,
}

/// The cases of a file.
///
/// # Errors
/// What is wrong with it, and in which line.
pub fn read(text: &str, file: &str) -> anyhow::Result<Vec<Case>> {
    let place = |at: usize| {
        let before = text.get(..at).unwrap_or(text);
        format!("{file}:{}", 1 + before.bytes().filter(|byte| *byte == b'\n').count())
    };
    let written: File = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        anyhow::anyhow!("{}: {}", place(at), error.message())
    })?;
    written.case.into_iter().map(|case| resolve(case, &place)).collect()
}

fn resolve(written: Written, place: &impl Fn(usize) -> String) -> anyhow::Result<Case> {
    let at_targets = written.targets.span().start;
    let said = written.targets.into_inner();
    let targets = said.iter().enumerate().map(|(position, said)| target(position, said));
    let targets: Vec<(Target, TargetState)> =
        targets.collect::<anyhow::Result<_>>().with_context(|| place(at_targets))?;
    let count = targets.len();
    let list = |said: Option<Spanned<Vec<String>>>| {
        said.map_or((0, Vec::new()), |said| (said.span().start, said.into_inner()))
    };
    let (at_history, history) = list(written.history);
    let history = history.iter().enumerate().map(|(number, said)| report(said, number, count));
    let history: Vec<AttemptReport> = history.collect::<anyhow::Result<_>>().with_context(|| place(at_history))?;
    let (at_running, running) = list(written.running);
    let running = running.iter().map(|said| runner(said, count));
    let running: Vec<RunningAttempt> = running.collect::<anyhow::Result<_>>().with_context(|| place(at_running))?;
    let at_expect = written.expect.span().start;
    let what = what(written.expect.get_ref(), count).with_context(|| place(at_expect))?;
    let made = u32::try_from(history.len() + running.len()).unwrap_or(u32::MAX);
    let (targets, states) = targets.into_iter().unzip();
    let ended_ms = history.last().map_or(0, |last| last.started_at_ms + last.elapsed_ms);
    let situation = Situation {
        request: request(written.request),
        targets: states,
        history,
        running,
        elapsed_ms: written.elapsed_ms.unwrap_or(ended_ms),
        remaining_ms: written.remaining_ms.unwrap_or(60_000),
        attempts_left: written.attempts_left.unwrap_or(ATTEMPTS_MAX.saturating_sub(made)),
        now_unix_ms: written.now_unix_ms,
        random: written.random,
        sequence: written.sequence,
        attributes: Vec::new(),
    };
    let settings = written.settings.map(|settings| serde_json::to_string(&settings)).transpose();
    let settings = settings.with_context(|| place(at_targets))?;
    let expected = Expected { what, after_ms: written.after_ms };
    Ok(Case { place: place(at_expect), settings, targets, situation, expected })
}

fn target(position: usize, said: &toml::Value) -> anyhow::Result<(Target, TargetState)> {
    let table = match said {
        toml::Value::String(state) => toml::Table::from_iter([("state".to_owned(), state.clone().into())]),
        toml::Value::Table(table) => table.clone(),
        _ => bail!("target {position} is neither a word nor a table"),
    };
    let written: WrittenTarget = table.try_into().with_context(|| format!("target {position}"))?;
    let id = written.id.unwrap_or_else(|| format!("p{position}/m"));
    let attribute = |tokens: u64| Attribute { name: "context-tokens".to_owned(), value: tokens.to_string() };
    let target = Target {
        weight: written.weight.unwrap_or(1),
        attributes: written.context_tokens.map(attribute).into_iter().collect(),
        ..super::target(&id)
    };
    let word = state(written.state.as_deref().unwrap_or("ready"))?;
    let state = TargetState {
        samples: written.samples.unwrap_or(word.samples),
        success_rate: written.success_rate.unwrap_or(word.success_rate),
        first_token_ms: written.first_token_ms,
        in_flight: written.in_flight.unwrap_or(word.in_flight),
        room: written.room.or(word.room),
        headroom: written.headroom,
        price: written.price.map(|(input, output)| Price { input, output }),
        warm_ms: written.warm_ms,
        ..word
    };
    Ok((target, state))
}

/// A target in a word.
fn state(said: &str) -> anyhow::Result<TargetState> {
    let ready = TargetState {
        able: true,
        circuit: Circuit::Closed,
        ready_in_ms: 0,
        retry_after_ms: 0,
        samples: 0,
        success_rate: 1.0,
        first_token_ms: None,
        in_flight: 0,
        room: None,
        headroom: None,
        price: None,
        warm_ms: None,
        attributes: Vec::new(),
    };
    let words: Vec<&str> = said.split_whitespace().collect();
    let number = |said: &str| said.parse::<u64>().with_context(|| format!("`{said}` is no number of milliseconds"));
    Ok(match words.as_slice() {
        ["ready"] => ready,
        ["unable"] => TargetState { able: false, ..ready },
        ["full"] => TargetState { room: Some(0), ..ready },
        ["out", ms] => TargetState { circuit: Circuit::Open, ready_in_ms: number(ms)?, ..ready },
        ["asked", ms] => TargetState { ready_in_ms: number(ms)?, retry_after_ms: number(ms)?, ..ready },
        _ => bail!(
            "a target is `ready`, `out MS` (its breaker is open), `asked MS` (to wait), `full` or `unable`, not `{said}`"
        ),
    })
}

fn report(said: &str, number: usize, count: usize) -> anyhow::Result<AttemptReport> {
    let (target, word) = said.split_once(' ').unwrap_or((said, ""));
    let fault = FaultKind::ALL.into_iter().find(|kind| kind.word() == word.trim());
    let Some(fault) = fault else {
        let known = FaultKind::ALL.map(FaultKind::word).join(", ");
        bail!(
            "a failed attempt is a target's position and a fault, such as `0 overloaded`, not `{said}`; faults: {known}"
        )
    };
    let number = u64::try_from(number).unwrap_or_default();
    Ok(AttemptReport {
        target: position(target, count)?,
        started_at_ms: number * ELAPSED_MS,
        elapsed_ms: ELAPSED_MS,
        fault,
        status: 0,
        retry_after_ms: None,
        attributes: Vec::new(),
    })
}

fn runner(said: &str, count: usize) -> anyhow::Result<RunningAttempt> {
    let words: Vec<&str> = said.split_whitespace().collect();
    let (target, since) = match words.as_slice() {
        [target] => (target, "0"),
        [target, "since", ms] => (target, *ms),
        _ => bail!("a running attempt is a target's position, such as `1` or `1 since 500`, not `{said}`"),
    };
    let started_at_ms = since.parse().with_context(|| format!("`{since}` is no number of milliseconds"))?;
    Ok(RunningAttempt { target: position(target, count)?, started_at_ms })
}

fn what(said: &str, count: usize) -> anyhow::Result<What> {
    match said.split_once(' ') {
        Some(("attempt", target)) => Ok(What::Attempt(position(target, count)?)),
        None if said == "wait" => Ok(What::Wait),
        None if said == "give-up" => Ok(What::GiveUp),
        _ => bail!("`expect` is `attempt POSITION`, `wait` or `give-up`, not `{said}`"),
    }
}

fn position(said: &str, count: usize) -> anyhow::Result<u32> {
    let position = said.trim().parse::<u32>().with_context(|| format!("`{said}` is no target's position"))?;
    if usize::try_from(position).is_ok_and(|position| position < count) {
        return Ok(position);
    }
    bail!("there is no target {position}: {count} are named, and the first is 0")
}

fn request(written: WrittenRequest) -> RequestFacts {
    let header = |(name, value)| Attribute { name: format!("header.{name}"), value };
    RequestFacts {
        operation: written.operation,
        protocol: written.protocol,
        stream: written.stream,
        body_bytes: written.body_bytes,
        input_tokens_estimate: written.input_tokens_estimate.unwrap_or(written.body_bytes / 4),
        tools: written.tools,
        images: written.images,
        documents: written.documents,
        audio: written.audio,
        caller: written.caller,
        conversation: written.conversation,
        continuing: written.continuing,
        attributes: written.headers.into_iter().map(header).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_in_words() {
        let text = r#"
[[case]]
name = "the second is out"
settings = { attempts = 2 }
targets = ["ready", "out 900", "asked 700", "unable", { state = "full", id = "openai/gpt-5", weight = 3, price = [1.0, 2.0] }]
history = ["0 overloaded", "2 rate-limited"]
running = ["4 since 150"]
request = { tools = true, headers = { x-team = "a" } }
expect = "attempt 0"
after_ms = [100, 200]
"#;
        let case = read(text, "cases/a.toml").expect("a case").remove(0);
        let Situation { targets, history, running, request, .. } = &case.situation;
        assert_eq!((case.place.as_str(), case.settings.as_deref()), ("cases/a.toml:9", Some(r#"{"attempts":2}"#)));
        assert_eq!((targets[1].ready_in_ms, targets[2].retry_after_ms, targets[3].able), (900, 700, false));
        assert_eq!(
            (case.targets[4].provider.as_str(), case.targets[4].weight, targets[4].room),
            ("openai", 3, Some(0))
        );
        assert_eq!((history[1].target, history[1].fault), (2, FaultKind::RateLimited));
        assert_eq!((running[0].target, running[0].started_at_ms, case.situation.attempts_left), (4, 150, 0));
        assert!(request.tools && request.attributes[0].name == "header.x-team");
        assert_eq!(case.expected.to_string(), "attempt 0 after 100 to 200 ms");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (line, words) in [
            ("targets = [\"redy\"]", "here:2: a target is `ready`"),
            ("targets = [{ state = \"ready\", wieght = 1 }]", "unknown field `wieght`"),
            ("targets = [\"out soon\"]", "`soon` is no number"),
            ("targets = [\"ready\"]\nhistory = [\"0 tired\"]", "here:3: a failed attempt is"),
            ("targets = [\"ready\"]\nhistory = [\"1 busy\"]", "there is no target 1"),
            ("targets = [\"ready\"]\nrunning = [\"0 for 5\"]", "here:3: a running attempt is"),
            ("targets = []", "here:3: there is no target 0"),
            ("target = []", "here:2: unknown field `target`"),
        ] {
            let error = read(&format!("[[case]]\n{line}\nexpect = \"attempt 0\"\n"), "here").expect_err(line);
            let text = format!("{error:#}");
            assert!(text.contains(words), "{text}");
        }
    }
}
