//! Which policy decides in a run: the configured ones, or one for all routes.

use std::path::Path;

use anyhow::{Context as _, bail};

use crate::config::{Config, PluginFile};
use crate::ship::Place;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What the report calls it.
    pub label: String,
    /// Absent: each route's own.
    policy: Option<Policy>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Policy {
    name: String,
    file: Option<std::path::PathBuf>,
    /// JSON. Absent: a route's own where it has this policy already, else none.
    settings: Option<String>,
}

impl Choice {
    /// Each route's own policy.
    pub fn configured() -> Choice {
        Choice { label: "as configured".to_owned(), policy: None }
    }

    /// `hedged`, `my-policy.wasm`, or either with settings: `hedged {"hedge_after_ms": 2000}`.
    ///
    /// # Errors
    /// When the settings are no JSON.
    pub fn parse(text: &str) -> anyhow::Result<Choice> {
        let text = text.trim();
        let (who, settings) = match text.find('{') {
            Some(at) => (text[..at].trim_end(), Some(text[at..].to_owned())),
            None => (text, None),
        };
        if let Some(settings) = &settings {
            let read: Result<serde_json::Value, _> = serde_json::from_str(settings);
            read.with_context(|| format!("the settings in `{text}` are no JSON"))?;
        }
        if who.is_empty() {
            bail!("`{text}` names no policy: a name, a .wasm file, or either with its settings as JSON after it");
        }
        let is_file = Path::new(who).extension().is_some_and(|extension| extension == "wasm");
        let (name, file) = match is_file {
            true => {
                let stem = Path::new(who).file_stem().map(|stem| stem.to_string_lossy().into_owned());
                (stem.unwrap_or_default(), Some(who.into()))
            }
            false => (who.to_owned(), None),
        };
        Ok(Choice { label: text.to_owned(), policy: Some(Policy { name, file, settings }) })
    }

    /// The same policy with other settings: JSON.
    pub fn with(&self, name: &str, settings: String) -> Choice {
        let named = || Policy { name: name.to_owned(), file: None, settings: None };
        let policy = Policy { settings: Some(settings.clone()), ..self.policy.clone().unwrap_or_else(named) };
        Choice { label: settings, policy: Some(policy) }
    }

    /// The configuration with this policy in it.
    pub fn apply(&self, config: &Config) -> Config {
        let mut config = config.clone();
        let Some(policy) = &self.policy else { return config };
        for model in &mut config.models {
            match &policy.settings {
                Some(settings) => model.settings.clone_from(settings),
                None if model.policy == policy.name => {}
                None => model.settings = "{}".to_owned(),
            }
            model.policy.clone_from(&policy.name);
        }
        if let Some(file) = &policy.file {
            config.plugins.insert(
                policy.name.clone(),
                PluginFile { place: Place::File(file.clone()), sha256: None, fresh: false },
            );
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_a_name_or_a_file_and_may_have_settings() {
        let policy = |text: &str| Choice::parse(text).map(|choice| choice.policy.expect("one"));
        let hedged = policy("hedged {\"hedge_after_ms\": 2000}").expect("a policy");
        assert_eq!((hedged.name.as_str(), hedged.settings.as_deref()), ("hedged", Some("{\"hedge_after_ms\": 2000}")));
        let file = policy("target/night_shift.wasm").expect("a policy");
        assert_eq!((file.name.as_str(), file.file.is_some(), file.settings), ("night_shift", true, None));
        assert!(Choice::parse("hedged {").is_err() && Choice::parse("").is_err());
    }
}
