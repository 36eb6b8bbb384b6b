//! How often a version of a plugin was called, and how often that went wrong.

use std::sync::atomic::{AtomicU64, Ordering};

use super::fault::PluginFault;

/// Counts for one version of one plugin.
#[derive(Debug)]
pub struct Tally {
    name: String,
    digest12: String,
    calls: AtomicU64,
    faults: AtomicU64,
    /// In the shadow of another version: decisions that were alike, and that were not.
    alike: AtomicU64,
    differing: AtomicU64,
    /// Requests that ended well, and that did not by no fault of their callers.
    good: AtomicU64,
    bad: AtomicU64,
}

/// What was counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub calls: u64,
    pub faults: u64,
    pub alike: u64,
    pub differing: u64,
    pub good: u64,
    pub bad: u64,
}

impl Counts {
    /// What came since.
    pub fn since(self, before: Counts) -> Counts {
        Counts {
            calls: self.calls.saturating_sub(before.calls),
            faults: self.faults.saturating_sub(before.faults),
            alike: self.alike.saturating_sub(before.alike),
            differing: self.differing.saturating_sub(before.differing),
            good: self.good.saturating_sub(before.good),
            bad: self.bad.saturating_sub(before.bad),
        }
    }
}

impl Tally {
    pub fn new(name: &str, sha256: &str) -> Self {
        let digest12 = sha256.chars().take(12).collect();
        let [calls, faults, alike, differing, good, bad] = [const { AtomicU64::new(0) }; 6];
        Tally { name: name.to_owned(), digest12, calls, faults, alike, differing, good, bad }
    }

    pub fn counts(&self) -> Counts {
        let [calls, faults, alike, differing, good, bad] =
            [&self.calls, &self.faults, &self.alike, &self.differing, &self.good, &self.bad]
                .map(|count| count.load(Ordering::Relaxed));
        Counts { calls, faults, alike, differing, good, bad }
    }

    /// In the shadow it decided as the version did that was obeyed, or not.
    pub fn note_comparison(&self, is_alike: bool) {
        let count = if is_alike { &self.alike } else { &self.differing };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// A request that it decided for ended.
    pub fn note_outcome(&self, is_good: bool) {
        let count = if is_good { &self.good } else { &self.bad };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Count a call, and the fault if it was one.
    pub fn note<R>(&self, result: Result<R, PluginFault>) -> Result<R, PluginFault> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        result.inspect_err(|fault| self.note_fault(fault))
    }

    /// Count an answer that the host refuses to act on.
    pub fn note_fault(&self, fault: &PluginFault) {
        let faults = self.faults.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::warn!(plugin = %self.name, digest = %self.digest12, reason = fault.label(), faults, "plugin fault: {fault}");
    }
}
