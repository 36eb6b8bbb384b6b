//! Who keeps what: a provider holds the state of a conversation under the id of one of its replies, and only with the key
//! that made the reply. A later request that names the id (`previous_response_id`, a message thread) goes to both.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::items::Owner;
use crate::health::KeyId;
use crate::sync::{Mutex, PoisonError};

/// Replies whose keeper is remembered. Then the caller who has most loses its oldest. With ids of 40 letters that is some 10 MB.
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
pub struct Keepers(Mutex<Shelves>);

#[derive(Default)]
struct Shelves {
    by_owner: HashMap<Owner, Shelf>,
    /// Replies on all of them.
    replies: usize,
    /// Counts notes, to order them.
    noted: u64,
}

/// One caller's, by the ids of replies.
#[derive(Default)]
struct Shelf {
    keepers: HashMap<Arc<str>, (Keeper, u64)>,
    /// In the order in which they came; an id that came again stands there twice.
    order: VecDeque<(Arc<str>, u64)>,
}

impl Keepers {
    pub fn note(&self, owner: Owner, id: &str, keeper: Keeper) {
        if id.is_empty() || id.len() > ID_BYTES_MAX {
            return;
        }
        let mut shelves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shelves.noted += 1;
        let noted = shelves.noted;
        let is_new = shelves.by_owner.entry(owner).or_default().put(id, keeper, noted);
        shelves.replies += usize::from(is_new);
        while shelves.replies > REPLIES_MAX && shelves.forget_oldest() {}
    }

    /// Who made the reply with this id. `None` where that is not known.
    ///
    /// # Errors
    /// It was made for another caller.
    pub fn of(&self, owner: &Owner, id: &str) -> Result<Option<Keeper>, Anothers> {
        let shelves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = |shelf: &Shelf| shelf.keepers.get(id).map(|(keeper, _)| keeper.clone());
        match shelves.by_owner.get(owner).and_then(found) {
            None if shelves.by_owner.values().any(|shelf| found(shelf).is_some()) => Err(Anothers),
            known => Ok(known),
        }
    }
}

impl Shelves {
    /// Of the caller who has most: no caller's replies are forgotten for the sake of one who has more. False: there is none.
    fn forget_oldest(&mut self) -> bool {
        let largest = self.by_owner.iter().max_by_key(|(_, shelf)| shelf.keepers.len()).map(|(owner, _)| *owner);
        let Some(shelf) = largest.and_then(|owner| self.by_owner.get_mut(&owner)) else { return false };
        let is_gone = shelf.forget_oldest();
        self.replies -= usize::from(is_gone);
        is_gone
    }
}

impl Shelf {
    /// True if the id is new.
    fn put(&mut self, id: &str, keeper: Keeper, noted: u64) -> bool {
        let id: Arc<str> = id.into();
        self.order.push_back((Arc::clone(&id), noted));
        let is_new = self.keepers.insert(id, (keeper, noted)).is_none();
        // Ids that came again and again, as servers give that number them from one on.
        if self.order.len() > 2 * self.keepers.len() + 8 {
            let keepers = &self.keepers;
            self.order.retain(|(id, noted)| keepers.get(id).is_some_and(|(_, last)| last == noted));
        }
        is_new
    }

    /// False: there is none.
    fn forget_oldest(&mut self) -> bool {
        while let Some((id, noted)) = self.order.pop_front() {
            if self.keepers.get(&id).is_some_and(|(_, last)| *last == noted) {
                return self.keepers.remove(&id).is_some();
            }
        }
        false
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
        assert_eq!((held.replies, held.by_owner[&ONE].keepers.len()), (REPLIES_MAX, REPLIES_MAX));
        assert!(held.by_owner[&ONE].order.len() <= REPLIES_MAX);
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

    /// Faults: F186
    #[test]
    fn a_caller_of_very_many_replies_displaces_nobody_elses() {
        let keepers = Keepers::default();
        keepers.note([2; 32], "quiet", keeper(1));
        // A server that numbers its replies from one on.
        keepers.note([2; 32], "resp_1", keeper(2));
        for at in 0..2 * REPLIES_MAX {
            keepers.note(ONE, &format!("resp_{at}"), keeper(3));
        }
        assert_eq!(keepers.of(&[2; 32], "quiet"), Ok(Some(keeper(1))));
        assert_eq!(keepers.of(&[2; 32], "resp_1"), Ok(Some(keeper(2))), "another caller's reply is called so too");
        for _ in 0..1000 {
            keepers.note([3; 32], "again", keeper(4));
        }
        let held = keepers.0.lock().unwrap();
        assert_eq!(held.replies, REPLIES_MAX);
        assert!(held.by_owner[&[3; 32]].order.len() < 20);
    }

    #[test]
    fn what_was_made_for_another_caller_is_not_found() {
        let keepers = Keepers::default();
        keepers.note(ONE, "a", keeper(1));
        assert_eq!(keepers.of(&[2; 32], "a"), Err(Anothers));
        assert_eq!(keepers.of(&[2; 32], "b"), Ok(None));
    }
}
