//! The drill: outages rehearsed with the whole gateway, in virtual time.

use std::path::Path;
use std::time::Duration;

use pointsman::config::{self, Config};
use pointsman::conformance::{self, Trial};
use pointsman::drill::{self, BUILT_IN, Choice, Drill, Incident, Line, Report, Run, Traffic};
use pointsman::plugin::Compiler;
use pointsman_tests::guests::{HOSTILE, bundled};

/// Claude with two keys, and GPT behind it.
const TEXT: &str = include_str!("../../examples/two-keys.toml");

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
    let secret = |name: &str| name.contains("_API_KEY").then(|| format!("secret-{name}"));
    config::parse(TEXT, Path::new("drill.toml"), &secret).unwrap_or_else(|error| panic!("{error}"))
}

fn rehearsed(incident: &str, minutes: u64, per_minute: f64, policies: &[&str], seed: u64) -> Report {
    let config = configuration();
    let incident = Incident::find(incident).expect("an incident").lasting(Duration::from_secs(minutes * 60));
    let traffic = Traffic::guessed(&config, per_minute).expect("traffic");
    let choices = policies.iter().map(|policy| Choice::parse(policy).expect("a policy")).collect();
    let drill = Drill {
        compiler: Compiler::here(),
        config,
        incident,
        traffic,
        choices,
        seed,
        line: Line::Simulated,
        explain: None,
    };
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
    assert_eq!(both.sdk_retries, alone.sdk_retries);
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
fn the_sdks_retries_are_a_baseline_of_its_own() {
    let twin = |incident, minutes| {
        let report = rehearsed(incident, minutes, 10.0, &["failover"], 1);
        let fair = report.sdk_retries.clone().expect("it was made");
        assert_eq!(fair.label, "SDK retries only");
        assert_eq!(fair.summary.requests, report.requests);
        assert!((1.0..=3.0).contains(&fair.summary.attempts), "{:?}", fair.summary);
        assert_eq!(report.straight.summary.attempts, 1.0);
        (fair.summary, report.straight.summary, report.runs[0].summary.clone())
    };
    // Half of all are refused: two more attempts save three of four. Against hours of nothing they are no help.
    let (fair, straight, _) = twin("everything-degraded", 60);
    assert!(fair.success > straight.success + 0.1, "{fair:?} {straight:?}");
    let (fair, straight, with) = twin("provider-loss", 150);
    assert!(fair.success < straight.success + 0.1 && with.success > fair.success + 0.2, "{fair:?} {straight:?}");
    // A restart of seconds is over before an SDK gives up, most of the time.
    let (fair, straight, _) = twin("restart-of-the-provider", 60);
    assert!(fair.lost < straight.lost, "{fair:?} {straight:?}");
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
            // Patience without end is answered by a trickle; the 90 s of the configuration are not, before anybody knows.
            let worse = if *incident == "trickle" { 0.1 } else { 0.02 };
            assert!(summary.success >= alone - worse, "{who} does worse than nothing: {} {alone}", summary.success);
        }
    }
}

