//! The drill: outages rehearsed with the whole gateway, in virtual time.

use std::path::Path;
use std::time::Duration;

use pointsman::config::{self, Config};
use pointsman::drill::{self, BUILT_IN, Choice, Drill, Incident, Line, Outcome, Report, Run, Traffic};
use pointsman::plugin::Compiler;

/// A Claude with two keys, a GPT behind it, and the reverse.
const TEXT: &str = r#"
    [providers.anthropic]
    adapter = "anthropic-messages"
    keys = ["${ONE}", "${TWO}"]

    [providers.openai]
    adapter = "openai-chat"
    key = "${THREE}"

    [timeouts]
    first_token = "20s"
    reply = "60s"
    total = "90s"

    [models."claude-*"]
    targets = ["anthropic/*", "openai/gpt-5"]

    [models.assistant]
    targets = ["anthropic/claude-sonnet-4-5", "openai/gpt-5"]
"#;

/// Each built-in policy, with settings where it needs some.
const POLICIES: &[&str] = &[
    "failover",
    "weighted",
    "fastest",
    "cheapest",
    "hedged",
    "sticky",
    r#"by-content {"rules": [{"when": {"tools": true}, "targets": ["openai/gpt-5"]}]}"#,
    r#"chain {"links": [{"policy": "sticky", "settings": {"attempts": 1}}, {"policy": "failover"}]}"#,
];

fn configuration() -> Config {
    let secret = |name: &str| ["ONE", "TWO", "THREE"].contains(&name).then(|| format!("secret-{name}"));
    config::parse(TEXT, Path::new("drill.toml"), &secret).unwrap_or_else(|error| panic!("{error}"))
}

fn rehearsed(incident: &str, minutes: u64, per_minute: f64, policies: &[&str], seed: u64) -> Report {
    let config = configuration();
    let incident = Incident::find(incident).expect("an incident").lasting(Duration::from_secs(minutes * 60));
    let traffic = Traffic::guessed(&config, per_minute).expect("traffic");
    let choices = policies.iter().map(|policy| Choice::parse(policy).expect("a policy")).collect();
    let drill = Drill { compiler: Compiler::here(), config, incident, traffic, choices, seed, line: Line::Simulated };
    drill::run(&drill, &|_| {}).unwrap_or_else(|error| panic!("{error:#}"))
}

fn text(report: &Report) -> String {
    serde_json::to_string_pretty(report).expect("a report in JSON")
}

#[test]
fn the_same_seed_gives_the_same_report_byte_for_byte() {
    let policies = ["failover", "hedged"];
    let report = rehearsed("everything-degraded", 15, 8.0, &policies, 7);
    let again = text(&rehearsed("everything-degraded", 15, 8.0, &policies, 7));
    assert_eq!(text(&report), again);
    assert!(!again.contains("secret-"), "no key gets that far");
    assert_eq!(serde_json::from_str::<Report>(&again).expect("it reads again").runs[1].summary, report.runs[1].summary);
    assert_ne!(again, text(&rehearsed("everything-degraded", 15, 8.0, &policies, 8)), "another seed is another day");
}

#[test]
fn a_fate_does_not_depend_on_who_else_is_compared() {
    let both = rehearsed("brown-out", 15, 8.0, &["failover", "fastest"], 3);
    let alone = rehearsed("brown-out", 15, 8.0, &["fastest"], 3);
    assert_eq!(both.runs[1], alone.runs[0]);
    assert_eq!(both.straight, alone.straight);
    let twice = rehearsed("rate-limit-storm", 15, 12.0, &["failover", "failover"], 3);
    assert_eq!(twice.runs[0], twice.runs[1]);
}

