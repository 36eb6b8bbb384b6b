//! What the last requests were about, what their policies saw and decided, and what came of it: for `pointsman explain` and
//! `pointsman replay`. It holds no word of a prompt and no secret: a policy is shown none, and messages of faults, which can quote
//! either, are left out.

mod difference;
mod story;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::gateway::Spent;
use crate::plugin::bindings::policy::{Decision, Situation, Target};

pub use self::difference::{Difference, Differences, What, told};
pub use self::story::{did, story};

/// One request.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Entry {
    pub id: String,
    pub at_unix_ms: u64,
    /// The pattern of the route, empty when none fits.
    pub route: String,
    pub model: String,
    pub protocol: String,
    pub operation: String,
    pub stream: bool,
    /// The name of the caller's key.
    pub caller: String,
    /// `name@digest`
    pub policy: String,
    /// `provider/model` of the route's targets, as they would be asked.
    pub targets: Vec<String>,
    pub deliberations: Vec<Deliberation>,
    pub answered_by: String,
    /// By attempts that did not answer.
    #[serde(default)]
    pub spent: Vec<Spent>,
    /// `done`, `failed`, `refused` or `caller-left`.
    pub outcome: String,
    /// Kind and status of the fault.
    pub why: String,
    pub first_token_ms: Option<u64>,
    pub total_ms: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
}

/// A policy was asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Deliberation {
    pub situation: Situation,
    /// What it said, or how it failed.
    pub said: Result<Decision, String>,
    /// What the host made of it, where that is not what was said.
    pub overruled: Option<String>,
    /// What another version would have said.
    pub shadow: Option<Result<Decision, String>>,
}

/// A route, as its policy knows it: what is needed to decide again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RouteView {
    pub pattern: String,
    pub policy: String,
    /// JSON.
    pub settings: String,
    pub targets: Vec<Target>,
}

/// The last requests: a ring, so that it takes no more memory the longer the gateway runs.
#[derive(Debug, Default)]
pub struct Journal {
    ring: Mutex<VecDeque<Arc<Entry>>>,
}

impl Journal {
    /// `most` are kept.
    pub fn add(&self, entry: Entry, most: usize) {
        let mut ring = self.lock();
        ring.push_back(Arc::new(entry));
        while ring.len() > most {
            ring.pop_front();
        }
    }

    pub fn find(&self, id: &str) -> Option<Arc<Entry>> {
        self.lock().iter().rev().find(|entry| entry.id == id).map(Arc::clone)
    }

    /// Oldest first; the newest `most` of those that came no sooner than this.
    pub fn since(&self, unix_ms: u64, most: usize) -> Vec<Arc<Entry>> {
        let ring = self.lock();
        let newest = ring.iter().rev().take_while(|entry| entry.at_unix_ms >= unix_ms).take(most);
        let mut newest: Vec<_> = newest.map(Arc::clone).collect();
        newest.reverse();
        newest
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Entry>>> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept() {
        let journal = Journal::default();
        for number in 0..10 {
            journal.add(Entry { id: number.to_string(), at_unix_ms: number, ..Entry::default() }, 4);
        }
        let ids = |entries: Vec<Arc<Entry>>| entries.iter().map(|entry| entry.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(journal.since(0, 99)), ["6", "7", "8", "9"]);
        assert_eq!(ids(journal.since(8, 99)), ["8", "9"]);
        assert_eq!(ids(journal.since(0, 1)), ["9"]);
        assert!(journal.find("5").is_none() && journal.find("6").is_some());
        journal.add(Entry::default(), 0);
        assert!(journal.since(0, 99).is_empty(), "none is kept where none is wanted");
    }
}
