//! A version of a policy that is loaded like any other and is bad: with two targets it traps, with three it asks only the last.

use pointsman_sdk::policy::*;
use serde::Deserialize;

/// It takes any settings, so that it can follow any policy.
#[derive(Deserialize)]
struct Rogue {}

impl Policy for Rogue {
    type Settings = Rogue;

    fn open(settings: Rogue, _: Vec<Target>) -> Result<Self, String> {
        Ok(settings)
    }

    fn decide(&self, situation: &Situation) -> Decision {
        match (situation.targets.len(), situation.history.is_empty()) {
            (3, true) => attempt(2, "always this one"),
            (3, false) => give_up("and no other"),
            _ => unreachable!("on purpose"),
        }
    }
}

pointsman_sdk::policy!(Rogue);
