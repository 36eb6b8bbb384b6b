//! Who keeps what: a provider holds the state of a conversation under the id of one of its replies, and only with the key
//! that made the reply. A later request that names the id (`previous_response_id`, a message thread) goes to both.

use std::collections::HashMap;
use std::mem;

use super::items::Owner;
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

/// A reply to another caller.
#[derive(Debug, PartialEq, Eq)]
pub struct Anothers;

/// The keepers of the newest replies. It is forgotten with the process.
#[derive(Default)]
pub struct Keepers(Mutex<Generations>);

/// By the id of the reply: whose it is, and who keeps it.
#[derive(Default)]
struct Generations {
    young: HashMap<String, (Owner, Keeper)>,
    old: HashMap<String, (Owner, Keeper)>,
}

impl Keepers {
    pub fn note(&self, owner: Owner, id: &str, keeper: Keeper) {
        if id.is_empty() || id.len() > ID_BYTES_MAX {
            return;
        }
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if generations.young.len() >= REPLIES_MAX / 2 {
            generations.old = mem::take(&mut generations.young);
        }
        generations.young.insert(id.to_owned(), (owner, keeper));
    }

    /// Who made the reply with this id. `None` where that is not known.
    ///
    /// # Errors
    /// It was made for another caller.
    pub fn of(&self, owner: &Owner, id: &str) -> Result<Option<Keeper>, Anothers> {
        let generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match generations.young.get(id).or_else(|| generations.old.get(id)) {
            Some((whose, _)) if whose != owner => Err(Anothers),
            known => Ok(known.map(|(_, keeper)| keeper.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Owner = [1; 32];

    fn keeper(key: KeyId) -> Keeper {
        Keeper { provider: "a".to_owned(), key }
    }

    #[test]
    fn the_newest_are_remembered_and_no_more() {
        let keepers = Keepers::default();
        for at in 0..2 * REPLIES_MAX {
            keepers.note(ONE, &format!("resp_{at}"), keeper(at as KeyId));
        }
        let held = keepers.0.lock().unwrap();
        assert!(held.young.len() + held.old.len() <= REPLIES_MAX);
        drop(held);
        let newest = 2 * REPLIES_MAX - 1;
        assert_eq!(keepers.of(&ONE, &format!("resp_{newest}")), Ok(Some(keeper(newest as KeyId))));
        let half_ago = newest - REPLIES_MAX / 2 + 1;
        assert_eq!(keepers.of(&ONE, &format!("resp_{half_ago}")), Ok(Some(keeper(half_ago as KeyId))));
        assert_eq!(keepers.of(&ONE, "resp_0"), Ok(None));
    }

    #[test]
    fn an_id_that_is_none_is_not_remembered() {
        let keepers = Keepers::default();
        for id in ["", &"x".repeat(ID_BYTES_MAX + 1)] {
            keepers.note(ONE, id, keeper(1));
            assert_eq!(keepers.of(&ONE, id), Ok(None));
        }
        keepers.note(ONE, "a", keeper(1));
        keepers.note(ONE, "a", keeper(2));
        assert_eq!(keepers.of(&ONE, "a"), Ok(Some(keeper(2))));
    }

    #[test]
    fn what_was_made_for_another_caller_is_not_found() {
        let keepers = Keepers::default();
        keepers.note(ONE, "a", keeper(1));
        assert_eq!(keepers.of(&[2; 32], "a"), Err(Anothers));
        assert_eq!(keepers.of(&[2; 32], "b"), Ok(None));
    }
}
