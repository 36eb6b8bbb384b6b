//! What is counted of a morning, and what must hold of it. Pure: calls in, numbers and violations out.

use std::time::Duration;

use super::FIRST_TOKEN;
use super::caller::{Call, Route};
use super::morning::{Morning, Phase, Weather};

/// The provider that has the bad morning.
pub const BAD: &str = "anthropic";

const ANSWERED_MIN: f64 = 0.999;
/// Traffic is away when fewer of the new calls are asked of the bad provider first.
const AWAY_BELOW: f64 = 0.2;
const AWAY_WITHIN: Duration = Duration::from_secs(3);
/// Traffic is back when the provider has this part of its share in the calm.
const BACK_FROM: f64 = 0.5;
const BACK_WITHIN: Duration = Duration::from_secs(15);
/// How far a morning over sockets and the same one in virtual time may be apart.
const ANSWERED_APART: f64 = 0.002;
const BACKUP_APART: f64 = 0.15;
const ATTEMPTS_APART: f64 = 0.1;
/// Calls of a calm that get a second attempt, at the most.
pub const SECOND_BELOW: f64 = 0.005;
/// The 99th percentile of a normal distribution, in standard deviations.
const NORMAL_P99: f64 = 2.326;
/// A share is looked at over so long, at the least.
const WINDOW: Duration = Duration::from_secs(3);
const STEP: Duration = Duration::from_millis(250);
/// What the healthy route may take longer in the troubles than in the calm: this machine is busy then.
const HEALTHY_SLACK: Duration = Duration::from_millis(250);

/// What is told of the calls of one phase: those on the route with the bad provider.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub phase: Phase,
    pub calls: usize,
    pub answered: usize,
    /// Streams that ran at the bad provider when silence fell. They are in no other number.
    pub apart: usize,
    /// Of streams: until the first content.
    pub first: [Duration; 3],
    /// Of replies in one piece: until they were there.
    pub whole: [Duration; 3],
    /// Of the answers.
    pub by_backup: f64,
    pub asked_bad_first: f64,
    pub away: Option<Duration>,
    pub back: Option<Duration>,
    /// Of the streams' first tokens; see `p99`.
    pub first_p99: Duration,
    pub attempts: f64,
    pub outrun: usize,
}

/// A row for each phase.
pub fn rows(calls: &[Call], morning: &Morning) -> Vec<Row> {
    let claude: Vec<&Call> = calls.iter().filter(|call| call.question.route == Route::Claude).collect();
    let calm_share = morning.phases.first().map_or(0.0, |calm| bad_share(&within(&claude, calm.from, calm.to)));
    morning.phases.iter().map(|phase| row(*phase, &claude, calm_share, morning)).collect()
}

fn row(phase: Phase, claude: &[&Call], calm_share: f64, morning: &Morning) -> Row {
    let all = within(claude, phase.from, phase.to);
    let (apart, counted): (Vec<&Call>, Vec<&Call>) = all.iter().partition(|call| is_apart(call, morning));
    let (streams, wholes): (Vec<&Call>, Vec<&Call>) = counted.iter().partition(|call| call.question.stream);
    let answers: Vec<&&Call> = counted.iter().filter(|call| call.is_answered).collect();
    let by_backup = answers.iter().filter(|call| !is_by_bad(call)).count();
    let attempts: u32 = counted.iter().map(|call| call.attempts.max(1)).sum();
    Row {
        phase,
        calls: counted.len(),
        answered: answers.len(),
        apart: apart.len(),
        first: percentiles(streams.iter().map(|call| call.until_first())),
        first_p99: p99(streams.iter().map(|call| call.until_first())),
        whole: percentiles(wholes.iter().map(|call| call.until_first())),
        by_backup: share(by_backup, answers.len()),
        asked_bad_first: bad_share(&all),
        away: phase.is_bad().then(|| away(&all, phase)).flatten(),
        back: (!phase.is_bad()).then(|| back(&all, phase, calm_share)).flatten(),
        attempts: share(attempts as usize, counted.len()),
        outrun: counted.iter().map(|call| call.outrun).sum(),
    }
}

/// What does not hold, in words; empty if all is well. When traffic moves is in [`moves`].
pub fn violations(calls: &[Call], morning: &Morning) -> Vec<String> {
    let rows = rows(calls, morning);
    [answered(calls, morning), first_tokens(&rows, calls, morning), healthy(calls, morning), trouble(&rows)].concat()
}

