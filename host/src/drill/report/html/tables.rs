//! The tables: sums, what was lost and why, what providers saw, what it cost.

use super::super::headline::name;
use super::super::words::{clock, count, dollars, percent, seconds, times};
use super::super::{Ledger, Lost, Report, Run};
use super::markup::{Html, html};

/// Cells after the first are numbers, to the right.
fn table(class: &'static str, head: &[&str], rows: impl IntoIterator<Item = Html>) -> Html {
    let head: Html = head.iter().map(|head| html("<th scope=\"col\">{}</th>", &[head])).collect();
    let rows: Html = rows.into_iter().map(|row| html("<tr>{}</tr>", &[&row])).collect();
    html(
        "<div class=\"wide-table\"><table class=\"{}\"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>",
        &[&class, &head, &rows],
    )
}

fn cells(first: &str, others: &[String]) -> Html {
    let others: Html = others.iter().map(|cell| html("<td>{}</td>", &[cell])).collect();
    html("<th scope=\"row\">{}</th>{}", &[&first, &others])
}

fn all(report: &Report) -> impl Iterator<Item = (&str, &Run)> {
    let runs = report.runs.iter().map(|run| (name(report, run), run));
    runs.chain(report.baselines().map(|(label, run)| -> (&str, &Run) { (label, run) }))
}

pub fn summary(report: &Report) -> Html {
    let row = |(label, run): (&str, &Run)| {
        let summary = &run.summary;
        let others = summary.by_others as f64 / summary.answered.max(1) as f64;
        let first = &summary.first_token_ms;
        cells(
            label,
            &[
                percent(summary.success),
                count(summary.lost),
                (summary.outage_s / 60).to_string(),
                seconds(first.p50),
                seconds(first.p95),
                seconds(first.p99),
                format!("{:.2}", summary.attempts),
                percent(others),
                times(summary.cost),
            ],
        )
    };
    let head =
        ["Policy", "Answered", "Lost", "Outage, min", "Token p50", "p95", "p99", "Attempts", "By others", "Cost"];
    table("sums", &head, all(report).map(row))
}

pub fn cost(report: &Report) -> Html {
    let row = |(label, run): (&str, &Run)| {
        let summary = &run.summary;
        let mut row = vec![
            dollars(summary.first_cost_usd),
            dollars(summary.cost_usd),
            times(summary.cost),
            dollars(summary.wasted_usd),
            count(summary.wasted_tokens),
            count(summary.lost),
            (summary.outage_s / 60).to_string(),
        ];
        row.extend(report.value_usd.map(|usd| dollars(summary.lost as f64 * usd)));
        cells(label, &row)
    };
    let mut head = vec![
        "Policy",
        "First targets would cost",
        "Paid",
        "Times",
        "Of it wasted",
        "Tokens wasted",
        "Requests lost",
        "Outage, min",
    ];
    head.extend(report.value_usd.map(|_| "Worth"));
    table("sums", &head, all(report).map(row))
}

pub fn providers(report: &Report) -> Html {
    let run = |run: &Run| {
        let rows = run.providers.iter().map(|(name, ledger)| provider(name, ledger));
        let head = ["Provider", "Asked", "Requests", "Each", "Went wrong", "Keys"];
        html("<h3>{}</h3>{}", &[&name(report, run), &table("told", &head, rows)])
    };
    report.runs.iter().map(run).collect()
}

fn provider(name: &str, ledger: &Ledger) -> Html {
    let mut wrong: Vec<_> = ledger.wrong.iter().collect();
    wrong.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let wrong: Vec<_> = wrong.into_iter().map(|(word, number)| format!("{} {word}", count(*number))).collect();
    let used_up = ledger.keys.iter().filter_map(|key| {
        let at = key.used_up_at_s?;
        Some(format!("key {} ran out at {}", key.key, clock(at as u64)))
    });
    let limited = ledger.keys.iter().filter(|key| key.limited > 0);
    let limited = limited.map(|key| format!("key {} over its limit {} times", key.key, count(key.limited)));
    let keys: Vec<_> = used_up.chain(limited).collect();
    let or_none = |texts: Vec<String>| if texts.is_empty() { "-".to_owned() } else { texts.join(", ") };
    cells(
        name,
        &[
            count(ledger.asked),
            count(ledger.requests),
            times(Some(ledger.amplification())),
            or_none(wrong),
            or_none(keys),
        ],
    )
}

pub fn lost(report: &Report) -> Html {
    let run = |(label, run): (&str, &Run)| {
        let reasons: Html = match run.lost.is_empty() {
            true => html("<p>Nothing.</p>", &[]),
            false => run.lost.iter().map(reason).collect(),
        };
        html("<div><h3>{}: {} lost</h3>{}</div>", &[&label, &count(run.summary.lost), &reasons])
    };
    html("<div class=\"plots\">{}</div>", &[&all(report).map(run).collect::<Html>()])
}

fn reason(lost: &Lost) -> Html {
    let mut more = Html::default();
    if !lost.ids.is_empty() {
        let rest = lost.count.saturating_sub(lost.ids.len() as u64);
        let rest = if rest > 0 { format!(" and {} more", count(rest)) } else { String::new() };
        more.add("<p class=\"ids\">{}{}</p>", &[&lost.ids.join(" "), &rest]);
    }
    if let Some(story) = &lost.story {
        more.add("<p class=\"note\">The first one's story:</p><pre>{}</pre>", &[story]);
    }
    let head = html("<b>{}</b> {}", &[&count(lost.count), &lost.why]);
    match more == Html::default() {
        true => html("<p class=\"reason\">{}</p>", &[&head]),
        false => html("<details class=\"reason\"><summary>{}</summary>{}</details>", &[&head, &more]),
    }
}

/// Which policies these were, to the byte.
pub fn policies(report: &Report) -> Html {
    let run = |run: &Run| {
        let rows = run.policies.iter().map(|(route, policy)| cells(route, std::slice::from_ref(policy)));
        html("<h3>{}</h3>{}", &[&run.label, &table("told", &["Route", "Policy"], rows)])
    };
    report.runs.iter().map(run).collect()
}
