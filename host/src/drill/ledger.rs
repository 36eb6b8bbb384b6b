//! What a simulated provider has seen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::provider::Ask;
use super::traffic::Arrival;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    pub asked: u64,
    /// How many requests these were for: the rest are asked for again.
    pub requests: u64,
    /// What went wrong, by its word.
    pub wrong: BTreeMap<String, u64>,
    pub bins: Vec<LedgerBin>,
    /// The first is for requests without a key, if there is none.
    pub keys: Vec<KeyLedger>,
    #[serde(skip)]
    known: Vec<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LedgerBin {
    pub asked: u64,
    /// Not seen in an earlier bin, or earlier in this one.
    pub requests: u64,
    pub wrong: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeyLedger {
    /// From 1; 0 is for requests that show none.
    pub key: usize,
    pub asked: u64,
    pub tokens: u64,
    /// Times that it was over a limit.
    pub limited: u64,
    /// Since when it is used up, in seconds since the beginning.
    pub used_up_at_s: Option<f64>,
}

impl Ledger {
    pub fn new(bins: usize, requests: usize, keys: usize) -> Ledger {
        let first = usize::from(keys > 0);
        Ledger {
            bins: vec![LedgerBin::default(); bins],
            keys: (first..=keys).map(|key| KeyLedger { key, ..KeyLedger::default() }).collect(),
            known: vec![false; requests],
            ..Ledger::default()
        }
    }

    pub fn count(&mut self, bin: usize, ask: &Ask<'_>, arrival: &Arrival, wrong: Option<&str>) {
        let is_new = self.known.get_mut(ask.number as usize).is_some_and(|known| !std::mem::replace(known, true));
        self.asked += 1;
        self.requests += u64::from(is_new);
        if let Some(bin) = self.bins.get_mut(bin) {
            bin.asked += 1;
            bin.requests += u64::from(is_new);
            bin.wrong += u64::from(wrong.is_some());
        }
        if let Some(word) = wrong {
            *self.wrong.entry(word.to_owned()).or_default() += 1;
        }
        let Some(key) = self.keys.iter_mut().find(|key| key.key == ask.key) else { return };
        key.asked += 1;
        match wrong {
            None => key.tokens += u64::from(arrival.input_tokens) + u64::from(arrival.output_tokens),
            Some("rate-limited" | "too fast a rise") => key.limited += 1,
            Some("quota-exhausted") => {
                let _ = key.used_up_at_s.get_or_insert(ask.at.as_millis() as f64 / 1e3);
            }
            Some(_) => {}
        }
    }

    /// Times that a request came here, in the mean.
    pub fn amplification(&self) -> f64 {
        if self.requests == 0 { 1.0 } else { self.asked as f64 / self.requests as f64 }
    }
}
