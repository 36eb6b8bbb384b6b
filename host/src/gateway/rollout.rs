//! A version that misbehaves goes by itself: the one before it comes back, and it is kept out until an operator insists.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::Gateway;
use super::table::Slot;
use crate::plugin::{Counts, Plugin};

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(200);
/// Faults below which nothing is decided: one may be chance.
const FAULTS: u64 = 3;
/// One fault in so many calls is too many.
const CALLS_PER_FAULT: u64 = 100;
/// Requests of a version on trial below which its outcomes say nothing.
const TRIAL_REQUESTS: u64 = 50;
/// So many more of a hundred requests may end badly than beside it.
const WORSE_PERCENT: u64 = 5;

/// What is to be done with a slot.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The live version goes, the one before it comes back.
    TakeBack(String),
    DropCanary(String),
    DropShadow(String),
}

/// Look after all slots until the task is aborted.
pub async fn look_after(gateway: Arc<Gateway>) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let table = gateway.table();
        for (name, slot) in &table.slots {
            let Some(verdict) = judge(slot) else { continue };
            tracing::error!(plugin = %name, "a version is taken back by itself: {verdict:?}");
            if let Err(error) = gateway.take_back(name, &verdict).await {
                tracing::error!(plugin = %name, "it could not be taken back, and stays: {error:#}");
            }
        }
    }
}

/// Nothing, while all is well or nothing else is there.
pub fn judge(slot: &Slot) -> Option<Verdict> {
    let counts = |plugin: &Arc<Plugin>| plugin.tally.counts();
    if let Some((canary, _)) = &slot.canary {
        let (on_trial, beside) = (counts(canary), counts(&slot.live).since(slot.since));
        if let Some(why) = misbehaves(on_trial).or_else(|| is_worse(on_trial, beside)) {
            return Some(Verdict::DropCanary(why));
        }
    }
    if let Some(why) = slot.shadow.as_ref().and_then(|shadow| misbehaves(counts(shadow))) {
        return Some(Verdict::DropShadow(why));
    }
    let has_another = slot.previous.as_ref().is_some_and(|previous| !slot.barred.contains_key(&previous.sha256));
    let why = misbehaves(counts(&slot.live).since(slot.since)).filter(|_| has_another)?;
    Some(Verdict::TakeBack(why))
}

fn misbehaves(counts: Counts) -> Option<String> {
    let Counts { calls, faults, .. } = counts;
    let too_many = faults >= FAULTS && faults.saturating_mul(CALLS_PER_FAULT) >= calls;
    too_many.then(|| format!("{faults} faults in {calls} calls"))
}

fn is_worse(on_trial: Counts, beside: Counts) -> Option<String> {
    let all = on_trial.good + on_trial.bad;
    let all_beside = beside.good + beside.bad;
    if all < TRIAL_REQUESTS || all_beside < TRIAL_REQUESTS {
        return None;
    }
    let percent = |bad: u64, all: u64| bad.saturating_mul(100) / all.max(1);
    let (worse, usual) = (percent(on_trial.bad, all), percent(beside.bad, all_beside));
    (worse > usual + WORSE_PERCENT)
        .then(|| format!("{worse} % of its {all} requests ended badly, and {usual} % of the {all_beside} beside it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_faults_are_chance_and_many_are_not() {
        let counts = |calls, faults| Counts { calls, faults, ..Counts::default() };
        assert_eq!(misbehaves(counts(2, 2)), None);
        assert!(misbehaves(counts(3, 3)).is_some());
        assert_eq!(misbehaves(counts(1_000, 3)), None);
        assert!(misbehaves(counts(1_000, 10)).is_some());
    }

    #[test]
    fn a_version_on_trial_is_compared_with_the_one_beside_it() {
        let counts = |good, bad| Counts { good, bad, ..Counts::default() };
        assert_eq!(is_worse(counts(20, 29), counts(1_000, 0)), None, "too few to tell");
        assert!(is_worse(counts(40, 10), counts(1_000, 0)).is_some());
        assert_eq!(is_worse(counts(40, 10), counts(800, 200)), None, "all fare badly");
    }
}
