//! Several drills as one table: a row for each policy in each incident.

use super::headline::name;
use super::words::{count, percent, seconds, times};
use super::{Report, Run};

const HEAD: [&str; 11] = [
    "incident",
    "policy",
    "answered",
    "lost",
    "outage, min",
    "token p50",
    "p95",
    "p99",
    "attempts",
    "by others",
    "cost",
];

/// In Markdown, with columns that stand below each other for who reads it as it is.
pub fn results(reports: &[Report]) -> String {
    let of = |report: &Report| {
        let with = report.runs.iter().map(|run| row(&report.incident, &format!("`{}`", name(report, run)), run));
        let alone = report.baselines().map(|(label, run)| row(&report.incident, label, run));
        with.chain(alone).collect::<Vec<_>>()
    };
    let rows: Vec<[String; HEAD.len()]> = reports.iter().flat_map(of).collect();
    let head = HEAD.map(str::to_owned);
    let width = |column: usize| {
        let lines = [&head].into_iter().chain(&rows);
        lines.map(|line| line[column].chars().count()).max().unwrap_or(0)
    };
    let widths: [usize; HEAD.len()] = std::array::from_fn(width);
    let line = |line: &[String; HEAD.len()]| {
        let cell = |(column, cell): (usize, &String)| match column {
            0 | 1 => format!(" {cell:<width$} |", width = widths[column]),
            _ => format!(" {cell:>width$} |", width = widths[column]),
        };
        format!("|{}\n", line.iter().enumerate().map(cell).collect::<String>())
    };
    let rule = |(column, width): (usize, &usize)| match column {
        0 | 1 => format!("{}|", "-".repeat(width + 2)),
        _ => format!("{}:|", "-".repeat(width + 1)),
    };
    let rule: String = widths.iter().enumerate().map(rule).collect();
    let rows: String = rows.iter().map(line).collect();
    format!("{}|{rule}\n{rows}", line(&head))
}

fn row(incident: &str, who: &str, run: &Run) -> [String; HEAD.len()] {
    let summary = &run.summary;
    let (tokens, others) = (&summary.first_token_ms, summary.by_others as f64 / summary.answered.max(1) as f64);
    // A bar would end the cell.
    let cell = |text: &str| text.replace('|', "\\|");
    [
        cell(incident),
        cell(who),
        percent(summary.success),
        count(summary.lost),
        (summary.outage_s / 60).to_string(),
        seconds(tokens.p50),
        seconds(tokens.p95),
        seconds(tokens.p99),
        format!("{:.2}", summary.attempts),
        percent(others),
        times(summary.cost),
    ]
}
