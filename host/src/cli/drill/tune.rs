//! `pointsman drill tune`

use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::screen::table;
use super::{Scene, print_json, watched};
use crate::drill::words::{percent, seconds, times};
use crate::drill::{self, Incident, Tried, Tuned};
use crate::plugin::engine;

/// More would take longer than anybody waits.
const TRIES_MAX: usize = 10_000;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    scene: Scene,
    /// A built-in incident, or a file.
    #[arg(long, value_name = "NAME")]
    incident: String,
    /// How many settings are tried.
    #[arg(long, default_value_t = 48)]
    tries: usize,
    /// Every try, as JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { scene, incident, tries, json } = arguments;
    ensure!((1..=TRIES_MAX).contains(tries), "`--tries` is 1 to {TRIES_MAX}");
    engine::count_fuel()?;
    let drills = scene.drills(vec![Incident::find(incident)?], &[scene.choice()?])?;
    let drill = drills.first().context("there is nothing to play")?;
    let tuned = watched(|progress| drill::tune(drill, *tries, progress))?;
    match json {
        true => print_json(&tuned)?,
        false => print!("{}", told(&tuned, incident)),
    }
    Ok(ExitCode::SUCCESS)
}

fn told(tuned: &Tuned, incident: &str) -> String {
    let Tuned { policy, varied, tried, refused } = tuned;
    let head = ["", "SUCCESS", "TOKEN p95", "COST", "ATTEMPTS", "SETTINGS"].map(str::to_owned).to_vec();
    let mut best: Vec<&Tried> = tried.iter().filter(|tried| tried.is_best).collect();
    best.sort_by(|one, other| other.success.total_cmp(&one.success));
    let given = tried.first();
    let row = |tried: &Tried, name: &str| {
        let settings = Value::from(tried.settings.clone()).to_string();
        vec![
            name.to_owned(),
            percent(tried.success),
            seconds(tried.p95_first_token_ms),
            times(tried.cost),
            format!("{:.2}", tried.attempts),
            settings,
        ]
    };
    let mut rows: Vec<_> = given.map(|given| row(given, "as given")).into_iter().collect();
    rows.extend(best.iter().filter(|best| given != Some(**best)).map(|best| row(best, "best")));
    let refused = if *refused > 0 { format!("; {refused} more were refused by the policy") } else { String::new() };
    let is_given_best = given.is_some_and(|given| given.is_best);
    let said = if is_given_best { "what was given is among the best" } else { "what was given is beaten" };
    format!(
        "{policy} in {incident}: {} settings tried{refused}; {said}. Varied: {}\n\n{}\n\
         compare: pointsman drill … --policy '{policy} SETTINGS' --against '{policy}'\n",
        tried.len(),
        varied.join(", "),
        table(head, rows),
    )
}
