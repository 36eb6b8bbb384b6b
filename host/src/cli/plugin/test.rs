//! `pointsman plugin test`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};

use super::{compiler, pack};
use crate::cli::explain::{Told, read_journal};
use crate::cli::print_json;
use crate::conformance;
use crate::conformance::{Check, Trial, target};
use crate::plugin::{Cases, engine, shown, shown_lines};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The component.
    file: PathBuf,
    /// The settings to open it with, JSON: a route's for a policy, a provider's for an adapter.
    #[arg(long, value_name = "JSON")]
    settings: Option<String>,
    /// Your own cases, in place of those in the package: a folder with `*.toml`, as `plugin new` makes one, or a file.
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
    /// Recorded situations as well, for a policy: what the admin port of a gateway gives at /journal.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// The route of a policy's generated situations, for settings that name targets: `openai/gpt-5,anthropic/claude-sonnet-4-5`.
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    targets: Vec<String>,
    /// How many situations are generated, or requests for an adapter.
    #[arg(long, default_value_t = 300)]
    situations: usize,
    /// Another number, others.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Do not play the drill's incidents.
    #[arg(long)]
    no_incidents: bool,
    /// All of it in JSON.
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { file, settings, cases, journal, targets, situations, seed, no_incidents, json } = arguments;
    let bytes = tokio::fs::read(&file).await.with_context(|| format!("reading {}", file.display()))?;
    if let Some(settings) = &settings {
        let read = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(settings);
        read.context("--settings must be a JSON object, such as '{\"attempts\": 2}'")?;
    }
    let trial = Trial {
        overrides: settings.is_some(),
        settings: settings.unwrap_or_else(|| "{}".to_owned()),
        targets: targets.iter().map(|id| target(id)).collect(),
        seed,
        situations,
        cases: cases.as_deref().map(read_cases).transpose()?.unwrap_or_default(),
        journal: journal.as_deref().map(read_journal).transpose()?.map(|Told { routes, entries }| (routes, entries)),
    };
    // The drill's time is no real one, and a test should not depend on how busy the machine is.
    engine::count_fuel()?;
    let compiler = compiler();
    let mut checks = conformance::run(&compiler, &bytes, &trial).await?;
    let good = |checks: &[Check]| checks.iter().all(|check| check.failures.is_empty());
    let decides = checks.iter().any(|check| check.name == "decides");
    if decides && good(&checks) && !no_incidents {
        let (file, trial) = (file.clone(), trial);
        let played = tokio::task::spawn_blocking(move || conformance::incidents(&compiler, &file, &trial)).await;
        checks.push(played.context("the drill broke down")?);
    }
    let passed = good(&checks);
    if json {
        print_json(&serde_json::json!({ "file": file, "passed": passed, "seed": seed, "checks": checks }))?;
    } else {
        print(&checks);
        let word = if passed { "passed" } else { "FAILED" };
        println!("{word}    {}", file.display());
    }
    if passed {
        eprintln!("put it into a running gateway: pointsman plugin load {} --as NAME", file.display());
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Each check, and what was wrong.
pub fn print(checks: &[Check]) {
    for Check { name, told, failures } in checks {
        let word = if failures.is_empty() { "ok" } else { "FAILED" };
        println!("{word:<9} {name}: {}", shown(told));
        for failure in failures {
            println!("  {}", shown_lines(&failure.place));
            println!("    said      {}", shown_lines(&failure.said));
            println!("    expected  {}", shown_lines(&failure.expected));
            if let Some(situation) = failure.situation.as_ref().and_then(|told| serde_json::to_string(told).ok()) {
                println!("    situation {situation}");
            }
        }
    }
}

/// Those of a file, or of all files of a folder, by their paths.
///
/// # Errors
/// Which cannot be read, or that there is no case.
pub fn read_cases(path: &Path) -> anyhow::Result<Vec<Cases>> {
    let mut cases = if path.is_dir() { pack::read_cases(path)? } else { vec![pack::read_file(path)?] };
    for Cases { file, .. } in &mut cases {
        let whole = if path.is_dir() { path.join(&file) } else { path.to_owned() };
        *file = whole.display().to_string();
    }
    ensure!(
        cases.iter().any(|cases| cases.text.contains("[[case]]")),
        "{} has no case: write one as `[[case]]` in a file `*.toml`",
        path.display()
    );
    Ok(cases)
}
