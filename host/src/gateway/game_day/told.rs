//! What befell one request, for its caller and for the journal.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::sync::{Mutex, PoisonError};

/// One attempt was befallen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Injected {
    /// The injection's id.
    pub fault: String,
    /// Its word.
    pub kind: String,
    /// `provider/model`
    pub target: String,
    /// Since the request arrived.
    pub at_ms: u64,
}

/// See the module. Clones are of the same request.
#[derive(Clone, Debug, Default)]
pub struct Befell(Arc<Mutex<Vec<Injected>>>);

impl Befell {
    /// True if it is the first time that this fault befalls the request.
    pub fn note(&self, injected: Injected) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = all.iter().all(|other| other.fault != injected.fault);
        all.push(injected);
        is_first
    }

    pub fn all(&self) -> Vec<Injected> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The ids, each once.
    pub fn ids(&self) -> Vec<String> {
        let mut ids = Vec::new();
        for injected in self.all() {
            if !ids.contains(&injected.fault) {
                ids.push(injected.fault);
            }
        }
        ids
    }
}
