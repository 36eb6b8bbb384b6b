//! What became of the versions of plugins, in order; and the slots, as they are written down.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Changes of each slot that are remembered: weeks of a busy team.
pub const CHANGES_MAX: usize = 200;

/// One change of one slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub at_unix_ms: u64,
    pub slot: String,
    pub what: What,
    /// SHA-256 of the version that stood there: live, staged, on trial or in the shadow, whichever changed.
    pub before: Option<String>,
    /// SHA-256 of the one that stands there now.
    pub after: Option<String>,
    pub who: Who,
    /// Empty where it goes without saying.
    pub why: String,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A file was staged, or live at once under a new name.
    Loaded,
    Swapped,
    Canary,
    Shadow,
    /// A trial or a shadow was ended.
    Ended,
    RolledBack,
    /// It misbehaved.
    TakenBack,
    /// The configuration gave, or took away, a file.
    Configured,
    /// Another release of the program brought another built-in version.
    BuiltIn,
    /// It did not come back after a restart.
    NotRestored,
}

impl What {
    /// In words.
    pub fn told(self) -> &'static str {
        match self {
            What::Loaded => "loaded",
            What::Swapped => "swapped",
            What::Canary => "canary",
            What::Shadow => "shadow",
            What::Ended => "ended",
            What::RolledBack => "rolled back",
            What::TakenBack => "taken back",
            What::Configured => "configured",
            What::BuiltIn => "built in",
            What::NotRestored => "not restored",
        }
    }
}

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    Operator,
    /// The gateway, by itself.
    Itself,
    Configuration,
}

impl Who {
    /// In words.
    pub fn told(self) -> &'static str {
        match self {
            Who::Operator => "operator",
            Who::Itself => "itself",
            Who::Configuration => "configuration",
        }
    }
}

/// A slot, as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedSlot {
    pub name: String,
    pub live: SavedVersion,
    pub staged: Option<SavedVersion>,
    pub previous: Option<SavedVersion>,
    pub canary: Option<(SavedVersion, u8)>,
    pub shadow: Option<SavedVersion>,
    pub barred: BTreeMap<String, String>,
    pub configured: Option<String>,
}

/// A version, by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedVersion {
    pub sha256: String,
    /// The program brings it, and no file of it is kept: after an update it is the new one.
    pub built_in: bool,
}

impl SavedSlot {
    /// All that stand in it.
    pub fn versions(&self) -> impl Iterator<Item = &SavedVersion> {
        let trial = self.canary.as_ref().map(|(version, _)| version);
        let others = [self.staged.as_ref(), self.previous.as_ref(), trial, self.shadow.as_ref()];
        std::iter::once(&self.live).chain(others.into_iter().flatten())
    }
}

/// The bytes of a version that are to be kept.
#[derive(Clone, Debug)]
pub struct VersionFile {
    pub sha256: String,
    pub bytes: Bytes,
    /// As it came with it: whether it is trusted is asked again when the version comes back.
    pub signature: Option<String>,
}

/// What is to be written down together.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    pub changes: Vec<Change>,
    /// All slots, as they stand after the changes.
    pub slots: Vec<SavedSlot>,
    pub files: Vec<VersionFile>,
}

/// The last changes of each slot, oldest first.
#[derive(Debug, Default)]
pub struct History(VecDeque<Change>);

impl History {
    pub fn new(changes: Vec<Change>) -> History {
        History(changes.into())
    }

    pub fn add(&mut self, changes: &[Change]) {
        for change in changes {
            let of_it = |other: &&Change| other.slot == change.slot;
            if self.0.iter().filter(of_it).count() >= CHANGES_MAX
                && let Some(oldest) = self.0.iter().position(|other| other.slot == change.slot)
            {
                self.0.remove(oldest);
            }
            self.0.push_back(change.clone());
        }
    }

    pub fn of(&self, slot: Option<&str>) -> Vec<Change> {
        self.0.iter().filter(|change| slot.is_none_or(|slot| change.slot == slot)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_changes_often_pushes_out_no_other() {
        let change = |slot: &str, at_unix_ms| Change {
            at_unix_ms,
            slot: slot.to_owned(),
            what: What::Swapped,
            before: None,
            after: None,
            who: Who::Operator,
            why: String::new(),
        };
        let mut history = History::default();
        history.add(&[change("quiet", 0)]);
        for at in 1..=500 {
            history.add(&[change("busy", at)]);
        }
        assert_eq!(history.of(Some("quiet")).len(), 1);
        let busy = history.of(Some("busy"));
        assert_eq!((busy.len(), busy[0].at_unix_ms, busy[199].at_unix_ms), (CHANGES_MAX, 301, 500));
    }
}
