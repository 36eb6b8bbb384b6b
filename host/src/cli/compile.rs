//! `pointsman compile`: the process that a gateway starts to compile what somebody handed in. It takes a component from
//! standard input, gives machine code to standard output, and limits itself before it looks at anything.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, nice, setrlimit};

use crate::plugin::engine::count_fuel;
use crate::plugin::{COMPONENT_BYTES_MAX, precompile};

/// Requests come first.
const NICENESS: i32 = 10;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Of a core.
    #[arg(long)]
    seconds: u64,
    /// Of address space.
    #[arg(long)]
    bytes: u64,
    /// For an engine that counts instructions in place of time.
    #[arg(long)]
    fuel: bool,
}

/// Exit code 1, with the reason in words, when it is no component.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { seconds, bytes, fuel } = *arguments;
    if fuel {
        count_fuel()?;
    }
    limit(Resource::Cpu, seconds)?;
    limit(Resource::As, bytes)?;
    // What breaks is told in words, and leaves no file.
    limit(Resource::Core, 0)?;
    // Without it everything is well, too.
    let _ = nice(NICENESS);
    let mut component = Vec::new();
    let most = u64::try_from(COMPONENT_BYTES_MAX).unwrap_or(u64::MAX);
    std::io::stdin().lock().take(most).read_to_end(&mut component).context("reading the component")?;
    match precompile(&component) {
        Ok(artifact) => {
            std::io::stdout().lock().write_all(&artifact).context("giving what was made")?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("{error:#}");
            Ok(ExitCode::from(1))
        }
    }
}

fn limit(resource: Resource, most: u64) -> anyhow::Result<()> {
    // Whoever started us may allow less.
    let most = Some(getrlimit(resource).maximum.map_or(most, |allowed| allowed.min(most)));
    setrlimit(resource, Rlimit { current: most, maximum: most }).context("limiting what compiling may take")
}
