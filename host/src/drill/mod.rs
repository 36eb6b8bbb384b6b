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
mod stage;
mod stand_in;
mod straight;
mod traffic;
mod tune;

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;

use self::stage::Stage;
use self::straight::Retries;
use crate::config::Config;
use crate::plugin::Compiler;

pub use self::choice::Choice;
pub use self::expect::{Expectation, Measured};
pub use self::incident::{BUILT_IN, Incident};
pub use self::ledger::{KeyLedger, Ledger, LedgerBin};
pub use self::outcome::Outcome;
pub use self::play::Line;
pub use self::recorded::recorded;
pub use self::report::{Bin, Lost, Percentiles, Report, Run, Summary, page, price, results, words};
pub use self::traffic::{Arrival, Mix, Speaks, Traffic};
pub use self::tune::{Tried, Tuned, tune};

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
    /// The id of a request whose story is to be told in each run, however it ended.
    pub explain: Option<Arc<str>>,
}

/// Hears from time to time how much is done, from 0 to 1.
pub type Progress<'a> = dyn Fn(f64) + Sync + 'a;

/// Run it.
///
/// # Errors
/// What of the configuration, the policies or the traffic does not fit together; or that plugins run already in this process
/// that count their time by a clock.
pub fn run(drill: &Drill, progress: &Progress<'_>) -> anyhow::Result<Report> {
    ensure!(!drill.choices.is_empty(), "there is no policy to play");
    let stage = Stage::set(drill)?;
    let played = stage.play(&drill.choices, progress).into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let alone = [Retries::None, Retries::Sdk].map(|retries| straight::play(&stage.scene, &played[0], retries));
    let labels = drill.choices.iter().map(|choice| choice.label.as_str());
    Ok(report::report(&stage.scene, &drill.config.facts, labels.zip(&played).collect(), &alone))
}

/// Run it, for how each request ended: for each choice all arrivals, in their order.
///
/// # Errors
/// See [`run`].
pub fn outcomes(drill: &Drill) -> anyhow::Result<Vec<Vec<Outcome>>> {
    let played = Stage::set(drill)?.play(&drill.choices, &|_| {}).into_iter();
    played.map(|played| Ok(played?.outcomes)).collect()
}

/// Whole milliseconds.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
