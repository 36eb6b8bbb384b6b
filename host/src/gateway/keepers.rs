//! Who keeps what: a provider holds the state of a conversation under the id of one of its replies, and only with the key
//! that made the reply. A later request that names the id (`previous_response_id`, a message thread) goes to both.

use std::collections::HashMap;
use std::mem;

use crate::health::KeyId;
use crate::sync::{Mutex, PoisonError};

/// Replies whose keeper is remembered; of older ones, at least half as many are forgotten at once. With ids of 40 letters
/// that is some 10 MB.
const REPLIES_MAX: usize = 64 << 10;
/// Bytes of an id; a longer one is not remembered.
const ID_BYTES_MAX: usize = 256;

/// A target's provider, and the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeper {
    pub provider: String,
    pub key: KeyId,
}

/// The keepers of the newest replies. It is forgotten with the process.
#[derive(Default)]
pub struct Keepers(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<String, Keeper>,
    old: HashMap<String, Keeper>,
}

impl Keepers {
    pub fn note(&self, id: &str, keeper: Keeper) {
        if id.is_empty() || id.len() > ID_BYTES_MAX {
            return;
        }
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if generations.young.len() >= REPLIES_MAX / 2 {
            generations.old = mem::take(&mut generations.young);
        }
        generations.young.insert(id.to_owned(), keeper);
    }

    pub fn of(&self, id: &str) -> Option<Keeper> {
        let generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        generations.young.get(id).or_else(|| generations.old.get(id)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeper(key: KeyId) -> Keeper {
        Keeper { provider: "a".to_owned(), key }
    }

    #[test]
    fn the_newest_are_remembered_and_no_more() {
        let keepers = Keepers::default();
        for at in 0..2 * REPLIES_MAX {
            keepers.note(&format!("resp_{at}"), keeper(at as KeyId));
        }
        let held = keepers.0.lock().unwrap();
        assert!(held.young.len() + held.old.len() <= REPLIES_MAX);
        drop(held);
        let newest = 2 * REPLIES_MAX - 1;
        assert_eq!(keepers.of(&format!("resp_{newest}")), Some(keeper(newest as KeyId)));
        let half_ago = newest - REPLIES_MAX / 2 + 1;
        assert_eq!(keepers.of(&format!("resp_{half_ago}")), Some(keeper(half_ago as KeyId)));
        assert_eq!(keepers.of("resp_0"), None);
    }

    #[test]
    fn an_id_that_is_none_is_not_remembered() {
        let keepers = Keepers::default();
        for id in ["", &"x".repeat(ID_BYTES_MAX + 1)] {
            keepers.note(id, keeper(1));
            assert_eq!(keepers.of(id), None);
        }
        keepers.note("a", keeper(1));
        keepers.note("a", keeper(2));
        assert_eq!(keepers.of("a"), Some(keeper(2)));
    }
}
