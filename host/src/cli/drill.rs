//! `pointsman drill`

mod screen;
mod tune;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::admin::Admin;
use super::compiler;
use super::explain::{asked_journal, read_journal};
use crate::config::{self, Source};
use crate::drill::{self, BUILT_IN, Choice, Drill, Expectation, Incident, Line, Report, Traffic};
use crate::plugin::engine;

/// Hours that a drill may last.
const HOURS_MAX: f64 = 168.0;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    other: Option<Other>,
    #[command(flatten)]
    scene: Scene,
    /// A built-in incident (`2026-06-02-claude`, `provider-loss`, `brown-out`, `rate-limit-storm`, `thundering-herd`,
    /// `everything-degraded`, `silence`, `trickle`, `backup-with-a-low-limit`, `restart-of-the-provider`), or a file: see
    /// examples/incidents. Without it all built-in ones are played, and a table in Markdown compares them.
    #[arg(long, value_name = "NAME")]
    incident: Option<String>,
    /// Another policy, for comparison: the same requests meet the same fates. May be given again.
    #[arg(long, value_name = "POLICY")]
    against: Vec<String>,
    /// What must hold of the first policy, such as 'success >= 99.9%', 'p95-first-token <= 4s' or 'cost <= 1.3x' (times what
    /// the first targets would cost); else the exit code is 1. May be given again.
    #[arg(long, value_name = "EXPECTATION")]
    expect: Vec<Expectation>,
    /// Play it again, and tell the story of this request: an id of those that were lost, or any other.
    #[arg(long, value_name = "ID", requires = "incident", conflicts_with = "json")]
    explain: Option<String>,
    /// The whole report; or all of them, when all incidents are played.
    #[arg(long)]
    json: bool,
    /// Write the report as a page with plots, too: one file, which needs no network.
    #[arg(long, value_name = "FILE", requires = "incident")]
    html: Option<PathBuf>,
    #[command(flatten)]
    worth: Worth,
}

/// What is rehearsed, and with whom.
#[derive(Debug, clap::Args)]
struct Scene {
    /// The configuration to rehearse with. Default: `pointsman.toml` in the working directory, or the keys in the environment.
    config: Option<PathBuf>,
    /// What callers ask for. Default: something of everything that is routed, at `--rate`.
    #[arg(long, value_name = "FILE", conflicts_with = "rate")]
    traffic: Option<PathBuf>,
    /// Requests a minute.
    #[arg(long, default_value_t = 60.0)]
    rate: f64,
    /// Play the incident in so many hours, faster or slower than it was.
    #[arg(long)]
    hours: Option<f64>,
    /// Decides in all routes, in place of the configured policies: a name, a .wasm file, or either with settings, such as
    /// 'hedged {"hedge_after_ms": 2000}'.
    #[arg(long)]
    policy: Option<String>,
    /// Another seed is another day.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, clap::Args)]
struct Worth {
    /// US dollars that an answered request is worth: what was lost is told in money as well.
    #[arg(long, value_name = "USD")]
    value: Option<f64>,
}

impl Worth {
    fn checked(&self) -> anyhow::Result<Option<f64>> {
        let is_amount = self.value.is_none_or(|usd| usd.is_finite() && usd >= 0.0);
        ensure!(is_amount, "`--value` is an amount of US dollars, such as 0.05");
        Ok(self.value)
    }
}

#[derive(Debug, clap::Subcommand)]
enum Other {
    /// Make a traffic file of what the running gateway recorded: how many requests came and when, of which sorts, how large they
    /// were, and how fast models answered. Best of a day on which all was well.
    ///
    ///     pointsman drill traffic > traffic.toml
    ///     pointsman drill pointsman.toml --incident brown-out --traffic traffic.toml
    #[command(verbatim_doc_comment)]
    Traffic {
        /// A file instead: what the admin port of a gateway gives at /journal.
        #[arg(long, value_name = "FILE")]
        journal: Option<PathBuf>,
        #[command(flatten)]
        admin: Admin,
    },
    /// Show again what `--json` gave, without playing it.
    ///
    ///     pointsman drill pointsman.toml --incident brown-out --json > report.json
    ///     pointsman drill report report.json --html report.html
    #[command(verbatim_doc_comment)]
    Report {
        report: PathBuf,
        /// Write it as a page, too.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
        #[command(flatten)]
        worth: Worth,
    },
    /// Search for better settings of a policy, within the ranges that it declares (`plugin inspect` shows them): each try meets
    /// the same incident. Shows the tries that no other one beats in success, time to the first token and cost at once.
    ///
    ///     pointsman drill tune pointsman.toml --incident brown-out --policy hedged
    ///
    /// What is best in one incident need not be in another: play the others with it before you believe it.
    #[command(verbatim_doc_comment)]
    Tune(tune::Arguments),
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.other {
        None => {}
        Some(Other::Traffic { journal, admin }) => {
            let told = match journal {
                Some(file) => read_journal(file)?,
                None => asked_journal(admin).await?,
            };
            print!("{}", drill::recorded(&told.entries)?);
            return Ok(ExitCode::SUCCESS);
        }
        Some(Other::Report { report, html, worth }) => {
            let report = read(report, worth.checked()?)?;
            print!("{}", screen::told(&report));
            html.as_ref().map_or(Ok(()), |file| write_page(&report, file))?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Other::Tune(arguments)) => return tune::run(arguments),
    }
    // Before anything is compiled: it is compiled for that.
    engine::count_fuel()?;
    let value_usd = arguments.worth.checked()?;
    if let Some(file) = &arguments.html {
        // Told before a drill of minutes, not after it.
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        ensure!(folder.is_none_or(Path::is_dir), "`--html {}`: there is no such folder", file.display());
    }
    let play = |drill: &Drill| {
        let report = watched(|progress| drill::run(drill, progress))?;
        Ok(Report { value_usd, ..report })
    };
    let reports = prepared(&arguments)?.iter().map(play).collect::<anyhow::Result<Vec<Report>>>()?;
    match (reports.as_slice(), arguments.json) {
        ([report], true) if arguments.incident.is_some() => print_json(report)?,
        (reports, true) => print_json(reports)?,
        ([report], false) if arguments.explain.is_some() => print!("{}", screen::explained(report)?),
        ([report], false) if arguments.incident.is_some() => print!("{}", screen::told(report)),
        (reports, false) => print!("{}", drill::results(reports)),
    }
    if let (Some(file), Some(report)) = (&arguments.html, reports.first()) {
        write_page(report, file)?;
    }
    let met = reports.iter().map(|report| judged(&arguments, report)).collect::<anyhow::Result<Vec<bool>>>()?;
    Ok(if met.iter().all(|met| *met) { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn print_json(report: &(impl serde::Serialize + ?Sized)) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(report).context("writing the report")?);
    Ok(())
}

fn write_page(report: &Report, file: &Path) -> anyhow::Result<()> {
    std::fs::write(file, drill::page(report)).with_context(|| format!("writing {}", file.display()))
}

/// What was said of the value then holds, unless something is said of it now.
fn read(path: &Path, value_usd: Option<f64>) -> anyhow::Result<Report> {
    let text = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let report: Report = serde_json::from_slice(&text)
        .with_context(|| format!("{} is not what `pointsman drill --incident … --json` gives", path.display()))?;
    Ok(Report { value_usd: value_usd.or(report.value_usd), ..report })
}

/// Was all met that was expected of the first policy?
fn judged(arguments: &Arguments, report: &Report) -> anyhow::Result<bool> {
    let mut all_met = true;
    for expected in &arguments.expect {
        let measured = report.runs.first().map(|run| expected.judge(run)).context("there was no run")?;
        let word = if measured.is_met { "met" } else { "MISSED" };
        let of = if arguments.incident.is_some() { String::new() } else { format!("{}: ", report.incident) };
        eprintln!("{word}: {of}{} (measured: {})", expected.text, measured.measured);
        all_met &= measured.is_met;
    }
    Ok(all_met)
}

/// A drill for each incident.
fn prepared(arguments: &Arguments) -> anyhow::Result<Vec<Drill>> {
    let built_in = || BUILT_IN.iter().map(|(name, _)| *name).collect();
    let names: Vec<&str> = arguments.incident.as_deref().map_or_else(built_in, |name| vec![name]);
    let incidents = names.into_iter().map(Incident::find).collect::<anyhow::Result<Vec<_>>>()?;
    let others = arguments.against.iter().map(|text| Choice::parse(text)).collect::<anyhow::Result<Vec<_>>>()?;
    let scene = &arguments.scene;
    let mut drills = scene.drills(incidents, &[vec![scene.choice()?], others].concat())?;
    drills.iter_mut().for_each(|drill| drill.explain = arguments.explain.as_deref().map(Into::into));
    Ok(drills)
}

impl Scene {
    /// The policy.
    fn choice(&self) -> anyhow::Result<Choice> {
        self.policy.as_deref().map_or_else(|| Ok(Choice::configured()), Choice::parse)
    }

