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

/// Of several attempts together. `None` if nothing was used.
pub fn sum(spent: &[Spent], tokens: impl Fn(&Spent) -> u64) -> Option<u64> {
    // Providers can tell any number.
    let sum = spent.iter().map(tokens).fold(0_u64, u64::saturating_add);
    (sum > 0).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Faults: F148
    #[test]
    fn what_providers_tell_is_added_however_absurd() {
        let absurd = Usage { input: u64::MAX, output: 1, cache_read: 0, cache_write: 0, reasoning: 0 };
        let spent: Vec<Spent> = (0..2).filter_map(|_| Spent::new("p/m".to_owned(), Some(absurd), None)).collect();
        assert_eq!(sum(&spent, |spent| spent.input_tokens), Some(u64::MAX));
        assert_eq!(sum(&spent, |spent| spent.output_tokens), Some(2));
        assert_eq!(sum(&[], |spent| spent.output_tokens), None);
    }
}
