//! `pointsman replay`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use hyper::Method;
use serde::Serialize;

use super::admin::{Admin, ask};
use super::explain::Told;
use super::plugin::compiler;
use super::print_json;
use crate::clock::Clock;
use crate::journal::{Entry, RouteView, did};
use crate::plugin::{Kind, Plugin, Policy};

/// Differences that people are shown; all are counted.
const SHOWN_MAX: usize = 20;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The version of a policy that decides again.
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Only requests of the last so many minutes.
    #[arg(long, value_name = "MINUTES")]
    since: Option<u64>,
    /// Only requests of this route, by its pattern.
    #[arg(long)]
    route: Option<String>,
    /// In place of each route's settings: JSON.
    #[arg(long)]
    settings: Option<String>,
    /// As JSON: `decisions`, `differing`, `failed`, and all `differences`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: Admin,
}

#[derive(Default)]
struct Tally {
    decisions: usize,
    differing: usize,
    failed: usize,
    differences: Vec<Difference>,
}

#[derive(Serialize)]
struct Difference {
    request: String,
    elapsed_ms: u64,
    before: String,
    after: String,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { policy, since, route, settings, json, admin } = arguments;
    let bytes = tokio::fs::read(&policy).await.with_context(|| format!("reading {}", policy.display()))?;
    let loaded = Plugin::load_by(&compiler(), "replayed", &bytes).await;
    let plugin = loaded.with_context(|| format!("{} is no plugin", policy.display()))?;
    ensure!(plugin.kind == Kind::Policy, "{} is a {}, not a policy", policy.display(), plugin.kind);
    let now_ms = u64::try_from(Clock::system().unix().as_millis()).unwrap_or(u64::MAX);
    let since_ms = since.map_or(0, |minutes| now_ms.saturating_sub(minutes.saturating_mul(60_000)));
    let told = ask(&admin, Method::GET, &format!("/journal?since_unix_ms={since_ms}"), Vec::new()).await?;
    let Told { routes, entries } = serde_json::from_slice(&told).context("reading the gateway's answer")?;
    if let Some(oldest) = entries.first() {
        eprintln!("{} requests, the oldest of {} UTC", entries.len(), super::moment(oldest.at_unix_ms));
    }
    let mut tally = Tally::default();
    for view in routes.iter().filter(|view| route.as_ref().is_none_or(|route| *route == view.pattern)) {
        let RouteView { pattern, settings: own, targets, .. } = view;
        let of_it: Vec<&Entry> = entries.iter().filter(|entry| entry.route == *pattern).collect();
        if of_it.is_empty() {
            continue;
        }
        let settings = settings.as_ref().unwrap_or(own).clone();
        let opened = Policy::open(std::sync::Arc::clone(&plugin), settings, targets.clone()).await;
        let opened = opened.with_context(|| format!("opening it for the route {pattern}"))?;
        for entry in of_it {
            again(entry, &opened, &mut tally).await;
        }
    }
    let Tally { decisions, differing, failed, differences } = tally;
    if json {
        let differences = serde_json::json!(differences);
        print_json(&serde_json::json!({
            "decisions": decisions, "differing": differing, "failed": failed, "differences": differences
        }))?;
    } else {
        for Difference { request, elapsed_ms, before, after } in differences.iter().take(SHOWN_MAX) {
            println!("{request} +{elapsed_ms} ms: {before} → {after}");
        }
        println!("{decisions} decisions, {differing} differ, {failed} failed");
    }
    // A script can ask whether a change changes anything.
    Ok(if differing + failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn again(entry: &Entry, policy: &Policy, tally: &mut Tally) {
    for deliberation in &entry.deliberations {
        let situation = &deliberation.situation;
        // The route had other targets then.
        if situation.targets.len() != policy.targets().len() {
            continue;
        }
        tally.decisions += 1;
        let before = deliberation
            .said
            .as_ref()
            .map_or_else(|fault| format!("it failed ({fault})"), |said| did(&entry.targets, said));
        let after = match policy.decide(situation).await {
            Ok(decision) if deliberation.said.as_ref().is_ok_and(|said| said.action == decision.action) => continue,
            Ok(decision) => {
                tally.differing += 1;
                did(&entry.targets, &decision)
            }
            Err(fault) => {
                tally.failed += 1;
                format!("it fails: {fault}")
            }
        };
        let (request, elapsed_ms) = (entry.id.clone(), situation.elapsed_ms);
        tally.differences.push(Difference { request, elapsed_ms, before, after });
    }
}
