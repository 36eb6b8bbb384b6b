//! A calm with heavy tails, in the drill: what the gateway does against bad mornings costs nothing on good days.
//!
//!     cargo test -p pointsman-tests --test drill_calm                         # a slow Sunday, and a busy hour
//!     POINTSMAN_WEEK=1 cargo test -p pointsman-tests --test drill_calm        # a week of each: minutes

use std::path::Path;
use std::time::Duration;

use pointsman::config;
use pointsman::drill::{self, Choice, Drill, Incident, Line, Report, Traffic};
use pointsman::plugin::Compiler;

/// The default settings.
const CONFIGURATION: &str = r#"
    [providers.anthropic]
    adapter = "anthropic-messages"
    key = "key-of-anthropic"

    [providers.openai]
    adapter = "openai-chat"
    key = "key-of-openai"

    [models."claude-*"]
    targets = ["anthropic/*", "openai/gpt-5"]
"#;

/// First tokens as of models that reason: the 99.9th percentile is 20 times the median.
const TRAFFIC: &str = r#"
    [[mix]]
    model = "claude-sonnet-4-5"
    protocol = "anthropic-messages"

    [speeds."*"]
    first_token_ms = { median = 1500, p95 = 4500, p999 = 30000 }
    tokens_per_second = { median = 60, p95 = 110 }
"#;

/// It is not an outage.
const CALM: &str = r#"
    name = "calm"
    about = "All is well, and a few requests are thought about for very long."
    lasts = "1h"

    [[phase]]
    name = "one in a thousand takes a minute and more"
    share = 0.001
    first_token = 40.0

    [[phase]]
    name = "some content trickles: it makes progress, and is not to be cut"
    share = 0.004
    speed = 0.05
"#;

/// A second attempt costs at least one: their mean is a bound for how many calls get one.
const ATTEMPTS_MAX: f64 = 1.005;
const COST_MAX: f64 = 1.01;
const HOUR: Duration = Duration::from_secs(3_600);

fn played(lasts: Duration, per_minute: f64) -> Report {
    let config = config::parse(CONFIGURATION, Path::new("calm.toml"), &|_| None);
    let traffic = format!("per_minute = {per_minute}\n{TRAFFIC}");
    let drill = Drill {
        compiler: Compiler::here(),
        config: config.unwrap_or_else(|error| panic!("{error}")),
        incident: Incident::parse(CALM, Path::new("calm.toml")).expect("an incident").lasting(lasts),
        traffic: Traffic::parse(&traffic, Path::new("traffic.toml")).unwrap_or_else(|error| panic!("{error}")),
        choices: vec![Choice::configured()],
        seed: 3,
        line: Line::Simulated,
        explain: None,
    };
    drill::run(&drill, &|_| {}).unwrap_or_else(|error| panic!("{error:#}"))
}

/// What does not hold, in words.
fn violations(report: &Report) -> Vec<String> {
    let run = &report.runs[0];
    let summary = &run.summary;
    let opened = run.breakers.iter().filter(|(_, shares)| shares.iter().any(|share| *share > 0.0));
    let opened: Vec<&String> = opened.map(|(target, _)| target).collect();
    [
        (summary.lost > 0, format!("{} calls were lost, or cut in their middle: {:?}", summary.lost, run.lost)),
        (summary.attempts > ATTEMPTS_MAX, format!("{:.4} attempts for each call", summary.attempts)),
        (summary.cost.is_none_or(|cost| cost > COST_MAX), format!("it cost {:?} times as much", summary.cost)),
        (!opened.is_empty(), format!("circuits were not closed: {opened:?}")),
        // Without tails it would prove nothing.
        (report.straight.summary.first_token_ms.p99 < Some(8_000), "there were no tails".to_owned()),
    ]
    .into_iter()
    .filter_map(|(is_wrong, text)| is_wrong.then_some(text))
    .collect()
}

#[test]
fn in_a_calm_with_heavy_tails_nobody_pays() {
    let is_week = std::env::var_os("POINTSMAN_WEEK").is_some();
    let week = |hours: u32, per_minute: f64| {
        if is_week { (7 * 24 * HOUR, per_minute.min(10.0)) } else { (hours * HOUR, per_minute) }
    };
    let days = [("a slow Sunday", week(24, 2.0)), ("a busy hour", week(1, 60.0))];
    let wrong = std::thread::scope(|scope| {
        let runs = days.map(|(name, (lasts, rate))| (name, scope.spawn(move || played(lasts, rate))));
        runs.map(|(name, run)| {
            let report = run.join().expect("it is played");
            let summary = &report.runs[0].summary;
            println!(
                "{name}: {} calls, {:.4} attempts, cost {:?}, {} by others, first token {:?}",
                summary.requests, summary.attempts, summary.cost, summary.by_others, summary.first_token_ms
            );
            violations(&report).into_iter().map(|text| format!("{name}: {text}")).collect::<Vec<_>>()
        })
    });
    let wrong = wrong.concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_bound_can_fail() {
    let good = || {
        let mut report = played(HOUR / 4, 10.0);
        let run = &mut report.runs[0];
        (run.summary.lost, run.summary.attempts, run.summary.cost) = (0, 1.0, Some(1.0));
        run.breakers.values_mut().for_each(|shares| shares.fill(0.0));
        report.straight.summary.first_token_ms.p99 = Some(10_000);
        report
    };
    let good = good();
    assert_eq!(violations(&good), [] as [String; 0]);
    let said = |change: fn(&mut Report)| {
        let mut report = good.clone();
        change(&mut report);
        violations(&report).join("; ")
    };
    assert!(said(|report| report.runs[0].summary.lost = 1).contains("1 calls were lost, or cut"));
    assert!(said(|report| report.runs[0].summary.attempts = 1.006).contains("attempts for each call"));
    assert!(said(|report| report.runs[0].summary.cost = Some(1.02)).contains("times as much"));
    assert!(said(|report| report.runs[0].summary.cost = None).contains("times as much"));
    assert!(said(|report| report.straight.summary.first_token_ms.p99 = Some(900)).contains("no tails"));
    let open = |report: &mut Report| report.runs[0].breakers.values_mut().for_each(|shares| shares[0] = 0.1);
    assert!(said(open).contains("circuits were not closed"));
}