#[test]
fn the_table_of_results_is_true() {
    let (hours, per_minute) = (1, 10);
    let reports =
        BUILT_IN.iter().map(|(incident, _)| rehearsed(incident, hours * 60, f64::from(per_minute), POLICIES, 1));
    let table = drill::results(&reports.collect::<Vec<_>>());
    let against: String = POLICIES[1..].iter().map(|policy| format!(" \\\n        --against '{policy}'")).collect();
    let text = format!(
        "# Each built-in policy in each built-in incident\n\n\
         Made by `UPDATE_GOLDEN=1 cargo test --workspace --test drill -- results`; a test fails when it is out of date. The\n\
         same table comes from\n\n    \
         pointsman drill examples/two-keys.toml --hours {hours} --rate {per_minute} --policy {}{against}\n\n\
         Each incident is played in an hour, with {per_minute} requests a minute: small numbers, in which one request more\n\
         or less is chance. An outage is where less than 90% were answered; tokens are the first ones of streamed replies;\n\
         cost is times what the first targets would have cost.\n\n{table}",
        POLICIES[0]
    );
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("examples/incidents/RESULTS.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).expect("writing the table");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == text, "examples/incidents/RESULTS.md is out of date: run the command that stands in it");
}

/// A row of the table of results: its cells, without the incident and the policy.
fn result(incident: &str, policy: &str) -> Vec<String> {
    let table = include_str!("../../examples/incidents/RESULTS.md");
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let mut rows = table.lines().map(cells).filter(|cells| cells.len() > 2);
    let row = rows.find(|cells| cells[0] == incident && cells[1] == policy);
    row.unwrap_or_else(|| panic!("no row for {policy} in {incident}")).split_off(2)
}

/// Who configures nothing waits hardly longer than who chose the policy that goes by speed.
#[test]
fn in_a_brown_out_failover_is_nearly_as_fast_as_fastest() {
    let p95 = |policy: &str| -> f64 {
        let cell = result("brown-out", policy).swap_remove(4);
        cell.strip_suffix('s').and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{policy}: {cell}"))
    };
    let (failover, fastest) = (p95("`failover`"), p95("`fastest`"));
    assert!(fastest > 1.0 && failover <= 1.5 * fastest, "{failover} s against {fastest} s");
}

#[test]
fn the_readme_quotes_the_table_and_its_fair_baseline() {
    let readme = include_str!("../../README.md").split_whitespace().collect::<Vec<_>>().join(" ");
    let answered = |policy: &str| result("2026-06-02-claude", policy).swap_remove(0);
    let (failover, retries) = (answered("`failover`"), answered("SDK retries only"));
    let quote = format!("`failover` answers {failover}, and those retries alone {retries}");
    assert!(readme.contains(&quote), "README.md does not say: {quote}");
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
            &Drill {
                compiler: Compiler::here(),
                config,
                incident,
                traffic,
                choices,
                seed: 1,
                line: Line::Simulated,
                explain: None,
            },
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

/// As `pointsman plugin test` does.
#[test]
fn a_policy_that_fails_in_an_incident_is_not_fit() {
    let folder = std::env::temp_dir().join(format!("pointsman-incidents-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("policy.wasm");
    let tried = |bytes: &[u8], settings: &str, targets: &[&str]| {
        std::fs::write(&file, bytes).expect("written");
        let targets = targets.iter().map(|id| conformance::target(id)).collect();
        let trial = Trial { settings: settings.to_owned(), targets, seed: 1, ..Trial::default() };
        conformance::incidents(&Compiler::here(), &file, &trial)
    };
    let good = tried(bundled("failover"), "{}", &[]);
    assert!(good.failures.is_empty(), "{good:?}");
    for (incident, _) in BUILT_IN {
        assert!(good.told.contains(&format!("{incident} ")), "{good:?}");
    }
    let others = tried(bundled("fastest"), "{}", &["a/gemini-2.5-pro", "a/gemini-2.5-flash", "b/claude-x", "c/gpt"]);
    assert!(others.failures.is_empty() && others.told.contains("brown-out"), "{others:?}");
    let traps = tried(HOSTILE, r#"{"how": "trap"}"#, &[]);
    assert_eq!(traps.failures.len(), BUILT_IN.len(), "{traps:?}");
    let failure = &traps.failures[0];
    assert!(failure.said.contains("of its decisions failed"), "{failure:?}");
    assert!(failure.place.contains("pointsman drill --incident 2026-06-02-claude --policy /"), "{failure:?}");
    let unopened = tried(HOSTILE, "{}", &[]);
    assert!(unopened.failures.is_empty() && unopened.told.starts_with("not played: "), "{unopened:?}");
    std::fs::remove_dir_all(folder).expect("the folder");
}

#[test]
fn a_search_stays_within_what_a_policy_declares_and_finds_what_nothing_beats() {
    let drill = |policy: &str, seed| {
        let config = configuration();
        let traffic = Traffic::guessed(&config, 8.0).expect("traffic");
        let incident = Incident::find("brown-out").expect("an incident").lasting(Duration::from_secs(8 * 60));
        let choices = vec![Choice::parse(policy).expect("a policy")];
        Drill {
            compiler: Compiler::here(),
            config,
            incident,
            traffic,
            choices,
            seed,
            line: Line::Simulated,
            explain: None,
        }
    };
    let given = "hedged {\"order\": \"fastest\", \"wait_ms\": 5000}";
    let tuned = drill::tune(&drill(given, 4), 20, &|_| {}).unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(tuned.tried.len() + tuned.refused, 20, "{tuned:?}");
    assert_eq!(
        serde_json::to_value(&tuned.tried[0].settings).expect("JSON"),
        serde_json::json!({ "order": "fastest", "wait_ms": 5000 })
    );
    assert!(tuned.policy == "hedged" && tuned.varied.len() > 2, "{tuned:?}");
    for tried in &tuned.tried[1..] {
        assert!(tried.settings.keys().all(|name| name == "wait_ms" || tuned.varied.contains(name)), "{tried:?}");
        let times = tried.settings["hedge_after_times"].as_f64().expect("a number");
        assert!((1.0..=5.0).contains(&times) && (0.0..=1.0).contains(&tried.success), "{tried:?}");
    }
    let best: Vec<_> = tuned.tried.iter().filter(|tried| tried.is_best).collect();
    let most = tuned.tried.iter().map(|tried| tried.success).fold(0.0, f64::max);
    assert!(best.iter().any(|tried| tried.success == most), "{best:?}");
    assert_eq!(drill::tune(&drill(given, 4), 20, &|_| {}).expect("again"), tuned, "the same seed finds the same");

    let file = std::env::temp_dir().join(format!("pointsman-tune-{}.wasm", std::process::id()));
    std::fs::write(&file, HOSTILE).expect("written");
    let silent = format!("{} {{\"how\": \"well\"}}", file.display());
    let error = drill::tune(&drill(&silent, 4), 5, &|_| {}).expect_err("it declares nothing");
    assert!(format!("{error:#}").contains("wit/about.wit"), "{error:#}");
    std::fs::remove_file(file).expect("the file");
    let error = drill::tune(&drill("hedged {\"order\": 7}", 4), 5, &|_| {}).expect_err("it refuses");
    assert!(format!("{error:#}").contains("order"), "{error:#}");
}
