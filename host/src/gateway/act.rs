//! What is done to a slot, for its history.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::table::Slot;
use crate::clock::Clock;
use crate::plugin::Plugin;
use crate::store::{Change, VersionFile, What, Who};

/// See the module.
pub struct Act {
    pub what: What,
    pub who: Who,
    /// Empty where it goes without saying.
    pub why: String,
    /// That came with it.
    pub file: Option<VersionFile>,
}

impl Act {
    pub fn of(what: What, who: Who) -> Act {
        Act { what, who, why: String::new(), file: None }
    }

    /// As the history has it, and the file that is to be kept.
    pub fn told(
        self,
        clock: &Clock,
        name: &str,
        before: Option<&Slot>,
        after: Option<&Slot>,
    ) -> (Change, Option<VersionFile>) {
        let at_unix_ms = u64::try_from(clock.unix().as_millis()).unwrap_or(u64::MAX);
        let (before, after) = moved(before, after);
        let Act { what, who, why, file } = self;
        (Change { at_unix_ms, slot: name.to_owned(), what, before, after, who, why }, file)
    }
}

/// What another configuration changed.
pub fn configured(clock: &Clock, before: &BTreeMap<String, Slot>, after: &BTreeMap<String, Slot>) -> Vec<Change> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let change = |name: &String| {
        let (old, new) = (before.get(name), after.get(name));
        let is_same = old.zip(new).is_some_and(|(old, new)| Arc::ptr_eq(&old.live, &new.live));
        (!is_same).then(|| Act::of(What::Configured, Who::Configuration).told(clock, name, old, new).0)
    };
    names.into_iter().filter_map(change).collect()
}

/// The one thing that changed in a slot: digests of what stands there before and after.
fn moved(before: Option<&Slot>, after: Option<&Slot>) -> (Option<String>, Option<String>) {
    type Place = fn(&Slot) -> Option<&Arc<Plugin>>;
    let places: [Place; 4] = [
        |slot| Some(&slot.live),
        |slot| slot.canary.as_ref().map(|trial| &trial.version),
        |slot| slot.shadow.as_ref(),
        |slot| slot.staged.as_ref(),
    ];
    let digest = |plugin: Option<&Arc<Plugin>>| plugin.map(|plugin| plugin.sha256.clone());
    for place in places {
        let (old, new) = (before.and_then(place), after.and_then(place));
        let is_same = match (old, new) {
            (Some(old), Some(new)) => Arc::ptr_eq(old, new),
            (None, None) => true,
            _ => false,
        };
        if !is_same {
            return (digest(old), digest(new));
        }
    }
    let trial = after.and_then(places[1]).or_else(|| after.and_then(places[0]));
    (digest(trial), digest(trial))
}
