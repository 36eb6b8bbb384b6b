//! What the last requests were about, what their policies saw and decided, and what came of it: for `pointsman explain` and
//! `pointsman replay`. It holds no word of a prompt and no secret: a policy is shown none, and messages of faults, which can quote
//! either, are left out.

mod difference;
mod disk;
mod size;
mod story;

use std::collections::{HashSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::config::JournalSettings;
use crate::gateway::{Injected, Spent};
use crate::plugin::bindings::policy::{Decision, Situation, Target};

use self::disk::Disk;

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
    /// Faults that operators injected.
    #[serde(default)]
    pub injected: Vec<Injected>,
    /// A part of the reply, such as an image, was left out: the caller's protocol has no word for it.
    #[serde(default)]
    pub lost_content: bool,
    /// Of the lists above, so many were left out in all: the entry would be too large.
    #[serde(default)]
    pub left_out: usize,
    /// `done`, `failed`, `refused` or `caller-left`.
    pub outcome: String,
    /// Kind and status of the fault.
    pub why: String,
    pub first_token_ms: Option<u64>,
    pub total_ms: u64,
    /// All of them, read from the provider's cache or not.
    pub input_tokens: u64,
    /// Of `input_tokens`, those that were read from the provider's cache, at a tenth to a half of their price.
    #[serde(default)]
    pub cache_read_tokens: u64,
    /// Of `input_tokens`, those that were written to the provider's cache, which costs more at Anthropic and at Bedrock.
    #[serde(default)]
    pub cache_write_tokens: u64,
    /// With those of reasoning.
    pub output_tokens: u64,
    /// Of `output_tokens`, those of reasoning.
    #[serde(default)]
    pub reasoning_tokens: u64,
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

/// Of those that are on the disk, no more are told at once.
pub const TOLD_MAX: usize = 20_000;

/// The last requests: a ring, so that it takes no more memory the longer the gateway runs; and older ones on the disk, where
/// that is wanted.
#[derive(Debug, Default)]
pub struct Journal {
    ring: Mutex<VecDeque<Arc<Entry>>>,
    disk: Option<Disk>,
}

impl Journal {
    /// With a disk to keep entries on, in this folder.
    pub fn on_disk(folder: &Path) -> Journal {
        Journal { disk: Some(Disk::start(folder)), ..Journal::default() }
    }

    /// Remember a request, in memory and on the disk, as the settings want it.
    pub fn add(&self, mut entry: Entry, settings: JournalSettings) {
        entry.cut();
        let entry = Arc::new(entry);
        if let (Some(disk), Some(bounds)) = (&self.disk, settings.on_disk) {
            disk.add(Arc::clone(&entry), bounds);
        }
        let mut ring = self.lock();
        ring.push_back(entry);
        while ring.len() > settings.requests {
            ring.pop_front();
        }
    }

    /// The same as `find`, on the disk, too.
    pub async fn recall(&self, id: &str) -> Option<Arc<Entry>> {
        match (self.find(id), &self.disk) {
            (None, Some(disk)) => disk.find(id).await.map(Arc::new),
            (found, _) => found,
        }
    }

    /// The same as `since`, from the disk, too: `TOLD_MAX` at most.
    pub async fn recall_since(&self, unix_ms: u64, most: usize) -> Vec<Arc<Entry>> {
        let newest = self.since(unix_ms, most);
        let Some(disk) = self.disk.as_ref().filter(|_| newest.len() < most) else { return newest };
        let kept = disk.since(unix_ms, most.min(TOLD_MAX)).await;
        let known: HashSet<&str> = newest.iter().map(|entry| entry.id.as_str()).collect();
        let older = kept.into_iter().filter(|entry| !known.contains(entry.id.as_str())).map(Arc::new);
        let mut all: Vec<_> = older.chain(newest.iter().map(Arc::clone)).collect();
        all.sort_by_key(|entry| entry.at_unix_ms);
        let too_many = all.len().saturating_sub(most);
        all.drain(..too_many);
        all
    }

    /// Entries that did not come to the disk, and what is wrong with it now.
    pub fn losses(&self) -> (u64, Option<String>) {
        self.disk.as_ref().map_or((0, None), |disk| (disk.dropped(), disk.trouble()))
    }

    /// Until all entries before are on the disk, or it has had its time.
    pub async fn flush(&self) {
        if let Some(disk) = &self.disk {
            disk.flush().await;
        }
    }

    /// In memory.
    pub fn find(&self, id: &str) -> Option<Arc<Entry>> {
        self.lock().iter().rev().find(|entry| entry.id == id).map(Arc::clone)
    }

    /// In memory. Oldest first; the newest `most` of those that came no sooner than this.
    pub fn since(&self, unix_ms: u64, most: usize) -> Vec<Arc<Entry>> {
        let ring = self.lock();
        // The wall clock may have been set back meanwhile: dates are not in order.
        let newest = ring.iter().rev().filter(|entry| entry.at_unix_ms >= unix_ms).take(most);
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
        let keep = |requests| JournalSettings { requests, on_disk: None };
        for number in 0..10 {
            journal.add(Entry { id: number.to_string(), at_unix_ms: number, ..Entry::default() }, keep(4));
        }
        let ids = |entries: Vec<Arc<Entry>>| entries.iter().map(|entry| entry.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(journal.since(0, 99)), ["6", "7", "8", "9"]);
        assert_eq!(ids(journal.since(8, 99)), ["8", "9"]);
        assert_eq!(ids(journal.since(0, 1)), ["9"]);
        assert!(journal.find("5").is_none() && journal.find("6").is_some());
        journal.add(Entry::default(), keep(0));
        assert!(journal.since(0, 99).is_empty(), "none is kept where none is wanted");
    }
}
