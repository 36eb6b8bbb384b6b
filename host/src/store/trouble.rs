//! Trouble with the disk: said once when it begins, and once when it is over.

use std::sync::{Mutex, PoisonError};

/// See the module.
#[derive(Debug, Default)]
pub struct Trouble {
    /// What cannot be kept meanwhile.
    what: &'static str,
    now: Mutex<Option<String>>,
}

impl Trouble {
    pub fn of(what: &'static str) -> Trouble {
        Trouble { what, now: Mutex::default() }
    }

    pub fn begins(&self, why: &str) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if now.is_none() {
            tracing::error!("{} cannot be written to the disk for now, and requests go on: {why}", self.what);
        }
        *now = Some(why.to_owned());
    }

    pub fn is_over(&self) {
        if self.now.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            tracing::info!("{} can be written to the disk again", self.what);
        }
    }

    pub fn now(&self) -> Option<String> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
