//! A report as compact tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::drill::words::{clock, percent, seconds, times};
use crate::drill::{self, Bin, Ledger, Report, Run};

/// Reasons for which requests were lost, and ids of each, that are shown.
const REASONS_MAX: usize = 6;
const IDS_MAX: usize = 3;
/// Of a policy's name in a column's head.
const LABEL_CHARS: usize = 16;

pub fn told(report: &Report) -> String {
    let mut text = String::new();
    let began = report.began.as_ref().map_or_else(String::new, |began| format!(", as of {began}"));
    let (requests, lasts, seed) = (report.requests, clock(report.lasts_s), report.seed);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}: {requests} requests in {lasts}{began}, seed {seed}", report.incident);
    let _ = writeln!(text, "{}\n", report.about.replace('\n', " "));
    text += &summaries(report);
    let _ = writeln!(text, "\n{}\n", drill::price(report));
    text += &course(report);
    for run in &report.runs {
        let _ = write!(text, "\n{}: what providers saw\n{}", run.label, providers(run));
        text += &lost(run);
    }
    text
}

/// One request's story, with each policy.
///
/// # Errors
/// When none had it.
pub fn explained(report: &Report) -> anyhow::Result<String> {
    let told = report.runs.iter().filter_map(|run| Some(format!("{}: {}", run.label, run.explained.as_ref()?)));
    let told: Vec<_> = told.collect();
    anyhow::ensure!(
        !told.is_empty(),
        "no request has that id in this drill: it has to be the same incident, traffic, seed and policy"
    );
    Ok(told.join("\n"))
}

fn summaries(report: &Report) -> String {
    let row = |run: &Run| {
        let summary = &run.summary;
        let first_token = &summary.first_token_ms;
        let others = summary.by_others as f64 / summary.answered.max(1) as f64;
        vec![
            run.label.clone(),
            percent(summary.success),
            summary.lost.to_string(),
            seconds(first_token.p50),
            seconds(first_token.p95),
            seconds(first_token.p99),
            format!("{:.2}", summary.attempts),
            percent(others),
            times(summary.cost),
        ]
    };
    let head = ["POLICY", "SUCCESS", "LOST", "TOKEN p50", "p95", "p99", "ATTEMPTS", "BY OTHERS", "COST"];
    let rows = report.runs.iter().chain(report.baselines().map(|(_, run)| run)).map(row).collect();
    table(head.iter().map(|&head| head.to_owned()).collect(), rows)
}

/// Over time. Who answered, and whose breaker was not closed, of the first run.
fn course(report: &Report) -> String {
    let Some(first) = report.runs.first() else { return String::new() };
    let provider = |target: &String| target.split('/').next().unwrap_or_default().to_owned();
    let answerers: BTreeSet<String> = first.summary.by_target.keys().map(provider).collect();
    let short = |label: &str| label.chars().take(LABEL_CHARS).collect::<String>();
    let mut head = vec!["TIME".to_owned(), "ASKED".to_owned()];
    head.extend(report.runs.iter().map(|run| short(&run.label)));
    let alone: Vec<(&str, &Run)> = report.baselines().collect();
    head.extend(alone.iter().map(|(label, _)| label.to_uppercase()));
    head.push("p95".to_owned());
    head.extend(answerers.iter().map(|provider| format!("by {provider}")));
    head.push("BREAKERS NOT CLOSED".to_owned());
    let row = |(number, bin): (usize, &Bin)| {
        let success = |run: &Run| {
            let success = run.bins.get(number).and_then(|bin| bin.success);
            success.map_or_else(|| "-".to_owned(), percent)
        };
        let mut row = vec![clock(bin.at_s), bin.requests.to_string()];
        row.extend(report.runs.iter().map(success));
        row.extend(alone.iter().map(|(_, run)| success(run)));
        row.push(seconds(bin.first_token_ms.p95));
        row.extend(answerers.iter().map(|provider| share(bin, provider)));
        row.push(breakers(&first.breakers, number));
        row
    };
    table(head, first.bins.iter().enumerate().map(row).collect())
}

fn share(bin: &Bin, provider: &str) -> String {
    let is_its = |target: &str| target.split_once('/').is_some_and(|(its, _)| its == provider);
    let answered: u64 = bin.by_target.iter().filter(|(target, _)| is_its(target)).map(|(_, count)| count).sum();
    if answered == 0 { "-".to_owned() } else { format!("{:.0}%", answered as f64 * 100.0 / bin.answered as f64) }
}

fn breakers(breakers: &BTreeMap<String, Vec<f64>>, bin: usize) -> String {
    let out = breakers.iter().filter_map(|(target, shares)| Some((target, *shares.get(bin)?)));
    let out = out.filter(|(_, share)| *share > 0.0).map(|(target, share)| format!("{target} {:.0}%", share * 100.0));
    out.collect::<Vec<_>>().join(", ")
}

fn providers(run: &Run) -> String {
    let row = |(name, ledger): (&String, &Ledger)| {
        let mut wrong: Vec<_> = ledger.wrong.iter().collect();
        wrong.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let wrong = wrong.iter().map(|(word, count)| format!("{count} {word}"));
        let used_up = ledger.keys.iter().filter_map(|key| {
            let at = key.used_up_at_s?;
            Some(format!("key {} used up at {}", key.key, clock(at as u64)))
        });
        let limited = ledger.keys.iter().filter(|key| key.limited > 0);
        let limited = limited.map(|key| format!("key {} over its limit {} times", key.key, key.limited));
        let keys: Vec<_> = used_up.chain(limited).collect();
        let wrong = wrong.collect::<Vec<_>>().join(", ");
        vec![name.clone(), ledger.asked.to_string(), format!("{:.2}x", ledger.amplification()), wrong, keys.join(", ")]
    };
    let head = ["PROVIDER", "ASKED", "EACH", "WENT WRONG", "KEYS"].map(str::to_owned).to_vec();
    table(head, run.providers.iter().map(row).collect())
}

fn lost(run: &Run) -> String {
    let mut text = String::new();
    for lost in run.lost.iter().take(REASONS_MAX) {
        let ids: Vec<_> = lost.ids.iter().take(IDS_MAX).map(String::as_str).collect();
        let _ = writeln!(text, "lost: {} {} ({}{})", lost.count, lost.why, ids.join(", "), more(lost.count, ids.len()));
    }
    text
}

fn more(count: u64, shown: usize) -> &'static str {
    if count > shown as u64 { ", …" } else { "" }
}

/// Two spaces between the columns; numbers are to the right.
pub fn table(head: Vec<String>, rows: Vec<Vec<String>>) -> String {
    let lines: Vec<Vec<String>> = [vec![head], rows].concat();
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns).map(width).collect();
    let is_number = |column: usize| {
        let starts = |text: &String| text.starts_with(|letter: char| letter.is_ascii_digit() || "-?".contains(letter));
        column > 0 && lines[1..].iter().all(|line| starts(&line[column]) && line[column].len() < 12)
    };
    let numbers: Vec<_> = (0..columns).map(is_number).collect();
    let line = |line: &Vec<String>| {
        let cells = line.iter().enumerate().map(|(column, cell)| match numbers[column] {
            true => format!("{cell:>width$}", width = widths[column]),
            false => format!("{cell:<width$}", width = widths[column]),
        });
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    lines.iter().map(line).collect()
}
