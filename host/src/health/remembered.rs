//! Which targets are remembered. Where a route takes any model, callers choose the names of models, so their number has a limit:
//! for each caller, so that made-up names displace nobody else's, and for all together. What was not asked for the longest time is
//! forgotten first; what rests, is out or is in use is never forgotten.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Health;

/// Targets remembered.
const TARGETS_MAX: usize = 4096;
/// Of these, targets that one caller alone asked for.
pub(super) const TARGETS_OF_CALLER_MAX: usize = 256;
/// Forgotten together, so that looking for the oldest is rare.
const FORGOTTEN_SHARE: usize = 8;
/// Where nothing can be forgotten it is looked for again after this time.
const SEARCH_PAUSE: Duration = Duration::from_secs(1);

/// Provider and model.
pub(super) type Name = (String, String);

/// The health of each target, up to `TARGETS_MAX` of them, and who asked for it.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    targets: HashMap<Name, Entry>,
    /// Of callers who asked for targets that nobody else asked for.
    shares: HashMap<String, Share>,
    next_search: Option<Instant>,
    /// Counts questions, to order them.
    asked: u64,
}

#[derive(Debug)]
struct Entry {
    health: Arc<Health>,
    /// When it was asked for last, as `Remembered::asked` counts.
    asked: u64,
    /// The only caller who ever asked for it. `None` after another caller did, too, and for configured targets.
    caller: Option<String>,
}

#[derive(Debug, Default)]
struct Share {
    targets: usize,
    next_search: Option<Instant>,
}

impl Remembered {
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Arc<Health>)> {
        self.targets.iter().map(|(name, entry)| (name, &entry.health))
    }

    /// The target that this caller asks for; `None` where the configuration names it.
    pub fn find(&mut self, name: &Name, caller: Option<&str>) -> Option<Arc<Health>> {
        let entry = self.targets.get_mut(name)?;
        self.asked += 1;
        entry.asked = self.asked;
        if let Some(of) = entry.caller.take_if(|of| Some(of.as_str()) != caller) {
            give_back(&mut self.shares, &of);
        }
        Some(Arc::clone(&entry.health))
    }

    /// Remember a target that this caller asks for, if there is room, or room can be made. One that the configuration names always
    /// has room, and counts as no caller's.
    pub fn add(&mut self, name: Name, caller: Option<&str>, health: &Arc<Health>, now: Instant) {
        if let Some(caller) = caller {
            if !self.has_room(caller, now) {
                return;
            }
            self.shares.entry(caller.to_owned()).or_default().targets += 1;
        }
        self.asked += 1;
        let (health, caller) = (Arc::clone(health), caller.map(str::to_owned));
        self.targets.insert(name, Entry { health, asked: self.asked, caller });
    }

    fn has_room(&mut self, caller: &str, now: Instant) -> bool {
        let may_search = |next: Option<Instant>| next.is_none_or(|next| next <= now);
        if let Some(share) = self.shares.get(caller).filter(|share| share.targets >= TARGETS_OF_CALLER_MAX) {
            if !may_search(share.next_search) {
                return false;
            }
            let found = self.forget(Some(caller), now);
            if let Some(share) = self.shares.get_mut(caller) {
                share.next_search = (!found).then_some(now + SEARCH_PAUSE);
            }
            return found;
        }
        if self.targets.len() < TARGETS_MAX {
            return true;
        }
        if !may_search(self.next_search) {
            return false;
        }
        let found = self.forget(None, now);
        self.next_search = (!found).then_some(now + SEARCH_PAUSE);
        found
    }

    /// Forget those that were not asked for the longest time: of one caller, or of all. True if there are any.
    fn forget(&mut self, caller: Option<&str>, now: Instant) -> bool {
        let is_looked_at = |entry: &Entry| caller.is_none() || entry.caller.as_deref() == caller;
        // Who else has a pointer uses it: a request, or a configured target.
        let may_go = |entry: &Entry| Arc::strong_count(&entry.health) == 1 && !entry.health.is_needed(now);
        let mut oldest: Vec<_> = self
            .targets
            .iter()
            .filter(|(_, entry)| is_looked_at(entry) && may_go(entry))
            .map(|(name, entry)| (entry.asked, name.clone()))
            .collect();
        oldest.sort_unstable();
        oldest.truncate(oldest.len().div_ceil(FORGOTTEN_SHARE));
        for (_, name) in &oldest {
            if let Some(Entry { caller: Some(of), .. }) = self.targets.remove(name) {
                give_back(&mut self.shares, &of);
            }
        }
        !oldest.is_empty()
    }
}

fn give_back(shares: &mut HashMap<String, Share>, caller: &str) {
    let Some(share) = shares.get_mut(caller) else { return };
    share.targets = share.targets.saturating_sub(1);
    if share.targets == 0 {
        shares.remove(caller);
    }
}
