//! What all runs of a drill share: who asks for what and when, and what goes wrong.

use std::sync::Arc;
use std::time::Duration;

use super::incident::Incident;
use super::speeds::Speeds;
use super::traffic::{Arrival, Mix, Traffic};
use crate::fake::Protocol;

/// How long a bin of the report may be: the first of which there are no more than that.
const BINS_S: [u64; 9] = [10, 30, 60, 120, 300, 600, 900, 1_800, 3_600];
const BINS_MAX: usize = 40;

/// See the module.
pub struct Scene {
    pub incident: Incident,
    pub arrivals: Vec<Arrival>,
    pub mix: Vec<Mix>,
    pub seed: u64,
    pub speeds: Speeds,
    pub bin: Duration,
    /// See [`super::Drill`].
    pub explain: Option<Arc<str>>,
}

/// A provider's place in the simulated network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// As in the configuration.
    pub name: String,
    pub host: String,
    pub protocol: Protocol,
    /// How many it has.
    pub keys: usize,
    /// Of all it stands first for most of the traffic.
    pub is_first: bool,
}

impl Scene {
    /// # Errors
    /// When the built-in data is wrong, which tests rule out.
    pub fn new(
        incident: Incident,
        arrivals: Vec<Arrival>,
        traffic: &Traffic,
        seed: u64,
        explain: Option<Arc<str>>,
    ) -> anyhow::Result<Scene> {
        let lasts = incident.lasts.as_secs();
        let fits = |bin: &u64| lasts.div_ceil(*bin) as usize <= BINS_MAX;
        let bin = BINS_S.into_iter().find(fits).unwrap_or_else(|| lasts.div_ceil(BINS_MAX as u64));
        let (mix, speeds) = (traffic.mix.clone(), Speeds::with(&traffic.speeds)?);
        Ok(Scene { incident, arrivals, mix, seed, speeds, bin: Duration::from_secs(bin), explain })
    }

    pub fn bins(&self) -> usize {
        self.incident.lasts.as_millis().div_ceil(self.bin.as_millis().max(1)) as usize
    }

    /// What comes after the end belongs to the last one.
    pub fn bin(&self, at: Duration) -> usize {
        let bin = at.as_millis() / self.bin.as_millis().max(1);
        (bin as usize).min(self.bins().saturating_sub(1))
    }

    /// Requests, over the whole time.
    pub fn mean_per_minute(&self) -> f64 {
        self.arrivals.len() as f64 * 60.0 / self.incident.lasts.as_secs_f64().max(1.0)
    }
}