#[test]
fn failover_saves_what_one_provider_alone_loses() {
    let report = rehearsed("provider-loss", 150, 4.0, &["failover"], 1);
    let (run, straight) = (&report.runs[0], &report.straight);
    assert!(straight.summary.success < 0.65, "{:?}", straight.summary);
    assert!(run.summary.success > 0.99, "{:?}\n{:?}", run.summary, run.lost);
    assert!(run.summary.by_others > 100, "{:?}", run.summary);
    // An hour without it, and well before and at the end.
    let (calm, outage, after) = (bin(run, &report, 20), bin(run, &report, 60), bin(run, &report, 140));
    let by_openai = |bin: &drill::Bin| bin.by_target.get("openai/gpt-5").copied().unwrap_or(0);
    assert_eq!((by_openai(calm), by_openai(after)), (0, 0));
    assert!(by_openai(outage) == outage.answered && outage.answered > 0, "{outage:?}");
    let number = outage.at_s / report.bin_s;
    let out = run.breakers.iter().find(|(target, _)| target.starts_with("anthropic/")).expect("it was asked").1;
    assert!(out[number as usize] > 0.5 && out[1] == 0.0, "{out:?}");
    assert!(run.providers["anthropic"].amplification() < 1.5, "it is left alone");
}

fn bin<'a>(run: &'a Run, report: &Report, minute: u64) -> &'a drill::Bin {
    &run.bins[(minute * 60 / report.bin_s) as usize]
}

#[test]
fn every_policy_keeps_its_promises_in_every_incident() {
    for (incident, _) in BUILT_IN {
        let report = rehearsed(incident, 12, 5.0, POLICIES, 5);
        assert_eq!(report.runs.len(), POLICIES.len());
        for run in &report.runs {
            let (summary, who) = (&run.summary, format!("{} in {incident}", run.label));
            assert_eq!(summary.requests, report.requests, "{who}");
            assert_eq!(summary.answered + summary.lost, summary.requests, "{who}");
            assert_eq!(run.bins.iter().map(|bin| bin.answered).sum::<u64>(), summary.answered, "{who}");
            assert_eq!(run.lost.iter().map(|lost| lost.count).sum::<u64>(), summary.lost, "{who}");
            for lost in &run.lost {
                assert!(!lost.ids.is_empty() && lost.story.is_some(), "{who}: {lost:?}");
            }
            // Three attempts each, a fifth more at a target in trouble, and hedges for a tenth.
            assert!((0.9..=3.0).contains(&summary.attempts), "{who}: {summary:?}");
            for (provider, ledger) in &run.providers {
                assert!(ledger.amplification() < 2.5, "{who}: {provider} {ledger:?}");
            }
            let asked: u64 = run.providers.values().map(|ledger| ledger.asked).sum();
            assert!(asked >= summary.answered, "{who}: {asked} {summary:?}");
            let alone = report.straight.summary.success;
            assert!(summary.success >= alone - 0.02, "{who} does worse than nothing: {} {alone}", summary.success);
        }
    }
}

#[test]
fn what_a_provider_limits_is_told_with_its_keys() {
    let report = rehearsed("rate-limit-storm", 30, 30.0, &["failover"], 2);
    let keys = &report.runs[0].providers["anthropic"].keys;
    assert_eq!(keys.iter().map(|key| key.key).collect::<Vec<_>>(), [1, 2]);
    assert!(keys[0].used_up_at_s.is_some_and(|at| at >= 900.0) && keys[1].used_up_at_s.is_none(), "{keys:?}");
    assert!(keys.iter().all(|key| key.limited > 0), "{keys:?}");
}

#[test]
fn what_does_not_fit_is_told() {
    let drill = |policy: &str, traffic: &str| {
        let config = configuration();
        let traffic = Traffic::parse(traffic, Path::new("traffic.toml")).expect("traffic");
        let incident = Incident::find("brown-out").expect("an incident").lasting(Duration::from_secs(60));
        let choices = vec![Choice::parse(policy).expect("a policy")];
        let error = drill::run(
            &Drill { compiler: Compiler::here(), config, incident, traffic, choices, seed: 1, line: Line::Simulated },
            &|_| {},
        )
        .expect_err(policy);
        format!("{error:#}")
    };
    let traffic = "per_minute = 60\n[[mix]]\nmodel = \"claude-x\"\nprotocol = \"anthropic-messages\"";
    assert!(drill("hedgd", traffic).contains("hedgd"));
    assert!(drill("hedged {\"order\": 7}", traffic).contains("order"));
    let unknown = drill("failover", &traffic.replace("claude-x", "mistral"));
    assert!(unknown.contains("asks for `mistral`, and no route fits"), "{unknown}");
}

