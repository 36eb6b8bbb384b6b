//! The command line: one file a verb. Data goes to standard output (verbs that show data have `--json`), words to standard
//! error. What exit codes mean stands in [`EXIT_CODES`].

mod admin;
mod check;
mod compile;
mod completions;
mod demo;
mod drill;
mod explain;
mod fake;
mod fault;
mod key;
mod plugin;
mod replay;
mod serve;
mod targets;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tracing_subscriber::filter::LevelFilter;

use crate::plugin::{Cache, CompileLimits, Compiler, shown_lines};

/// What still runs when the work is done gets so long.
const LAST_WORK: Duration = Duration::from_secs(1);

const EXIT_CODES: &str = "Exit codes:
  0  it is done, or the answer is yes
  1  the answer is no: a policy that is not fit or would decide otherwise, a plugin that does not compile, a failed demo
  2  it was not done: the command line or the configuration is wrong, or the gateway, a registry or a file refused

Data goes to standard output (in JSON with --json, where a verb shows data), everything else to standard error.";

/// Keeps your product answering when an AI provider fails.
///
/// Point your OpenAI or Anthropic client at http://127.0.0.1:4400 instead of the provider; change nothing else. When a
/// provider is slow, overloaded or down, another answers. What to do when one fails is a WebAssembly plugin, which can be
/// swapped while requests run.
#[derive(Debug, Parser)]
#[command(name = "pointsman", version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the gateway.
    ///
    /// Without a configuration file, every provider whose key is in the environment is used, each the backup of the other:
    ///
    ///     ANTHROPIC_API_KEY=… OPENAI_API_KEY=… pointsman serve
    ///
    /// Callers connect to 127.0.0.1:4400 (or POINTSMAN_LISTEN, or the file's `listen`). With POINTSMAN_ADMIN_TOKEN set,
    /// `pointsman plugin …` can change plugins through 127.0.0.1:4401 (or POINTSMAN_ADMIN). POINTSMAN_LOG is error, warn,
    /// info (the default), debug or off.
    #[command(verbatim_doc_comment)]
    Serve(ConfigArgument),
    /// Check a configuration and print its routes; nothing listens.
    ///
    ///     pointsman check pointsman.toml
    #[command(verbatim_doc_comment)]
    Check(check::Arguments),
    /// Make, build, test and inspect plugins, and load, swap and roll back those of the running gateway.
    #[command(subcommand)]
    Plugin(plugin::Verb),
    /// Make keys for callers.
    #[command(subcommand)]
    Key(key::Verb),
    /// The health of the running gateway's targets: breakers, success, first token, load.
    ///
    ///     pointsman targets
    #[command(verbatim_doc_comment)]
    Targets(targets::Arguments),
    /// Break targets of the running gateway on purpose, for a game day: faults that are injected end by themselves.
    #[command(subcommand)]
    Fault(fault::Verb),
    /// The story of one request, in plain words: what its policy saw, decided, and what came of it.
    ///
    ///     pointsman explain pm_0123456789abcdef
    #[command(verbatim_doc_comment)]
    Explain(explain::Arguments),
    /// Let another version of a policy decide again what was decided lately, and show where it would have decided otherwise.
    /// Exit code 1 if it would.
    ///
    ///     pointsman replay --policy night_shift.wasm --since 60
    #[command(verbatim_doc_comment)]
    Replay(replay::Arguments),
    /// See it work, without keys: two fake providers, an outage, and a policy swapped in the middle of it.
    Demo(demo::Arguments),
    /// Rehearse an outage before it happens: hours of it in seconds, in virtual time, with your configuration and the policies
    /// that run in production. No key is used and nothing is sent anywhere.
    ///
    ///     pointsman drill pointsman.toml --incident 2026-06-02-claude
    ///     pointsman drill pointsman.toml --incident brown-out --policy failover --against hedged
    ///     pointsman drill pointsman.toml --incident provider-loss --expect 'success >= 99.9%' --expect 'cost <= 1.3x'
    ///
    /// Exit code 1 when an expectation is missed.
    #[command(verbatim_doc_comment)]
    Drill(Box<drill::Arguments>),
    /// Serve a fake provider, to try a configuration without keys.
    ///
    ///     pointsman fake anthropic-messages --listen 127.0.0.1:5001
    ///     curl 127.0.0.1:5001/fake/behave -d 529
    #[command(verbatim_doc_comment)]
    Fake(fake::Arguments),
    /// What a gateway starts to compile a plugin apart from itself.
    #[command(hide = true)]
    Compile(compile::Arguments),
    /// A script that completes this program's words in your shell, on standard output.
    ///
    ///     source <(pointsman completions bash)
    #[command(verbatim_doc_comment)]
    Completions(completions::Arguments),
}

