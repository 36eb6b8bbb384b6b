//! How fast models are on a good day: `speeds.toml`.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::Deserialize;

use super::chance::Spread;
use crate::facts;

/// Of one model.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Speed {
    pub first_token_ms: Spread,
    pub tokens_per_second: Spread,
}

/// By patterns of names, the shortest first.
#[derive(Clone, Debug)]
pub struct Speeds(Vec<(String, Speed)>);

impl Speeds {
    /// # Errors
    /// When the built-in file is wrong, which a test rules out.
    pub fn built_in() -> anyhow::Result<Speeds> {
        let read: BTreeMap<String, Speed> =
            toml::from_str(include_str!("speeds.toml")).context("reading the built-in speeds")?;
        let mut speeds: Vec<_> = read.into_iter().collect();
        speeds.sort_by_key(|(pattern, _)| pattern.len());
        Ok(Speeds(speeds))
    }

    /// Of a model, by its name at the provider. The first pattern fits all.
    pub fn of(&self, model: &str) -> Speed {
        let fitting = self.0.iter().rfind(|(pattern, _)| facts::fits(pattern, model)).or(self.0.first());
        let unknown = Spread { median: 1.0, p95: 1.0 };
        fitting.map_or(Speed { first_token_ms: unknown, tokens_per_second: unknown }, |(_, speed)| *speed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_reads_and_the_longest_name_holds() {
        let speeds = Speeds::built_in().expect("the built-in file");
        let median = |model: &str| speeds.of(model).first_token_ms.median;
        assert!(median("us.anthropic.claude-opus-4-6-v1:0") > median("claude-haiku-4-5"));
        assert_eq!(median("a model that nobody knows"), 800.0);
    }
}
