//! How does a policy do in an outage? Each incident that the drill knows, small, with the very component.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::{Check, Trial};
use crate::config::{self, Config, PluginFile};
use crate::drill::{self, BUILT_IN, Choice, Drill, Incident, Line, Report, Traffic};
use crate::plugin::Compiler;
use crate::ship::Place;

/// As short as that each phase still lasts for minutes.
const LASTS: Duration = Duration::from_secs(12 * 60);
const PER_MINUTE: f64 = 10.0;
/// Chance, and a policy that likes another target better, may lose so much more than one target alone.
const TOLERANCE: f64 = 0.05;
const TARGETS: [&str; 2] = ["anthropic/claude-sonnet-4-5", "openai/gpt-5"];
/// The name of its slot.
const NAME: &str = "tested";

/// Play them all. The process has to count fuel: see [`drill::run`].
pub fn incidents(compiler: &Compiler, file: &Path, trial: &Trial) -> Check {
    let mut check = Check::new("incidents");
    let config = match configuration(file, trial) {
        Ok(config) => config,
        Err(error) => {
            check.told = format!("not played: {error:#}");
            return check;
        }
    };
    let mut told = Vec::new();
    for (incident, _) in BUILT_IN {
        match play(compiler, incident, config.clone(), trial.seed) {
            Ok(report) => told.push(judge(&mut check, &report, file)),
            // Whether it opens is another check, with routes of more kinds.
            Err(error) => {
                check.told = format!("not played: {error:#} (a route whose targets the settings name: --targets)");
                return check;
            }
        }
    }
    check.told = format!("answered, and by the first target alone: {}", told.join("; "));
    check
}

fn judge(check: &mut Check, report: &Report, file: &Path) -> String {
    let (Some(run), alone) = (report.runs.first(), &report.straight.summary) else { return String::new() };
    let (name, summary) = (&report.incident, &run.summary);
    let place = || format!("{name}: look closer with pointsman drill --incident {name} --policy {}", file.display());
    if run.policy_faults > 0 {
        let said = format!("{} of its decisions failed, in {} requests", run.policy_faults, summary.requests);
        check.fail(place(), said, "a decision each time");
    }
    if summary.success < alone.success - TOLERANCE {
        let said = format!("{} of {} requests are answered", summary.answered, summary.requests);
        check.fail(place(), said, format!("about as many at least as without a policy: {}", alone.answered));
    }
    format!("{name} {:.1} % ({:.1} %)", summary.success * 100.0, alone.success * 100.0)
}

fn play(compiler: &Compiler, incident: &str, config: Config, seed: u64) -> anyhow::Result<Report> {
    let incident = Incident::find(incident)?.lasting(LASTS);
    let traffic = Traffic::guessed(&config, PER_MINUTE)?;
    let (compiler, choices, line) = (compiler.clone(), vec![Choice::configured()], Line::Simulated);
    let drill = Drill { compiler, config, incident, traffic, choices, seed, line, explain: None };
    drill::run(&drill, &|_| {})
}

/// One route, whose providers are simulated.
fn configuration(file: &Path, trial: &Trial) -> anyhow::Result<Config> {
    use std::fmt::Write as _;
    let targets: Vec<&str> = match trial.targets.as_slice() {
        [] => TARGETS.to_vec(),
        targets => targets.iter().map(|target| target.id.as_str()).collect(),
    };
    let (mut text, mut providers) = (String::new(), Vec::new());
    for target in &targets {
        let provider = target.split_once('/').map_or(*target, |(provider, _)| provider);
        if !providers.contains(&provider) {
            let (name, adapter) = (quoted(provider), adapter(target));
            // Writing to a String cannot fail.
            let _ = writeln!(text, "[providers.{name}]\nadapter = \"{adapter}\"\nkey = \"none\"");
            providers.push(provider);
        }
    }
    let targets: Vec<String> = targets.iter().map(|target| quoted(target)).collect();
    let _ = writeln!(text, "[models.assistant]\ntargets = [{}]", targets.join(", "));
    let mut config = config::parse(&text, Path::new("the route of --targets"), &|_| None)?;
    let file = std::path::absolute(file).context("finding the component")?;
    let file = PluginFile { place: Place::File(file), sha256: None, fresh: false };
    config.plugins.insert(NAME.to_owned(), file);
    for model in &mut config.models {
        NAME.clone_into(&mut model.policy);
        model.settings.clone_from(&trial.settings);
    }
    Ok(config)
}

/// What a model of this name is likely to be asked by.
fn adapter(target: &str) -> &'static str {
    match () {
        () if target.contains("claude") => "anthropic-messages",
        () if target.contains("gemini") => "gemini",
        () => "openai-chat",
    }
}

/// As a string in TOML, which JSON's are.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