#[derive(Debug, clap::Args)]
struct ConfigArgument {
    /// The configuration file. Default: `pointsman.toml` in the working directory, if there is one.
    #[arg(long, short, env = "POINTSMAN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// A refusal whose text is already written for the person: printed without `error:` chains below it.
#[derive(Debug)]
struct Usage(anyhow::Error);

/// Parse, run, print what went wrong.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let _log = log(&arguments.verb);
    let mut runtime = match arguments.verb {
        // It limits its own memory, and needs no threads.
        Verb::Compile(_) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime
        .enable_all()
        // A plugin that yields every tick would otherwise keep timers and sockets waiting for 61 of its turns.
        .event_interval(8)
        .build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(run(arguments.verb));
            // What nobody waits for any more, such as a file or a name server that hangs, does not keep the process from its end.
            runtime.shutdown_timeout(LAST_WORK);
            outcome
        }
        Err(error) => Err(Usage(anyhow::anyhow!("starting the runtime: {error}"))),
    };
    match outcome {
        Ok(code) => code,
        Err(Usage(error)) => {
            eprintln!("error: {}", chain(&error));
            ExitCode::from(2)
        }
    }
}

async fn run(verb: Verb) -> Result<ExitCode, Usage> {
    match verb {
        Verb::Serve(argument) => serve::run(argument.config.as_deref()).await.map_err(Usage),
        Verb::Check(arguments) => check::run(arguments).await.map_err(Usage),
        Verb::Plugin(verb) => plugin::run(verb).await.map_err(Usage),
        Verb::Key(verb) => key::run(verb).map_err(Usage),
        Verb::Targets(arguments) => targets::run(arguments).await.map_err(Usage),
        Verb::Fault(verb) => fault::run(verb).await.map_err(Usage),
        Verb::Explain(arguments) => explain::run(arguments).await.map_err(Usage),
        Verb::Replay(arguments) => replay::run(arguments).await.map_err(Usage),
        Verb::Demo(arguments) => demo::run(arguments).await.map_err(Usage),
        Verb::Drill(arguments) => drill::run(*arguments).await.map_err(Usage),
        Verb::Fake(arguments) => fake::run(arguments).await.map_err(Usage),
        Verb::Compile(arguments) => compile::run(&arguments).map_err(Usage),
        Verb::Completions(arguments) => completions::run(&arguments).map_err(Usage),
    }
}

/// Data for programs: one line.
fn print_json(data: &impl serde::Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(data)?);
    Ok(())
}

/// Each level adds one fact; they are printed below each other.
fn chain(error: &anyhow::Error) -> String {
    error.chain().map(|level| shown_lines(&level.to_string())).collect::<Vec<_>>().join("\n  caused by: ")
}

/// Enough of a digest to tell versions apart.
fn short(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}

/// To the second, in UTC.
fn moment(unix_ms: u64) -> String {
    let seconds = i64::try_from(unix_ms / 1_000).unwrap_or(i64::MAX);
    let Ok(at) = time::OffsetDateTime::from_unix_timestamp(seconds) else { return unix_ms.to_string() };
    let (date, time) = (at.date(), at.time());
    let (month, day) = (u8::from(date.month()), date.day());
    format!("{:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", date.year(), time.hour(), time.minute(), time.second())
}

/// For what strangers made. What was compiled is found again at the next call: where `POINTSMAN_CACHE` says, in the gateway's
/// state folder where there is one, else in the user's own folder for such things.
fn compiler(limits: CompileLimits, state: Option<&Path>) -> Compiler {
    let (of_gateway, of_user) = (state.map(|state| state.join("compiled")), user_cache());
    let cache = Cache::found(of_gateway.or(of_user));
    let cache = cache.inspect_err(|error| match state {
        Some(_) => tracing::warn!("plugins are compiled anew at each start: {error:#}"),
        // Nobody asked for it.
        None => tracing::debug!("plugins are compiled anew each time: {error:#}"),
    });
    Compiler::apart(limits).keeping(cache.unwrap_or_default())
}

fn user_cache() -> Option<PathBuf> {
    let named = |name| std::env::var_os(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
    let folder = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")))?;
    Some(folder.join("pointsman"))
}

/// `POINTSMAN_LOG` is `error`, `warn`, `info`, `debug` or `off`. The demo and the drill have the screen to themselves.
fn log(verb: &Verb) -> Option<impl Drop + use<>> {
    let default = match verb {
        Verb::Serve(_) | Verb::Fake(_) => LevelFilter::INFO,
        Verb::Check(_)
        | Verb::Key(_)
        | Verb::Targets(_)
        | Verb::Fault(_)
        | Verb::Explain(_)
        | Verb::Replay(_)
        | Verb::Completions(_) => LevelFilter::WARN,
        // What a plugin does wrong is the verb's own to tell.
        Verb::Plugin(_) => LevelFilter::ERROR,
        // A drill's faults are its report's to tell.
        Verb::Compile(_) | Verb::Demo(_) | Verb::Drill(_) => LevelFilter::OFF,
    };
    let level = std::env::var("POINTSMAN_LOG").ok().and_then(|level| level.parse().ok()).unwrap_or(default);
    if matches!(verb, Verb::Serve(_) | Verb::Fake(_)) {
        return Some(crate::log::begin_apart(level));
    }
    crate::log::begin(level);
    None
}