/// Where the same morning went another way in virtual time than over sockets. Who is asked when by whom decides when a circuit
/// opens and closes, so only what adds up over the whole morning is compared.
pub fn disagreements(sockets: &[Row], simulated: &[Row]) -> Vec<String> {
    let mean = |rows: &[Row], value: fn(&Row) -> f64| {
        let calls: usize = rows.iter().map(|row| row.calls).sum();
        rows.iter().map(|row| value(row) * row.calls as f64).sum::<f64>() / calls.max(1) as f64
    };
    let apart = |name: &str, value: fn(&Row) -> f64, most: f64| {
        let (real, other) = (mean(sockets, value), mean(simulated, value));
        ((real - other).abs() > most).then(|| format!("{name}: {real:.3} over sockets, and {other:.3} in virtual time"))
    };
    let all = [
        apart("answered", |row| share(row.answered, row.calls), ANSWERED_APART),
        apart("answered by the backup", |row| row.by_backup, BACKUP_APART),
        apart("attempts for each call", |row| row.attempts, ATTEMPTS_APART),
    ];
    all.into_iter().flatten().collect()
}

fn answered(calls: &[Call], morning: &Morning) -> Vec<String> {
    let counted: Vec<&Call> = calls.iter().filter(|call| !is_apart(call, morning)).collect();
    let answered = counted.iter().filter(|call| call.is_answered).count();
    let is_enough = share(answered, counted.len()) >= ANSWERED_MIN;
    let text = || format!("{answered} of {} calls were answered, not {ANSWERED_MIN}", counted.len());
    (!is_enough).then(text).into_iter().collect()
}

/// The 99th percentile; of fewer than a hundred it would be the longest alone, which is chance, and is the second longest.
fn p99(values: impl Iterator<Item = Duration>) -> Duration {
    let mut values: Vec<_> = values.collect();
    values.sort();
    let rank = (values.len() * 99 / 100).min(values.len().saturating_sub(2));
    values.get(rank).copied().unwrap_or_default()
}

/// How many calls of the first calm were made on the route of the policy, and how many of them got a second attempt.
pub fn second_attempts_in_calm(calls: &[Call], morning: &Morning) -> [usize; 2] {
    let Some(calm) = morning.phases.first() else { return [0, 0] };
    let made = calls.iter().filter(|call| call.question.route == Route::Claude && calm.contains(call.question.at));
    let second = made.clone().filter(|call| call.attempts > 1 || call.outrun > 0).count();
    [made.count(), second]
}

/// In each trouble, and over the whole morning: at most twice the 99th percentile of a calm day and one learned timeout.
fn first_tokens(rows: &[Row], calls: &[Call], morning: &Morning) -> Vec<String> {
    // The percentile that the provider draws from: the sixty streams of the calm do not show their own.
    let calm = Duration::from_secs_f64(FIRST_TOKEN.at(NORMAL_P99) / 1e3);
    let bound = 2 * calm + learned_timeout(calm, rows.first().map_or(0, |row| row.calls));
    let bad = rows.iter().filter(|row| row.phase.is_bad() && row.first_p99 > bound);
    let is_counted = |call: &&Call| call.question.route == Route::Claude && !is_apart(call, morning);
    let streams = calls.iter().filter(is_counted).filter(|call| call.question.stream);
    let whole = p99(streams.map(Call::until_first));
    let text = |name: &str, p99: Duration| format!("{name}: first token p99 {p99:.1?} is above {bound:.1?}");
    let whole = (whole > bound).then(|| text("the whole morning", whole));
    bad.map(|row| text(row.phase.name, row.first_p99)).chain(whole).collect()
}

/// When the gateway takes an attempt for late, after so many calls in the calm. Of fewer than 64
/// replies of a model and a form it takes the longest four times, and else the 99th percentile two and three quarter times
/// (`health/usual.rs`); two models and two forms share the calls.
fn learned_timeout(calm_p99: Duration, calm_calls: usize) -> Duration {
    let times = if calm_calls < 4 * 64 { 4.0 } else { 2.75 };
    Duration::from_secs(1).max(calm_p99.mul_f64(times))
}

/// What does not hold of this: away in time, and back in time. While one model of two refuses 40 % of its requests at once, traffic
/// need not move: the other model is well, and a refusal costs a caller the moment until the backup is asked.
pub fn moves(rows: &[Row]) -> Vec<String> {
    let mut violations = Vec::new();
    for pair in rows.windows(2) {
        let [bad, calm] = pair else { continue };
        if !bad.phase.is_bad() {
            continue;
        }
        if bad.phase.weather != Weather::Errors && bad.away.is_none_or(|away| away > AWAY_WITHIN) {
            violations.push(format!("{}: traffic was away after {}", bad.phase.name, told(bad.away)));
        }
        if calm.back.is_none_or(|back| back > BACK_WITHIN) {
            violations.push(format!("{}: traffic was back after {}", calm.phase.name, told(calm.back)));
        }
    }
    violations
}

