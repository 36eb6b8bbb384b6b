//! The links are asked in turn. One that gives up hands over to the next, and so does one that would only wait for what
//! runs: the next may know of a hedge. What the last says holds.

use pointsman_sdk::policy::*;
use serde::Deserialize;

use crate::links::{Decide, open_named};

/// See the crate.
pub struct Chain {
    links: Vec<(String, Decide)>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    links: Vec<Link>,
}

/// One of the other built-in policies.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    policy: String,
    /// As the policy's own; absent: its defaults.
    #[serde(default)]
    settings: serde_json::Map<String, serde_json::Value>,
}

impl Policy for Chain {
    type Settings = Settings;

    fn open(settings: Settings, targets: Vec<Target>) -> Result<Self, String> {
        // Each is asked for every decision, and a decision has few milliseconds.
        if !(1..=5).contains(&settings.links.len()) {
            return Err(format!("`links` has {} entries, but must have 1 to 5", settings.links.len()));
        }
        let links = settings.links.into_iter().enumerate().map(|(number, Link { policy, settings })| {
            let settings = serde_json::Value::Object(settings).to_string();
            let decide = open_named(&policy, &settings, &targets);
            let decide = decide.map_err(|error| format!("`links[{number}]` ({policy}): {error}"))?;
            Ok((policy, decide))
        });
        Ok(Chain { links: links.collect::<Result<_, String>>()? })
    }

    fn about() -> About {
        let meaning =
            "A list, 1 to 5: the policies that are asked in turn, each with its `settings`. It must be there.";
        let links = Setting::other("links", None, meaning);
        About::new("Several policies in turn: one that gives up hands over to the next.", [links])
    }

    fn decide(&self, situation: &Situation) -> Decision {
        let mut last = give_up("the chain has no links");
        for (name, decide) in &self.links {
            let decision = decide(situation);
            let holds = matches!(decision.action, Action::Attempt(_));
            // Waiting is no worse than giving up while something runs, whoever says so.
            if holds || !matches!(last.action, Action::Wait) || decision.action == Action::Wait {
                last = Decision { reason: format!("{name}: {}", decision.reason), ..decision };
            }
            if holds {
                break;
            }
        }
        last
    }
}
