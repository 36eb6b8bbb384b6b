//! A version that misbehaves goes by itself: the one before it comes back, and it is kept out until an operator insists.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Gateway;
use super::table::Slot;
use crate::plugin::Counts;

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(200);
/// Faults below which nothing is decided: one may be chance.
const FAULTS: u64 = 3;
/// One fault in so many calls is too many.
const CALLS_PER_FAULT: u64 = 100;
/// Requests of a version on trial below which its outcomes say nothing.
const TRIAL_REQUESTS: u64 = 50;
/// Of its requests, so many more may end badly than beside it.
const WORSE_SHARE: f64 = 0.05;
/// Standard errors between two shares that are no chance, although it is looked again and again.
const CLEARLY: f64 = 4.0;

/// What is to be done with a slot.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The live version goes, the one before it comes back.
    TakeBack(String),
    DropCanary(String),
    DropShadow(String),
}

/// Of a hundred: where a request falls in a slot's trial. It is so in all its attempts; in another slot it falls elsewhere,
/// so that no two trials share their requests.
pub fn lot(random: u64, slot: &str) -> u8 {
    u8::try_from(draw(random, slot, 100)).unwrap_or_default()
}

/// The same of any number, and for anything that has a name.
pub fn draw(random: u64, name: &str, of: u32) -> u32 {
    const PRIME: u64 = 0x0100_0000_01b3;
    let mixed = name.bytes().fold(random, |mixed, byte| (mixed ^ u64::from(byte)).wrapping_mul(PRIME).rotate_left(29));
    u32::try_from((mixed.wrapping_mul(PRIME) >> 32) % u64::from(of)).unwrap_or_default()
}

/// Look after all slots, and what is over of a game day, until the task is aborted.
pub async fn look_after(gateway: Arc<Gateway>) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        gateway.game_day.sweep(Instant::now());
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
    if let Some(trial) = &slot.canary {
        let on_trial = trial.version.tally.counts().since(trial.since);
        let beside = slot.live.tally.counts().since(trial.beside);
        if let Some(why) = misbehaves(on_trial).or_else(|| is_worse(on_trial, beside)) {
            return Some(Verdict::DropCanary(why));
        }
    }
    if let Some(why) = slot.shadow.as_ref().and_then(|shadow| misbehaves(shadow.tally.counts())) {
        return Some(Verdict::DropShadow(why));
    }
    let has_another = slot.previous.as_ref().is_some_and(|previous| !slot.barred.contains_key(&previous.sha256));
    let why = misbehaves(slot.live.tally.counts().since(slot.since)).filter(|_| has_another)?;
    Some(Verdict::TakeBack(why))
}

fn misbehaves(counts: Counts) -> Option<String> {
    let Counts { calls, against: faults, repeated, impure, .. } = counts;
    // Few calls are repeated, and code without clock or dice answers otherwise only if it remembers: no chance in it.
    if impure >= FAULTS {
        return Some(format!("a fresh instance answered {impure} of {repeated} repeated calls otherwise"));
    }
    let too_many = faults >= FAULTS && faults.saturating_mul(CALLS_PER_FAULT) >= calls;
    too_many.then(|| format!("{faults} faults in {calls} calls"))
}

/// Both versions serve at the same time, and chance alone says which serves a request: whatever befalls them from outside
/// befalls both alike.
fn is_worse(on_trial: Counts, beside: Counts) -> Option<String> {
    let (all, all_beside) = (on_trial.good + on_trial.bad, beside.good + beside.bad);
    if all < TRIAL_REQUESTS || all_beside < TRIAL_REQUESTS {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of requests, and shares of them")]
    let [bad, bad_beside, all_f, all_beside_f] = [on_trial.bad, beside.bad, all, all_beside].map(|count| count as f64);
    let (worse, usual) = (bad / all_f, bad_beside / all_beside_f);
    // How far two shares of the same trouble are apart by chance.
    let common = (bad + bad_beside) / (all_f + all_beside_f);
    let by_chance = (common * (1.0 - common) * (1.0 / all_f + 1.0 / all_beside_f)).sqrt();
    (worse - usual > WORSE_SHARE && worse - usual > CLEARLY * by_chance).then(|| {
        let (worse, usual) = (worse * 100.0, usual * 100.0);
        format!("{worse:.0} % of its {all} requests ended badly, and {usual:.0} % of the {all_beside} beside it")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_faults_are_chance_and_many_are_not() {
        let counts = |calls, against| Counts { calls, against, ..Counts::default() };
        assert_eq!(misbehaves(counts(2, 2)), None);
        assert!(misbehaves(counts(3, 3)).is_some());
        assert_eq!(misbehaves(counts(1_000, 3)), None);
        assert!(misbehaves(counts(1_000, 10)).is_some());
        let remembers = Counts { calls: 100_000, against: 3, repeated: 110, impure: 3, ..Counts::default() };
        assert!(misbehaves(remembers).is_some_and(|why| why.contains("3 of 110")), "however seldom it is looked");
    }

    #[test]
    fn a_request_has_a_lot_of_its_own_for_each_slot() {
        let random: Vec<u64> = (0..10_000_u64).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        let falls = |slot: &str| random.iter().map(|random| lot(*random, slot) < 10).collect::<Vec<_>>();
        let (one, other) = (falls("one"), falls("other"));
        let share = |falls: &[bool]| falls.iter().filter(|falls| **falls).count();
        assert!((900..1_100).contains(&share(&one)) && (900..1_100).contains(&share(&other)), "{}", share(&one));
        let both = one.iter().zip(&other).filter(|(one, other)| **one && **other).count();
        assert!((50..200).contains(&both), "{both}: two trials have different requests");
        assert_eq!(one, falls("one"), "and keep them");
    }

    #[test]
    fn a_version_on_trial_is_compared_with_the_one_beside_it() {
        let counts = |good, bad| Counts { good, bad, ..Counts::default() };
        assert_eq!(is_worse(counts(20, 29), counts(1_000, 0)), None, "too few to tell");
        assert!(is_worse(counts(40, 10), counts(1_000, 0)).is_some());
        assert_eq!(is_worse(counts(40, 10), counts(800, 200)), None, "all fare badly");
        assert_eq!(is_worse(counts(36, 14), counts(42, 8)), None, "12 % more of fifty is chance");
        assert!(is_worse(counts(720, 280), counts(840, 160)).is_some(), "and of a thousand it is none");
    }
}
