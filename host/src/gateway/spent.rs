//! What attempts cost that did not answer: those that lost a race, and those that died before their first content. A provider
//! charges for them all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use crate::plugin::bindings::chat::Usage;
use crate::sync::{Mutex, PoisonError};

/// What an attempt's provider has told of its use so far. Clones are of the same attempt.
#[derive(Clone, Debug, Default)]
pub struct Told {
    usage: Arc<Mutex<Option<Usage>>>,
    /// Its first content is here.
    content: Arc<AtomicBool>,
}

impl Told {
    pub fn note(&self, usage: Option<Usage>) {
        if usage.is_some() {
            *self.usage.lock().unwrap_or_else(PoisonError::into_inner) = usage;
        }
    }

    pub fn note_content(&self) {
        self.content.store(true, Ordering::Relaxed);
    }

    pub fn has_content(&self) -> bool {
        self.content.load(Ordering::Relaxed)
    }

    pub fn usage(&self) -> Option<Usage> {
        *self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One such attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// `provider/model`
    pub target: String,
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// The provider told; else it is a guess of the input, made from the body's size.
    pub told: bool,
}

impl Spent {
    /// Absent: nothing was told, and without a guess nothing is known.
    pub fn new(target: String, told: Option<Usage>, guessed_input: Option<u64>) -> Option<Spent> {
        let (input_tokens, output_tokens) = match (told, guessed_input) {
            (Some(usage), _) => (usage.input, usage.output),
            (None, Some(guess)) => (guess, 0),
            (None, None) => return None,
        };
        Some(Spent { target, input_tokens, output_tokens, told: told.is_some() })
    }
}
