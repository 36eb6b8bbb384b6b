//! The morning as a table.

use std::fmt::Write as _;
use std::time::Duration;

use super::bounds::{Row, percentiles};
use super::caller::{Call, Route, losses};

/// How many of a phase's slowest calls are shown.
const SLOWEST: usize = 3;
const HEAD: &str = "phase            calls  answered  apart  first token p50/p95/p99     whole p50/p95/p99         backup  \
                    asked bad  away   back   attempts  outrun";

pub fn table(policy: &str, rows: &[Row], calls: &[Call]) -> String {
    let mut text = format!("== {policy}\n{HEAD}\n");
    for row in rows {
        let times = |times: [Duration; 3]| times.map(|time| format!("{:.2}", time.as_secs_f64())).join(" / ");
        let time = |time: Option<Duration>| time.map_or("-".to_owned(), |time| format!("{:.1}", time.as_secs_f64()));
        let answered = 100.0 * row.answered as f64 / row.calls.max(1) as f64;
        let _ = writeln!(
            text,
            "{:<15}  {:>5}  {answered:>7.2}%  {:>5}  {:<25}  {:<25} {:>6.0}%  {:>8.0}%  {:>4}   {:>4}   {:>8.2}  {:>6}",
            row.phase.name,
            row.calls,
            row.apart,
            times(row.first),
            times(row.whole),
            100.0 * row.by_backup,
            100.0 * row.asked_bad_first,
            time(row.away),
            time(row.back),
            row.attempts,
            row.outrun,
        );
    }
    for phase in rows.iter().map(|row| row.phase).filter(|phase| phase.is_bad()) {
        let in_phase = |call: &&Call| call.question.route == Route::Claude && phase.contains(call.question.at);
        let mut slowest: Vec<&Call> = calls.iter().filter(in_phase).collect();
        slowest.sort_by_key(|call| std::cmp::Reverse(call.until_first()));
        let slowest = slowest.iter().take(SLOWEST).map(|call| one_call(call, phase.from));
        let _ = writeln!(text, "slowest in {}: {}", phase.name, slowest.collect::<Vec<_>>().join("; "));
    }
    for (name, route) in [("claude", Route::Claude), ("gpt", Route::Gpt), ("healthy", Route::Healthy)] {
        let calls = || calls.iter().filter(|call| call.question.route == route);
        let answered = calls().filter(|call| call.is_answered).count();
        let late = percentiles(calls().filter(|call| call.is_answered).map(Call::late));
        let _ =
            writeln!(text, "{name}: {answered} of {} answered, later than the provider {late:.0?}", calls().count());
        for (why, count) in losses(calls()) {
            let _ = writeln!(text, "    {count} x {why}");
        }
    }
    text
}

/// When it was made, what it asked for, how long its first content took, and who answered.
fn one_call(call: &Call, phase_from: Duration) -> String {
    let Call { question, target, attempts, .. } = call;
    let at = (question.at - phase_from).as_secs_f64();
    let form = if question.stream { "stream" } else { "whole" };
    let first = call.until_first().as_secs_f64();
    format!("at {at:.1} s {form} of {} took {first:.2} s, {attempts} attempts, {target}", question.model)
}
