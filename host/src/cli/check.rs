//! `pointsman check`

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;

mod holds;

use super::{ConfigArgument, compiler, print_json};
use crate::clock::Clock;
use crate::config::{self, Source};
use crate::gateway::{Adapter, Gateway, Table, Target, base_url};
use crate::net::Network;
use crate::plugin::{Plugin, shown};
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// In place of `--config FILE`.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgument,
    /// As JSON: `routes`, `endpoints`, `credentials`, `warnings`.
    #[arg(long)]
    json: bool,
}

pub async fn run(Arguments { file, config, json }: Arguments) -> anyhow::Result<ExitCode> {
    let source = Source::find(file.or(config.config).as_deref());
    let config = source.load(&config::process_environment)?;
    let compiler = compiler(config.gate.compile, config.server.state.as_deref());
    let gateway = Gateway::begin(compiler, &Network::System, config, Clock::system(), Store::default()).await?;
    let table = gateway.table();
    let mut warnings = Vec::new();
    for provider in table.providers.values() {
        if let Some(adapter) = provider.first() {
            warnings.extend(base_url::doubt(adapter).await);
        }
    }
    warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    if json {
        print_json(&data(&table, &warnings))?;
        return Ok(ExitCode::SUCCESS);
    }
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
    let rows: Vec<[String; 2]> = credentials(&table).map(|(provider, from)| [provider.to_owned(), from]).collect();
    if !rows.is_empty() {
        println!();
        print!("{}", columns(["PROVIDER", "CREDENTIALS ARE FETCHED"], &rows));
    }
    let rows = holds::rows(&table);
    if !rows.is_empty() {
        println!();
        print!("{}", columns(["MODEL", "TARGET", "HOLDS, OTHER THAN BY DEFAULT"], &rows));
    }
    Ok(ExitCode::SUCCESS)
}

fn data(table: &Table, warnings: &[String]) -> serde_json::Value {
    let plugin = |plugin: &Plugin| json!({ "name": plugin.name, "sha256": plugin.sha256 });
    let routes = table.routes.iter().map(|route| {
        let targets: Vec<String> = route.targets.iter().map(target).collect();
        let holds: Vec<_> = route.targets.iter().map(|target| holds::data(&holds::of(route, target))).collect();
        json!({
            "model": route.pattern.to_string(), "policy": plugin(&route.policy.plugin), "targets": targets, "holds": holds,
        })
    });
    let endpoints = table.endpoints.iter().map(|endpoint| {
        let (method, path, by) = (endpoint.method.as_str(), endpoint.path.to_string(), plugin(&endpoint.plugin));
        json!({ "method": method, "path": path, "protocol": endpoint.protocol, "plugin": by })
    });
    let credentials: BTreeMap<_, _> = credentials(table).collect();
    json!({
        "routes": routes.collect::<Vec<_>>(), "endpoints": endpoints.collect::<Vec<_>>(), "credentials": credentials,
        "warnings": warnings,
    })
}

/// Providers whose credentials a cloud gives, and where they come from. Nothing is asked for it.
fn credentials(table: &Table) -> impl Iterator<Item = (&str, String)> {
    let source = |adapter: &Arc<Adapter>| Some(adapter.source()?.to_string());
    table.providers.iter().filter_map(move |(name, provider)| Some((name.as_str(), source(provider.first()?)?)))
}

/// `provider/model`
pub fn target(target: &Target) -> String {
    format!("{}/{}", target.provider.name, target.model.as_deref().unwrap_or("*"))
}

/// A table, two spaces between the columns.
pub fn columns<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(|cell| shown(cell))).collect();
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
