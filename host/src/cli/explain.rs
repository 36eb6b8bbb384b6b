//! `pointsman explain`

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use hyper::Method;
use serde::Deserialize;

use super::admin::{Admin, ask};
use super::check::columns;
use crate::journal::{Entry, RouteView, story};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The reply's `x-pointsman-request-id`. Without one, the newest requests are listed.
    id: Option<String>,
    /// How many are listed.
    #[arg(long, default_value_t = 20)]
    last: usize,
    /// As the gateway tells it, in JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: Admin,
}

/// What the admin port tells of the journal.
#[derive(Deserialize)]
pub struct Told {
    pub routes: Vec<RouteView>,
    pub entries: Vec<Entry>,
}

/// From a file.
pub fn read_journal(path: &Path) -> anyhow::Result<Told> {
    let text = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| {
        format!("{} is not what `curl -H \"authorization: Bearer …\" ADMIN/journal` gives", path.display())
    })
}

/// From the running gateway: all that it remembers.
pub async fn asked_journal(admin: &Admin) -> anyhow::Result<Told> {
    let told = ask(admin, Method::GET, "/journal", Vec::new()).await?;
    serde_json::from_slice(&told).context("reading the gateway's answer")
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { id, last, json, admin } = arguments;
    let path = match &id {
        Some(id) => format!("/journal/{id}"),
        None => format!("/journal?most={last}"),
    };
    let told = ask(&admin, Method::GET, &path, Vec::new()).await?;
    if json {
        println!("{}", String::from_utf8_lossy(&told));
    } else if id.is_some() {
        print!("{}", story(&serde_json::from_slice(&told).context("reading the gateway's answer")?));
    } else {
        let told: Told = serde_json::from_slice(&told).context("reading the gateway's answer")?;
        let row = |entry: &Entry| {
            let Entry { id, model, answered_by, outcome, why, total_ms, .. } = entry;
            [id.clone(), model.clone(), answered_by.clone(), outcome.clone(), why.clone(), total_ms.to_string()]
        };
        let rows: Vec<[String; 6]> = told.entries.iter().map(row).collect();
        print!("{}", columns(["REQUEST", "MODEL", "TARGET", "END", "WHY", "MS"], &rows));
    }
    Ok(ExitCode::SUCCESS)
}
