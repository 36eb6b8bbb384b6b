//! A policy in Rust: by night the cheaper target (the last one) comes first, by day the first one.
//!
//! It becomes one file of WebAssembly, which the gateway loads and calls like a function. There it has no clock, no
//! network, no files and no memory between two calls: all that a decision may depend on is in its arguments. So it can be
//! tested, replayed and swapped into a gateway that is running, and it cannot leak anything.

use pointsman_sdk::policy::*;
use serde::Deserialize;

/// The settings: the route's `settings` table, such as `{ from = 20, to = 8 }`. This policy needs to know nothing else.
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

    /// For people (`pointsman plugin inspect`), and for a search that tries other settings.
    fn about() -> About {
        let from = Setting::whole("from", 22, 0..=23, "The hour at which the night begins, UTC.");
        let to = Setting::whole("to", 6, 0..=23, "The hour at which it ends.");
        About::new("By night the last target comes first, by day the first one.", [from.vary_all(), to.vary_all()])
    }

    /// Once for each route that uses this policy. A text refuses the settings, and is shown to the operator.
    fn open(settings: NightShift, _: Vec<Target>) -> Result<Self, String> {
        if settings.from > 23 || settings.to > 23 {
            Err("`from` and `to` are hours, 0 to 23".into())
        } else {
            Ok(settings)
        }
    }

    /// Called for each request, and again after each attempt that failed. Depends on nothing but its arguments.
    fn decide(&self, now: &Situation) -> Decision {
        if !now.running.is_empty() {
            return wait("one attempt at a time");
        }
        if now.history.iter().any(|failed| callers_own(failed.fault)) {
            return give_up("the request is at fault");
        }
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

#[cfg(test)]
mod tests;
