//! `pointsman completions`

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The shell that reads it.
    shell: Shell,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::Arguments::command(), "pointsman", &mut script);
    std::io::stdout().write_all(&script).context("writing the script")?;
    Ok(ExitCode::SUCCESS)
}
