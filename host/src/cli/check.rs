//! `pointsman check`

use std::path::Path;
use std::process::ExitCode;

use crate::clock::Clock;
use crate::config::{self, Source};
use crate::gateway::{Gateway, Target};
use crate::net::Network;
use crate::plugin::Compiler;

pub async fn run(asked: Option<&Path>) -> anyhow::Result<ExitCode> {
    let source = Source::find(asked);
    let config = source.load(&config::process_environment)?;
    let compiler = Compiler::apart(config.gate.compile);
    let gateway = Gateway::compiling(compiler, &Network::System, config, Clock::system()).await?;
    let table = gateway.table();
    let rows: Vec<[String; 3]> = table
        .routes
        .iter()
        .map(|route| {
            let targets: Vec<String> = route.targets.iter().map(target).collect();
            [route.pattern.to_string(), format!("{:?}", route.policy.plugin), targets.join(" > ")]
        })
        .collect();
    print!("{}", columns(["MODEL", "POLICY", "TARGETS"], &rows));
    println!();
    let rows: Vec<[String; 3]> = table
        .endpoints
        .iter()
        .map(|endpoint| {
            [
                format!("{} {}", endpoint.method, endpoint.path),
                endpoint.protocol.clone(),
                format!("{:?}", endpoint.plugin),
            ]
        })
        .collect();
    print!("{}", columns(["CALLERS' ENDPOINT", "PROTOCOL", "PLUGIN"], &rows));
    Ok(ExitCode::SUCCESS)
}

/// `provider/model`
pub fn target(target: &Target) -> String {
    format!("{}/{}", target.provider.name, target.model.as_deref().unwrap_or("*"))
}

/// A table, two spaces between the columns.
pub fn columns<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).chain([head[column].len()]).max().unwrap_or_default()
    };
    let line = |cells: &[&str; N]| {
        let cells = cells.iter().enumerate().map(|(column, cell)| format!("{cell:<width$}", width = width(column)));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    let head = line(&head);
    rows.iter().fold(head, |text, row| text + &line(&row.each_ref().map(String::as_str)))
}