    /// One for each incident.
    fn drills(&self, mut incidents: Vec<Incident>, choices: &[Choice]) -> anyhow::Result<Vec<Drill>> {
        let source = Source::find(self.config.as_deref());
        let text = match &source {
            // Whether it can be read is told below.
            Source::File(path) => std::fs::read_to_string(path).unwrap_or_default(),
            Source::Automatic => String::new(),
        };
        // No key is used, so none that the file names needs to be there.
        let stand_in = |name: &str| text.contains(&format!("${{{name}}}")).then(|| format!("drill-{name}"));
        let config = source.load(&|name| config::process_environment(name).or_else(|| stand_in(name)))?;
        if let Some(hours) = self.hours {
            ensure!(hours > 0.01 && hours <= HOURS_MAX, "a drill lasts more than 0.01 hours, and {HOURS_MAX} at most");
            let lasts = Duration::from_secs_f64(hours * 3_600.0);
            incidents.iter_mut().for_each(|incident| *incident = incident.lasting(lasts));
        }
        let traffic = match &self.traffic {
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
                Traffic::parse(&text, path)?
            }
            None => Traffic::guessed(&config, self.rate)?,
        };
        let drill = |incident| Drill {
            compiler: compiler(config.gate.compile, config.server.state.as_deref()),
            config: config.clone(),
            incident,
            traffic: traffic.clone(),
            choices: choices.to_vec(),
            seed: self.seed,
            line: Line::Simulated,
            explain: None,
        };
        Ok(incidents.into_iter().map(drill).collect())
    }
}

/// With a bar, where there is a terminal.
fn watched<R>(play: impl FnOnce(&drill::Progress<'_>) -> R) -> R {
    if !std::io::stderr().is_terminal() {
        return play(&|_| {});
    }
    let played = play(&bar);
    eprint!("\r{:60}\r", "");
    played
}

fn bar(done: f64) {
    const WIDTH: usize = 40;
    let full = (done * WIDTH as f64) as usize;
    let mut screen = std::io::stderr().lock();
    // A terminal that is gone needs no bar.
    let _ = write!(screen, "\r[{:<WIDTH$}] {:>3.0} %", "#".repeat(full.min(WIDTH)), done * 100.0);
    let _ = screen.flush();
}
