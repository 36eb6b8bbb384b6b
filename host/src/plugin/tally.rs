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
}

impl Tally {
    pub fn new(name: &str, sha256: &str) -> Self {
        let digest12 = sha256.chars().take(12).collect();
        Tally { name: name.to_owned(), digest12, calls: AtomicU64::new(0), faults: AtomicU64::new(0) }
    }

    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
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
