//! How fast models are on a good day: as the traffic's file says, else `speeds.toml`.

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
pub struct Speeds {
    given: Vec<(String, Speed)>,
    built_in: Vec<(String, Speed)>,
}

impl Speeds {
    /// These, and for all other models the built-in ones.
    ///
    /// # Errors
    /// When the built-in file is wrong, which a test rules out.
    pub fn with(given: &BTreeMap<String, Speed>) -> anyhow::Result<Speeds> {
        let read: BTreeMap<String, Speed> =
            toml::from_str(include_str!("speeds.toml")).context("reading the built-in speeds")?;
        let sorted = |speeds: BTreeMap<String, Speed>| {
            let mut speeds: Vec<_> = speeds.into_iter().collect();
            speeds.sort_by_key(|(pattern, _)| pattern.len());
            speeds
        };
        Ok(Speeds { given: sorted(given.clone()), built_in: sorted(read) })
    }

    /// Of a model, by its name at the provider. The first pattern fits all.
    pub fn of(&self, model: &str) -> Speed {
        let of = |speeds: &'_ [(String, Speed)]| {
            speeds.iter().rfind(|(pattern, _)| facts::fits(pattern, model)).map(|(_, speed)| *speed)
        };
        let first = self.built_in.first().map(|(_, speed)| *speed);
        let unknown = Spread::new(1.0, 1.0);
        let unknown = Speed { first_token_ms: unknown, tokens_per_second: unknown };
        of(&self.given).or_else(|| of(&self.built_in)).or(first).unwrap_or(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_reads_and_the_longest_name_holds() {
        let read = |text: &str| toml::from_str::<BTreeMap<String, Speed>>(text).expect("speeds");
        let own = "[gpt-5]\nfirst_token_ms = { median = 7, p95 = 9 }\ntokens_per_second = { median = 1, p95 = 1 }";
        let speeds = Speeds::with(&read(own)).expect("the built-in file");
        let median = |model: &str| speeds.of(model).first_token_ms.median;
        assert!(median("us.anthropic.claude-opus-4-6-v1:0") > median("claude-haiku-4-5"));
        assert_eq!(median("a model that nobody knows"), 800.0);
        assert_eq!((median("gpt-5"), median("gpt-5-codex")), (7.0, 1_200.0), "what is given stands above");
    }
}
