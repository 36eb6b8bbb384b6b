//! The drill: an outage is rehearsed before it happens. The production line (`gateway/`, with the same WebAssembly) runs in
//! virtual time, with simulated providers behind it and simulated callers before it, and the report says what would have
//! happened. The same seed gives the same report, byte for byte.
//!
//! [`Incident`] says what goes wrong and [`Traffic`] what is asked for; `provider` decides each request's fate; `play` runs the
//! gateway once for each policy, and [`run`] makes a [`Report`] of it all.
//!
//! What is left out: TLS, the callers' own connections (their requests enter the line behind the listener), tokens of which a
//! model's reply is made (a reply of 300 tokens comes in 6 pieces of a word each, as slowly as 300 tokens would), and retries
//! of the callers' own SDKs.

mod caller;
mod chance;
mod choice;
mod expect;
mod guess;
mod incident;
mod ledger;
mod load;
mod network;
mod outcome;
mod play;
mod provider;
mod recorded;
mod report;
mod scene;
mod speeds;
mod stand_in;
mod straight;
mod traffic;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};

use self::play::Played;
use self::scene::Scene;
use self::traffic::REQUESTS_MAX;
use crate::config::Config;
use crate::plugin::{Compiler, engine};

pub use self::choice::Choice;
pub use self::expect::{Expectation, Measured};
pub use self::incident::{BUILT_IN, Incident};
pub use self::ledger::{KeyLedger, Ledger, LedgerBin};
pub use self::outcome::Outcome;
pub use self::play::Line;
pub use self::recorded::recorded;
pub use self::report::{Bin, Lost, Percentiles, Report, Run, Summary};
pub use self::traffic::{Arrival, Mix, Speaks, Traffic};

/// Stands before a request's number in its prompt.
const MARK: &str = "drill#";
/// Stands before a key's position in what stands in for it.
const KEY: &str = "drill-key-";

/// What is to be rehearsed.
#[derive(Clone, Debug)]
pub struct Drill {
    /// For the policies, and the adapters.
    pub compiler: Compiler,
    pub config: Config,
    pub incident: Incident,
    pub traffic: Traffic,
    /// At least one; each is a run of its own, with the same arrivals and the same fates.
    pub choices: Vec<Choice>,
    pub seed: u64,
    pub line: Line,
}

/// Run it. `progress` hears from time to time how much is done, from 0 to 1.
///
/// # Errors
/// What of the configuration, the policies or the traffic does not fit together; or that plugins run already in this process
/// that count their time by a clock.
pub fn run(drill: &Drill, progress: &(dyn Fn(f64) + Sync)) -> anyhow::Result<Report> {
    let (scene, played) = rehearse(drill, progress)?;
    let straight = straight::play(&scene, &played[0]);
    let labels = drill.choices.iter().map(|choice| choice.label.as_str());
    Ok(report::report(&scene, &drill.config.facts, labels.zip(&played).collect(), straight))
}

/// Run it, for how each request ended: for each choice all arrivals, in their order.
///
/// # Errors
/// See [`run`].
pub fn outcomes(drill: &Drill) -> anyhow::Result<Vec<Vec<Outcome>>> {
    let (_, played) = rehearse(drill, &|_| {})?;
    Ok(played.into_iter().map(|played| played.outcomes).collect())
}

fn rehearse(drill: &Drill, progress: &(dyn Fn(f64) + Sync)) -> anyhow::Result<(Arc<Scene>, Vec<Played>)> {
    engine::count_fuel()?;
    let Drill { compiler, config, incident, traffic, choices, seed, line } = drill;
    let arrivals = traffic.arrivals(incident.lasts, *seed);
    ensure!(!arrivals.is_empty(), "so few requests a minute that none comes in this time");
    ensure!(arrivals.len() <= REQUESTS_MAX, "more than {REQUESTS_MAX} requests are too many: lower the rate");
    ensure!(!choices.is_empty(), "there is no policy to play");
    let is_open = *line == Line::Simulated || config.server.callers.is_empty();
    ensure!(is_open, "over real sockets a drill knows no caller's key: play a configuration without callers");
    let scene = Arc::new(Scene::new(incident.clone(), arrivals, traffic.mix.clone(), *seed)?);
    let done: Vec<AtomicU64> = choices.iter().map(|_| AtomicU64::new(0)).collect();
    let tell = |run: usize, part: f64| {
        done[run].store((part * 1e6) as u64, Ordering::Relaxed);
        let all: u64 = done.iter().map(|done| done.load(Ordering::Relaxed)).sum();
        progress(all as f64 / 1e6 / done.len() as f64);
    };
    let (scene_, tell) = (&scene, &tell);
    // On a thread of its own, because the caller's may have a runtime already.
    let prepared = std::thread::scope(|scope| scope.spawn(|| play::prepare(scene_, compiler, config)).join());
    let (stand_in, places) = &prepared.map_err(|_| anyhow!("preparing the simulation broke down"))??;
    // A run is one thread, because only so does the same seed give the same run.
    let played = std::thread::scope(|scope| {
        let runs = choices.iter().enumerate().map(|(number, choice)| {
            scope.spawn(move || {
                let played =
                    play::play(*line, scene_, compiler, choice.apply(stand_in), places, &|part| tell(number, part));
                played.with_context(|| choice.label.clone())
            })
        });
        let runs: Vec<_> = runs.collect();
        let ended = runs.into_iter().map(|run| run.join().map_err(|_| anyhow!("the simulation broke down"))?);
        ended.collect::<anyhow::Result<Vec<_>>>()
    })?;
    Ok((scene, played))
}

/// Whole milliseconds.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
