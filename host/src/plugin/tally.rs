//! How often a version of a plugin was called, how often that went wrong, and how many instances of it there are.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::fault::PluginFault;
use crate::sync::{Mutex, PoisonError};

/// One call in so many is made again in a fresh instance. A prime: requests that make the same number of calls each would
/// have the same kind of call looked at always.
const REPEATED_EVERY: u64 = 1021;
/// Callers at whose bodies a version fails, so that it is no longer one caller's trouble.
const SEVERAL_CALLERS: usize = 3;
/// Replies in a row that a version fails to write, so that it is no longer one provider's oddity or one caller's.
const SEVERAL_REPLIES: u64 = 3;

/// Counts for one version of one plugin.
#[derive(Debug)]
pub struct Tally {
    name: String,
    digest12: String,
    calls: AtomicU64,
    faults: AtomicU64,
    /// Of the faults, those that are held against the version.
    against: AtomicU64,
    /// Callers at whose bodies it failed since so many of them were last counted against it, by their keys' digests.
    callers_hit: Mutex<BTreeSet<[u8; 32]>>,
    /// Replies that it failed to write, since it last wrote a whole one.
    replies_hit: AtomicU64,
    /// Another version is asked about a body at which this one failed.
    checking: AtomicBool,
    /// In the shadow of another version: answers that were alike, and that were not.
    alike: AtomicU64,
    differing: AtomicU64,
    /// Requests (and attempts, for an adapter) that ended well, and that did not by no fault of their callers.
    good: AtomicU64,
    bad: AtomicU64,
    /// Calls that were made again in a fresh instance, and those of them that it answered otherwise.
    repeated: AtomicU64,
    impure: AtomicU64,
    /// Instructions that its calls took, where they are counted.
    fuel: AtomicU64,
    /// Calls that might have been repeated.
    turns: AtomicU64,
    /// Instances that exist.
    pub instances: Gauge,
    /// Those of them in which a call runs.
    pub running: Gauge,
}

/// What was counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub calls: u64,
    pub faults: u64,
    /// Of the faults: not those at a caller's body, unless they were shown to be the version's own.
    pub against: u64,
    pub alike: u64,
    pub differing: u64,
    pub good: u64,
    pub bad: u64,
    pub repeated: u64,
    pub impure: u64,
}

impl Counts {
    /// What came since.
    pub fn since(self, before: Counts) -> Counts {
        Counts {
            calls: self.calls.saturating_sub(before.calls),
            faults: self.faults.saturating_sub(before.faults),
            against: self.against.saturating_sub(before.against),
            alike: self.alike.saturating_sub(before.alike),
            differing: self.differing.saturating_sub(before.differing),
            good: self.good.saturating_sub(before.good),
            bad: self.bad.saturating_sub(before.bad),
            repeated: self.repeated.saturating_sub(before.repeated),
            impure: self.impure.saturating_sub(before.impure),
        }
    }
}

impl Tally {
    pub fn new(name: &str, sha256: &str) -> Self {
        let digest12 = sha256.chars().take(12).collect();
        let [replies_hit, calls, faults, against, alike, differing, good, bad, repeated, impure, fuel, turns] =
            [const { AtomicU64::new(0) }; 12];
        let (instances, running) = (Gauge::default(), Gauge::default());
        Tally {
            name: name.to_owned(),
            digest12,
            calls,
            faults,
            against,
            callers_hit: Mutex::default(),
            replies_hit,
            checking: AtomicBool::new(false),
            alike,
            differing,
            good,
            bad,
            repeated,
            impure,
            fuel,
            turns,
            instances,
            running,
        }
    }

