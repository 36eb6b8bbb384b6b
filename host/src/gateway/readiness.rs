//! Whether balancers shall send requests here.

use std::sync::atomic::{AtomicBool, Ordering};

/// What `/readyz` says.
#[derive(Debug, Default)]
pub struct Readiness {
    is_draining: AtomicBool,
}

impl Readiness {
    /// The process is about to stop: from now on requests are for another one.
    pub fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }
}
