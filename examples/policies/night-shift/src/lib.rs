//! A policy in thirty lines: by night the cheaper target (the last one) comes first, by day the first one.

use pointsman_sdk::policy::*;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct NightShift {
    /// Hours of the day, UTC.
    from: u64,
    to: u64,
}

impl Default for NightShift {
    fn default() -> Self {
        NightShift { from: 22, to: 6 }
    }
}

impl Policy for NightShift {
    type Settings = NightShift;

    fn open(settings: NightShift, _: Vec<Target>) -> Result<Self, String> {
        if settings.from > 23 || settings.to > 23 {
            Err("`from` and `to` are hours, 0 to 23".into())
        } else {
            Ok(settings)
        }
    }

    fn decide(&self, now: &Situation) -> Decision {
        let hour = now.now_unix_ms / 3_600_000 % 24;
        let night = if self.from <= self.to {
            (self.from..self.to).contains(&hour)
        } else {
            hour >= self.from || hour < self.to
        };
        let mut order: Vec<usize> = (0..now.targets.len()).filter(|&target| now.targets[target].able).collect();
        if night {
            order.reverse();
        }
        order.sort_by_key(|&target| now.targets[target].ready_in_ms > 0);
        let tried = |target: &usize| now.history.iter().any(|attempt| attempt.target as usize == *target);
        match order.iter().find(|target| !tried(target)) {
            Some(&target) => attempt(target, if night { "night" } else { "day" }),
            None => give_up("all were tried"),
        }
    }
}

pointsman_sdk::policy!(NightShift);