    pub fn counts(&self) -> Counts {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            calls: get(&self.calls),
            faults: get(&self.faults),
            against: get(&self.against),
            alike: get(&self.alike),
            differing: get(&self.differing),
            good: get(&self.good),
            bad: get(&self.bad),
            repeated: get(&self.repeated),
            impure: get(&self.impure),
        }
    }

    pub(super) fn note_fuel(&self, fuel: u64) {
        self.fuel.fetch_add(fuel, Ordering::Relaxed);
    }

    /// Instructions that all its calls took: 0 where they are not counted (`engine::count_fuel`).
    pub fn fuel(&self) -> u64 {
        self.fuel.load(Ordering::Relaxed)
    }

    /// In the shadow it answered as the version did that was obeyed, or not.
    pub fn note_comparison(&self, is_alike: bool) {
        let count = if is_alike { &self.alike } else { &self.differing };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// A request that it decided for ended, or an attempt that it spoke for.
    pub fn note_outcome(&self, is_good: bool) {
        let count = if is_good { &self.good } else { &self.bad };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Count a call, and the fault if it was one.
    pub fn note<R>(&self, result: Result<R, PluginFault>) -> Result<R, PluginFault> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        result.inspect_err(|fault| self.note_fault(fault))
    }

    /// Counts a call that worked on what a caller or a provider wrote. A fault is not held against the version yet: that may be its
    /// cause.
    pub fn note_on_body<R>(&self, result: Result<R, PluginFault>) -> Result<R, PluginFault> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        result.inspect_err(|fault| self.tell(fault))
    }

    /// A fault at a caller's or a provider's bytes is the version's own: another version does the same call.
    pub fn hold_against(&self) {
        self.against.fetch_add(1, Ordering::Relaxed);
    }

    /// It failed at the body of a caller, whose key is known. At the bodies of several, it is held against the version.
    pub fn note_caller_hit(&self, key: Option<&[u8; 32]>) {
        let Some(key) = key else { return };
        let mut hit = self.callers_hit.lock().unwrap_or_else(PoisonError::into_inner);
        hit.insert(*key);
        if hit.len() >= SEVERAL_CALLERS {
            self.against.fetch_add(hit.len() as u64, Ordering::Relaxed);
            hit.clear();
        }
    }

    /// It failed to write a reply of which no other version can be asked. Several in a row are held against the version: as long as
    /// it writes other replies, one caller's streams are the likelier cause.
    pub fn note_reply_hit(&self) {
        let hit = self.replies_hit.fetch_add(1, Ordering::Relaxed) + 1;
        if hit.is_multiple_of(SEVERAL_REPLIES) {
            self.against.fetch_add(SEVERAL_REPLIES, Ordering::Relaxed);
        }
    }

    /// It wrote a reply to its end.
    pub fn note_reply_written(&self) {
        self.replies_hit.store(0, Ordering::Relaxed);
    }

    /// Leave to ask another version about a body at which this one failed, until it is dropped: one at a time.
    pub fn check(&self) -> Option<Checking<'_>> {
        (!self.checking.swap(true, Ordering::Relaxed)).then_some(Checking(self))
    }

    /// Is the call that went well now to be made again? The first ones of a version often, all others seldom. Counted, not
    /// drawn: a policy sees the request's random number, and could behave when it is looked at.
    pub fn is_repeated(&self) -> bool {
        let turn = self.turns.fetch_add(1, Ordering::Relaxed) + 1;
        turn.is_power_of_two() || turn.is_multiple_of(REPEATED_EVERY)
    }

    /// A call was made again in a fresh instance: was it answered alike?
    /// `on_body`: it is a call on what a caller or a provider wrote.
    pub fn note_again(&self, is_alike: Result<bool, PluginFault>, on_body: bool) {
        self.repeated.fetch_add(1, Ordering::Relaxed);
        match is_alike {
            Ok(true) => {}
            Ok(false) => {
                self.impure.fetch_add(1, Ordering::Relaxed);
                self.note_fault(&PluginFault::Impure);
            }
            Err(fault) if on_body => self.tell(&fault),
            Err(fault) => self.note_fault(&fault),
        }
    }

    /// Count an answer that the host refuses to act on.
    pub fn note_fault(&self, fault: &PluginFault) {
        if *fault != PluginFault::Full {
            self.against.fetch_add(1, Ordering::Relaxed);
        }
        self.tell(fault);
    }

    fn tell(&self, fault: &PluginFault) {
        let faults = self.faults.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::warn!(plugin = %self.name, digest = %self.digest12, reason = fault.label(), faults, "plugin fault: {fault}");
    }
}

/// See [`Tally::check`].
#[derive(Debug)]
pub struct Checking<'a>(&'a Tally);

impl Drop for Checking<'_> {
    fn drop(&mut self) {
        self.0.checking.store(false, Ordering::Relaxed);
    }
}

/// How many of something there are.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicU64>);

/// One of them, as long as it lives.
#[derive(Debug)]
pub struct One(Arc<AtomicU64>);

impl Gauge {
    pub fn one_more(&self) -> One {
        self.0.fetch_add(1, Ordering::Relaxed);
        One(Arc::clone(&self.0))
    }

    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_looked_at_closely_at_first_and_then_seldom() {
        let tally = Tally::new("x", "");
        let repeated: Vec<u64> = (1..=3_000).filter(|_| tally.is_repeated()).collect();
        assert_eq!(repeated, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1021, 1024, 2042, 2048]);
    }

    /// Faults: F131
    #[test]
    fn one_callers_bodies_are_held_against_no_version_and_several_callers_are() {
        let tally = Tally::new("x", "");
        for _ in 0..100 {
            let _ = tally.note_on_body::<()>(Err(PluginFault::Time));
            tally.note_caller_hit(Some(&[1; 32]));
            tally.note_caller_hit(None);
        }
        let counts = tally.counts();
        assert_eq!((counts.calls, counts.faults, counts.against), (100, 100, 0));
        tally.note_caller_hit(Some(&[2; 32]));
        assert_eq!(tally.counts().against, 0);
        tally.note_caller_hit(Some(&[3; 32]));
        assert_eq!(tally.counts().against, 3);
        tally.note_caller_hit(Some(&[1; 32]));
        assert_eq!(tally.counts().against, 3, "and three others count again");
        for _ in 0..5 {
            tally.note_reply_hit();
        }
        assert_eq!(tally.counts().against, 6, "and so do three replies");
        for _ in 0..5 {
            tally.note_reply_hit();
            tally.note_reply_hit();
            tally.note_reply_written();
        }
        assert_eq!(tally.counts().against, 9, "in a row: the sixth one, and none after it");
        let checking = tally.check();
        assert!(checking.is_some() && tally.check().is_none());
        drop(checking);
        assert!(tally.check().is_some());
    }

    #[test]
    fn a_gauge_counts_what_lives() {
        let gauge = Gauge::default();
        let one = gauge.one_more();
        let two = gauge.one_more();
        drop(one);
        assert_eq!(gauge.count(), 1);
        drop(two);
        assert_eq!(gauge.count(), 0);
    }
}