fn told(time: Option<Duration>) -> String {
    time.map_or("never".to_owned(), |time| format!("{:.1} s", time.as_secs_f64()))
}

/// Every call of the healthy routes is answered, and as soon as in the calm: of the one that shares nothing with the bad provider, and
/// of the one whose first target is the backup.
fn healthy(calls: &[Call], morning: &Morning) -> Vec<String> {
    [("healthy", Route::Healthy), ("gpt", Route::Gpt)]
        .into_iter()
        .flat_map(|(name, route)| healthy_route(name, route, calls, morning))
        .collect()
}

fn healthy_route(name: &str, route: Route, calls: &[Call], morning: &Morning) -> Vec<String> {
    let calls: Vec<&Call> = calls.iter().filter(|call| call.question.route == route).collect();
    let lost = calls.iter().filter(|call| !call.is_answered).count();
    let is_calm = |call: &&Call| morning.weather(call.question.at) == Weather::Calm;
    let (calm, bad): (Vec<&Call>, Vec<&Call>) = calls.iter().partition(|call| is_calm(call));
    let [calm, bad] = [calm, bad].map(|calls| percentiles(calls.iter().map(|call| call.late()))[1]);
    let lost = (lost > 0).then(|| format!("the {name} route lost {lost} of {}", calls.len()));
    let late = (bad > calm + HEALTHY_SLACK)
        .then(|| format!("the {name} route noticed: p95 of its delays was {calm:.1?} in the calm, and {bad:.1?}"));
    lost.into_iter().chain(late).collect()
}

/// A morning without trouble would prove nothing.
fn trouble(rows: &[Row]) -> Vec<String> {
    let is_missed = |row: &&Row| {
        let is_met = match row.phase.weather {
            Weather::Calm => row.calls > 0,
            Weather::Errors => row.attempts > 1.0,
            Weather::Slow | Weather::Silent | Weather::HalfDead => row.asked_bad_first > 0.0,
        };
        !is_met
    };
    rows.iter().filter(is_missed).map(|row| format!("{}: no call met it", row.phase.name)).collect()
}

/// Calls that were made in this time.
fn within<'a>(calls: &[&'a Call], from: Duration, to: Duration) -> Vec<&'a Call> {
    calls.iter().copied().filter(|call| (from..to).contains(&call.question.at)).collect()
}

/// A stream that was running at the bad provider when silence fell.
pub fn is_apart(call: &Call, morning: &Morning) -> bool {
    let at = call.question.at;
    let Some(first) = call.first.filter(|_| call.question.stream && is_by_bad(call)) else { return false };
    let falls = morning.phases.iter().filter(|phase| phase.weather == Weather::Silent).map(|phase| phase.from);
    falls.into_iter().any(|falls| at + first < falls && at + call.ended >= falls)
}

fn is_by_bad(call: &Call) -> bool {
    call.target.split('/').next() == Some(BAD)
}

/// Of these calls, how many the bad provider was asked first.
fn bad_share(calls: &[&Call]) -> f64 {
    share(calls.iter().filter(|call| call.asked_first == Some(BAD)).count(), calls.len())
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// How long it took until the rest of the phase's calls went elsewhere.
fn away(calls: &[&Call], phase: Phase) -> Option<Duration> {
    steps(phase).find(|after| {
        let rest = within(calls, phase.from + *after, phase.to);
        !rest.is_empty() && bad_share(&rest) < AWAY_BELOW
    })
}

/// How long it took until the provider had its part again, and kept it.
fn back(calls: &[&Call], phase: Phase, calm_share: f64) -> Option<Duration> {
    steps(phase).find(|after| {
        let from = phase.from + *after;
        let window = within(calls, from, from + WINDOW);
        let rest = within(calls, from, phase.to);
        let has_its_part = |calls: &[&Call]| !calls.is_empty() && bad_share(calls) >= BACK_FROM * calm_share;
        has_its_part(&window) && has_its_part(&rest)
    })
}

/// Times since the phase's beginning, with a window left after each.
fn steps(phase: Phase) -> impl Iterator<Item = Duration> {
    let last = (phase.to - phase.from).saturating_sub(WINDOW);
    (0..).map(|step| STEP * step).take_while(move |after| *after <= last)
}

/// The 50th, 95th and 99th: values that were there.
pub fn percentiles(values: impl Iterator<Item = Duration>) -> [Duration; 3] {
    let mut values: Vec<Duration> = values.collect();
    values.sort_unstable();
    [0.5, 0.95, 0.99].map(|share: f64| {
        let rank = (share * values.len() as f64).ceil() as usize;
        values.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    })
}

#[cfg(test)]
#[path = "bounds_tests.rs"]
mod tests;
