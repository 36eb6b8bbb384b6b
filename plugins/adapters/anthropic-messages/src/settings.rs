//! What an operator may set for a provider of this protocol.

use pointsman_sdk::codec::{Fault, FaultKind, fault};
use serde::Deserialize;

/// The protocol demands `max_tokens` and other protocols do not: room for a long answer, within every current model's
/// limit.
const MAX_TOKENS: u32 = 8192;

/// The provider's `settings` table. It matters only for requests that come from another protocol.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `max_tokens` where the caller sets no limit.
    pub max_tokens: u32,
    /// False for models that refuse `temperature` and `top_p`: they are dropped then.
    pub sampling: bool,
    /// False for models that refuse `output_config.effort` and adaptive thinking: efforts are dropped then.
    pub effort: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { max_tokens: MAX_TOKENS, sampling: true, effort: true }
    }
}

impl Settings {
    pub fn parse(text: &str) -> Result<Settings, Fault> {
        let wrong = |why: String| fault(FaultKind::AdapterFailed, format!("the provider's settings: {why}"));
        let settings: Settings = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if settings.max_tokens == 0 {
            return Err(wrong("`max_tokens` must be at least 1".into()));
        }
        Ok(settings)
    }
}
