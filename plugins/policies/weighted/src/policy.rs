//! Weighted rendezvous hashing: a changed weight moves only as much traffic as it must.

use pointsman_sdk::policy::hash::{hash, rendezvous};
use pointsman_sdk::policy::*;
use serde::Deserialize;

/// See the crate.
pub struct Weighted {
    stick_to: StickTo,
    targets: Vec<Target>,
    retry: Retry,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What keeps its target as long as that is ready and the weights stay as they are.
    stick_to: StickTo,
    #[serde(flatten)]
    retry: RetrySettings,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StickTo {
    /// Nothing: every request is drawn anew.
    #[default]
    Request,
    Conversation,
    Caller,
}

impl Policy for Weighted {
    type Settings = Settings;

    fn open(settings: Settings, targets: Vec<Target>) -> Result<Self, String> {
        if !targets.is_empty() && targets.iter().all(|target| target.weight == 0) {
            return Err("every target's `weight` is 0, but one must be 1 or more: 0 makes a target a backup".to_owned());
        }
        Ok(Weighted { stick_to: settings.stick_to, retry: Retry::open(settings.retry, &targets)?, targets })
    }

    fn about() -> About {
        let meaning = "What keeps its target while that is ready and the weights stay.";
        let own = [Setting::choice("stick_to", ["request", "conversation", "caller"], meaning)];
        About::new("Shares of the traffic by weight; the others when one fails.", own).and(RetrySettings::about())
    }

    fn decide(&self, situation: &Situation) -> Decision {
        // The whole order is drawn, so that the traffic of a target that fails is spread by weight as well.
        let order = rendezvous(self.key(situation), &self.targets);
        self.retry.decide(situation, &order, "drawn by weight")
    }
}

impl Weighted {
    /// Equal for what shall stay together. Who cannot be recognised is drawn by request.
    fn key(&self, situation: &Situation) -> u64 {
        let request = &situation.request;
        match self.stick_to {
            StickTo::Conversation if request.conversation != 0 => request.conversation,
            StickTo::Caller if !request.caller.is_empty() => hash(request.caller.as_bytes()),
            StickTo::Request | StickTo::Conversation | StickTo::Caller => situation.random,
        }
    }
}
