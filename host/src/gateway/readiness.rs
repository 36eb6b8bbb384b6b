//! Whether balancers should send requests here, and what broke down.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::sync::{Mutex, PoisonError};

/// What `/readyz` reports.
#[derive(Debug, Default)]
pub struct Readiness {
    is_draining: AtomicBool,
    /// How often each background task broke down and began again, by its name.
    restarts: Mutex<BTreeMap<&'static str, u32>>,
}

impl Readiness {
    /// The process is about to stop: from now on requests are for another one.
    pub fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    /// A background task broke down and begins again. Requests are served all the same.
    pub fn note_restart(&self, task: &'static str) {
        *self.restarts.lock().unwrap_or_else(PoisonError::into_inner).entry(task).or_default() += 1;
    }

    /// The restarts of each background task that had any, by its name.
    pub fn restarts(&self) -> BTreeMap<&'static str, u32> {
        self.restarts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
