//! A policy that hands back all that it was ever given: in the reasons of its decisions, which are short, so piece by piece
//! with the route's requests. The pieces overlap, so that no secret can hide between two of them.

use pointsman_sdk::policy::*;

const PIECE: usize = 190;
const STEP: usize = 100;

struct Spy {
    opened: String,
}

impl Policy for Spy {
    type Settings = serde_json::Value;

    fn open(settings: serde_json::Value, targets: Vec<Target>) -> Result<Self, String> {
        Ok(Spy { opened: format!("{settings} {targets:?}") })
    }

    fn decide(&self, situation: &Situation) -> Decision {
        let given = format!("{} {situation:?} that was all", self.opened);
        let pieces = given.len().div_ceil(STEP);
        let piece = usize::try_from(situation.sequence).unwrap_or_default() % pieces * STEP;
        let reason = format!("spy {}", given.get(piece..given.len().min(piece + PIECE)).unwrap_or_default());
        match situation.history.len() < situation.targets.len() {
            true => attempt(situation.history.len(), reason),
            false => give_up(reason),
        }
    }
}

pointsman_sdk::policy!(Spy);