/// Quick, so that they can be played in real time, too.
const QUICK: &str = r#"
    name = "quick"
    about = "made for a test"
    lasts = "36s"

    [[phase]]
    name = "everything is ten times as fast"
    first_token = 0.1
    speed = 10.0
"#;
const REFUSED: &str = r#"
    [[phase]]
    name = "gone"
    from = "6s"
    to = "18s"
    role = "first"
    unreachable = "refused"
"#;
const OVERLOADED: &str = r#"
    [[phase]]
    name = "most are refused, and some of the others break off"
    from = "6s"
    to = "24s"
    role = "first"
    share = 0.8
    errors = [{ kind = "overloaded", rate = 0.7 }, { kind = "cut-after:3", rate = 0.3 }]
"#;
const LIMITED: &str = r#"
    [[phase]]
    name = "keys are limited, and who is asked instead hangs"
    from = "6s"
    to = "24s"
    role = "first"
    limit = { per_minute = 60 }

    [[phase]]
    name = "some hang"
    from = "10s"
    to = "20s"
    role = "backup"
    share = 0.3
    errors = [{ kind = "hang-before-content" }]
"#;
const TIMES: &str = "[timeouts]\nfirst_token = \"3s\"\nreply = \"10s\"\ntotal = \"12s\"\n";
/// Of the requests, so many may end otherwise: a retry that comes a moment later meets another fate, and a breaker closes a
/// request earlier or later.
const OTHERWISE: f64 = 0.08;
/// So much the counts may differ.
const APART: f64 = 0.03;

/// What is simulated, and what happens over real sockets in real time, with callers that have connections of their own.
#[test]
fn the_simulated_line_and_the_real_one_agree() {
    let outcomes = |incident: &str, line: Line| {
        let at = TEXT.find("[timeouts]").expect("a table");
        let end = TEXT.find("[models.\"claude").expect("a table");
        let text = format!("{}{TIMES}{}", &TEXT[..at], &TEXT[end..]);
        let config = config::parse(&text, Path::new("drill.toml"), &|_| Some("none".to_owned())).expect("it is right");
        let incident = Incident::parse(&format!("{QUICK}{incident}"), Path::new("quick.toml")).expect("an incident");
        let traffic = Traffic::guessed(&config, 480.0).expect("traffic");
        let (compiler, choices) = (Compiler::here(), vec![Choice::parse("failover").expect("a policy")]);
        let drill = Drill { compiler, config, incident, traffic, choices, seed: 11, line };
        drill::outcomes(&drill).unwrap_or_else(|error| panic!("{error:#}")).remove(0)
    };
    std::thread::scope(|scope| {
        for (name, incident) in [("refused", REFUSED), ("overloaded", OVERLOADED), ("limited", LIMITED)] {
            scope.spawn(move || {
                let (simulated, real) = (outcomes(incident, Line::Simulated), outcomes(incident, Line::Real));
                let all = simulated.len() as f64;
                assert!(all > 200.0 && simulated.len() == real.len(), "{name}");
                let answered =
                    |outcomes: &[Outcome]| outcomes.iter().filter(|outcome| outcome.is_answered).count() as f64;
                let attempts =
                    |outcomes: &[Outcome]| outcomes.iter().map(|outcome| f64::from(outcome.attempts)).sum::<f64>();
                let same = |one: &Outcome, other: &Outcome| {
                    (one.is_answered, &one.target, one.attempts) == (other.is_answered, &other.target, other.attempts)
                };
                let otherwise = simulated.iter().zip(&real).filter(|(one, other)| !same(one, other)).count() as f64;
                let told = format!(
                    "{name}: of {all} requests {} and {} answered, {} and {} attempts, {otherwise} otherwise",
                    answered(&simulated),
                    answered(&real),
                    attempts(&simulated),
                    attempts(&real),
                );
                println!("{told}");
                assert!((answered(&simulated) - answered(&real)).abs() <= APART * all, "{told}");
                assert!((attempts(&simulated) - attempts(&real)).abs() <= 2.0 * APART * all, "{told}");
                assert!(otherwise <= OTHERWISE * all, "{told}");
                assert!(attempts(&simulated) > 1.1 * all, "nothing befell: {told}");
            });
        }
    });
}
