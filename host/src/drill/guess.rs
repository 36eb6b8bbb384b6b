//! Traffic for those who say nothing of theirs: something of everything that the configuration routes.

use std::collections::BTreeMap;

use anyhow::ensure;

use super::traffic::{Mix, Speaks, Traffic};
use crate::config::{Config, Pattern};

/// Names that callers may use where a route is for many.
const MODELS: &[&str] = &[
    "claude-opus-4-6",
    "claude-sonnet-4-5",
    "claude-haiku-4-5",
    "gpt-5",
    "gpt-5-mini",
    "gemini-2.5-pro",
    "gemini-2.5-flash",
];

impl Traffic {
    /// Each route gets the same share. Callers speak what the route's first provider speaks, so far as callers do.
    ///
    /// # Errors
    /// When nothing can be asked for.
    pub fn guessed(config: &Config, per_minute: f64) -> anyhow::Result<Traffic> {
        let mut mix = Vec::new();
        for model in &config.models {
            let Some(provider) = model.targets.first().and_then(|target| config.providers.get(&target.provider)) else {
                continue;
            };
            let protocol = Speaks::like(provider.adapters.first().map_or("", String::as_str));
            let names: Vec<String> = match &model.pattern {
                // Nobody chats with it.
                Pattern::Exactly(name) if name.contains("embed") => continue,
                Pattern::Exactly(name) => vec![name.clone()],
                Pattern::Beginning(beginning) => {
                    let known = MODELS.iter().filter(|name| is_for(config, name, &model.pattern));
                    let known: Vec<_> = known.map(|name| (*name).to_owned()).collect();
                    if known.is_empty() { vec![format!("{beginning}drill")] } else { known }
                }
            };
            let share = 1.0 / names.len() as f64;
            mix.extend(names.into_iter().map(|model| Mix::of(model, protocol, share)));
        }
        ensure!(!mix.is_empty(), "the configuration has no models that could be asked for");
        ensure!(per_minute > 0.0 && per_minute <= 1e6, "a rate is above 0, and a million a minute at most");
        Ok(Traffic { per_minute, course: Vec::new(), mix, speeds: BTreeMap::new() })
    }
}

/// Is this the route that fits best?
fn is_for(config: &Config, name: &str, pattern: &Pattern) -> bool {
    let best = config.models.iter().filter_map(|model| model.pattern.fits(name)).max();
    best.is_some() && pattern.fits(name) == best
}
