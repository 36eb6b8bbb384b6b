//! `pointsman targets`

use std::process::ExitCode;

use anyhow::Context as _;
use hyper::Method;
use serde::Deserialize;

use super::admin::{Admin, ask};
use super::check::columns;
use crate::gateway::TargetView;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// As the gateway tells it, in JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: Admin,
}

#[derive(Deserialize)]
struct Told {
    targets: Vec<TargetView>,
}

pub async fn run(Arguments { json, admin }: Arguments) -> anyhow::Result<ExitCode> {
    let told = ask(&admin, Method::GET, "/targets", Vec::new()).await?;
    if json {
        println!("{}", String::from_utf8_lossy(&told));
        return Ok(ExitCode::SUCCESS);
    }
    let told: Told = serde_json::from_slice(&told).context("reading the gateway's answer")?;
    let millis = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| format!("{ms:.0} ms"));
    let row = |target: &TargetView| {
        let TargetView { id, circuit, ready_in_ms, success_rate, samples, first_token_ms, in_flight, headroom, .. } =
            target;
        let faults = if target.faults.is_empty() { "-".to_owned() } else { target.faults.join(", ") };
        let ready = if *ready_in_ms == 0 { "now".to_owned() } else { format!("in {ready_in_ms} ms") };
        let success =
            if *samples == 0 { "-".to_owned() } else { format!("{:.0} % of {samples}", success_rate * 100.0) };
        let headroom = headroom.map_or("-".to_owned(), |share| format!("{:.0} %", share * 100.0));
        [id.clone(), circuit.clone(), ready, success, millis(*first_token_ms), in_flight.to_string(), headroom, faults]
    };
    let rows: Vec<[String; 8]> = told.targets.iter().map(row).collect();
    let head = ["TARGET", "CIRCUIT", "READY", "GOOD", "FIRST TOKEN", "IN FLIGHT", "HEADROOM", "FAULTS"];
    print!("{}", columns(head, &rows));
    Ok(ExitCode::SUCCESS)
}
