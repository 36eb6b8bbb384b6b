//! A policy with the mistake that everybody makes: targets take turns by a counter of its own. It decides well, but it
//! remembers something between two calls, and what it decides depends on which instance is asked.

use std::sync::atomic::{AtomicUsize, Ordering};

use pointsman_sdk::policy::*;
use serde::Deserialize;

static TURN: AtomicUsize = AtomicUsize::new(0);

/// It takes any settings, so that it can follow any policy.
#[derive(Deserialize)]
struct Turns {}

impl Policy for Turns {
    type Settings = Turns;

    fn open(settings: Turns, _: Vec<Target>) -> Result<Self, String> {
        Ok(settings)
    }

    fn decide(&self, situation: &Situation) -> Decision {
        let turn = TURN.fetch_add(1, Ordering::Relaxed);
        let tried = |target: usize| situation.history.iter().any(|report| report.target as usize == target);
        let count = situation.targets.len();
        let order = (0..count).map(|step| (turn + step) % count);
        match order.into_iter().find(|&target| situation.targets[target].able && !tried(target)) {
            Some(target) => attempt(target, format!("turn {turn}")),
            None => give_up("all were tried"),
        }
    }
}

pointsman_sdk::policy!(Turns);
