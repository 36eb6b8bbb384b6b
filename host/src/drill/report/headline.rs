//! In one sentence, what would have happened.

use super::words::{count, dollars, minutes, percent};
use super::{Report, Run};

/// More than these are not named.
const NAMED_MAX: usize = 3;

/// A policy's name; with its settings only where another has the same name.
pub fn name<'a>(report: &'a Report, run: &'a Run) -> &'a str {
    let is_shared = report.runs.iter().filter(|other| short(&other.label) == short(&run.label)).count() > 1;
    if is_shared { &run.label } else { short(&run.label) }
}

fn short(label: &str) -> &str {
    label.split('{').next().map_or(label, str::trim)
}

pub fn headline(report: &Report) -> String {
    let said = |run: &Run| {
        let who = match name(report, run) {
            "as configured" => "as configured".to_owned(),
            policy => format!("with {policy}"),
        };
        format!("{who} {}", percent(run.summary.success))
    };
    let mut with: Vec<String> = report.runs.iter().take(NAMED_MAX).map(said).collect();
    let last = with.pop().unwrap_or_default();
    let with = if with.is_empty() { last } else { format!("{} and {last}", with.join(", ")) };
    let mut letters = with.chars();
    let with: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    let alone = report.baselines().map(|(label, run)| format!("{label} {}", percent(run.summary.success)));
    let alone = alone.collect::<Vec<_>>().join(", ");
    format!("{with} of {} requests were answered; {alone}.", count(report.requests))
}

/// What the outage would have cost without.
pub fn price(report: &Report) -> String {
    let (label, straight) = report.fair_baseline();
    let straight = &straight.summary;
    let (lost, outage) = (count(straight.lost), minutes(straight.outage_s));
    let first = report.runs.first().map(|run| (&run.summary, name(report, run)));
    let with = first.map_or_else(String::new, |(summary, label)| {
        format!("; with {label} {}, in {}", count(summary.lost), minutes(summary.outage_s))
    });
    let saved = first.map_or_else(String::new, |(summary, label)| {
        let usd = report.value_usd.unwrap_or_default() * straight.lost.saturating_sub(summary.lost) as f64;
        format!("; {label} saves {} of it", dollars(usd))
    });
    let value = report.value_usd.map_or_else(String::new, |usd| {
        format!(" At {} an answer that is {}{saved}.", dollars(usd), dollars(straight.lost as f64 * usd))
    });
    let mut letters = label.chars();
    let label: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    format!("{label}: {lost} requests would have been lost, in {outage} of outage{with}.{value}")
}

#[cfg(test)]
mod tests {
    use super::super::html::tests::report;
    use super::*;

    #[test]
    fn a_sentence_says_it_all() {
        let mut report = report();
        let one =
            "With failover 75.00% of 8 requests were answered; SDK retries only 37.50%, without Pointsman 25.00%.";
        report.runs.truncate(1);
        assert_eq!(headline(&report), one);
        report.runs.push(Run { label: "hedged {\"attempts\": 2}".to_owned(), ..report.runs[0].clone() });
        let two = "With failover 75.00% and with hedged 75.00% of 8 requests were answered; SDK retries only 37.50%, \
                   without Pointsman 25.00%.";
        assert_eq!(headline(&report), two);
        report.runs[0].label = "hedged {\"attempts\": 3}".to_owned();
        assert!(
            headline(&report).starts_with("With hedged {\"attempts\": 3} 75.00% and with hedged {\"attempts\": 2}")
        );
        report.runs[0].label = "as configured".to_owned();
        assert!(headline(&report).starts_with("As configured 75.00% and with hedged"), "{}", headline(&report));
    }

    #[test]
    fn what_was_lost_is_told_in_requests_minutes_and_money() {
        let mut report = report();
        let told = "SDK retries only: 5 requests would have been lost, in 20 minutes of outage; with failover 2, in \
                    10 minutes.";
        assert_eq!(price(&report), told);
        report.value_usd = Some(0.05);
        assert_eq!(price(&report), format!("{told} At $0.05 an answer that is $0.25; failover saves $0.15 of it."));
        report.sdk_retries = None;
        assert!(price(&report).starts_with("Without Pointsman: 6 requests would have been lost"), "{}", price(&report));
    }
}
