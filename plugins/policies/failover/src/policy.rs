//! The configured order is the whole policy; what follows a fault is the SDK's `retry`.

use pointsman_sdk::policy::*;

/// See the crate.
pub struct Failover {
    retry: Retry,
}

impl Policy for Failover {
    type Settings = Settings;

    fn open(settings: Settings, targets: Vec<Target>) -> Result<Self, String> {
        Ok(Failover { retry: Retry::open(settings.retry, &targets)? })
    }

    fn about() -> About {
        About::new("The first target that is ready, in the configured order.", RetrySettings::about())
    }

    fn decide(&self, situation: &Situation) -> Decision {
        self.retry.decide(situation, &situation.in_order(), "the first")
    }
}

/// It has none of its own.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    #[serde(flatten)]
    retry: RetrySettings,
}
