//! `pointsman drill`

mod screen;

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::compiler;
use super::explain::read_journal;
use crate::config::{self, Source};
use crate::drill::{self, Choice, Drill, Expectation, Incident, Line, Traffic};
use crate::plugin::engine;

/// Hours that a drill may last.
const HOURS_MAX: f64 = 168.0;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Arguments {
    #[command(subcommand)]
    other: Option<Other>,
    /// The configuration to rehearse with. Default: `pointsman.toml` in the working directory, or the keys in the environment.
    config: Option<PathBuf>,
    /// A built-in incident (`2026-06-02-claude`, `provider-loss`, `brown-out`, `rate-limit-storm`, `thundering-herd`,
    /// `everything-degraded`), or a file: see examples/incidents.
    #[arg(long, value_name = "NAME", required = true)]
    incident: Option<String>,
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
    /// Another policy, for comparison: the same requests meet the same fates. May be given again.
    #[arg(long, value_name = "POLICY")]
    against: Vec<String>,
    /// Another seed is another day.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What must hold of the first policy, such as 'success >= 99.9%', 'p95-first-token <= 4s' or 'cost <= 1.3x' (times what
    /// the first targets would cost); else the exit code is 1. May be given again.
    #[arg(long, value_name = "EXPECTATION")]
    expect: Vec<Expectation>,
    /// The whole report.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Other {
    /// Make a traffic file of what a gateway recorded: how many requests came and when, of which sorts, how large they were.
    ///
    ///     curl -H "authorization: Bearer $POINTSMAN_ADMIN_TOKEN" 127.0.0.1:4401/journal > journal.json
    ///     pointsman drill traffic --journal journal.json > traffic.toml
    #[command(verbatim_doc_comment)]
    Traffic {
        /// What the admin port of a gateway gives at /journal.
        #[arg(long, value_name = "FILE")]
        journal: PathBuf,
    },
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    if let Some(Other::Traffic { journal }) = &arguments.other {
        print!("{}", drill::recorded(&read_journal(journal)?.entries)?);
        return Ok(ExitCode::SUCCESS);
    }
    // Before anything is compiled: it is compiled for that.
    engine::count_fuel()?;
    let drill = prepared(&arguments)?;
    let report = match std::io::stderr().is_terminal() {
        true => {
            let report = drill::run(&drill, &bar);
            eprint!("\r{:60}\r", "");
            report?
        }
        false => drill::run(&drill, &|_| {})?,
    };
    match arguments.json {
        true => println!("{}", serde_json::to_string_pretty(&report).context("writing the report")?),
        false => print!("{}", screen::told(&report)),
    }
    let mut all_met = true;
    for expected in &arguments.expect {
        let measured = report.runs.first().map(|run| expected.judge(run)).context("there was no run")?;
        let word = if measured.is_met { "met" } else { "MISSED" };
        eprintln!("{word}: {} (measured: {})", expected.text, measured.measured);
        all_met &= measured.is_met;
    }
    Ok(if all_met { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn prepared(arguments: &Arguments) -> anyhow::Result<Drill> {
    let source = Source::find(arguments.config.as_deref());
    let text = match &source {
        // Whether it can be read is told below.
        Source::File(path) => std::fs::read_to_string(path).unwrap_or_default(),
        Source::Automatic => String::new(),
    };
    // No key is used, so none that the file names needs to be there.
    let stand_in = |name: &str| text.contains(&format!("${{{name}}}")).then(|| format!("drill-{name}"));
    let config = source.load(&|name| config::process_environment(name).or_else(|| stand_in(name)))?;
    let mut incident = Incident::find(arguments.incident.as_deref().unwrap_or_default())?;
    if let Some(hours) = arguments.hours {
        ensure!(hours > 0.01 && hours <= HOURS_MAX, "a drill lasts more than 0.01 hours, and {HOURS_MAX} at most");
        incident = incident.lasting(Duration::from_secs_f64(hours * 3_600.0));
    }
    let traffic = match &arguments.traffic {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
            Traffic::parse(&text, path)?
        }
        None => Traffic::guessed(&config, arguments.rate)?,
    };
    let first = arguments.policy.as_deref().map_or_else(|| Ok(Choice::configured()), Choice::parse)?;
    let others = arguments.against.iter().map(|text| Choice::parse(text)).collect::<anyhow::Result<Vec<_>>>()?;
    let choices = [vec![first], others].concat();
    let compiler = compiler(config.gate.compile, config.server.state.as_deref());
    Ok(Drill { compiler, config, incident, traffic, choices, seed: arguments.seed, line: Line::Simulated })
}

fn bar(done: f64) {
    const WIDTH: usize = 40;
    let full = (done * WIDTH as f64) as usize;
    let mut screen = std::io::stderr().lock();
    // A terminal that is gone needs no bar.
    let _ = write!(screen, "\r[{:<WIDTH$}] {:>3.0} %", "#".repeat(full.min(WIDTH)), done * 100.0);
    let _ = screen.flush();
}
