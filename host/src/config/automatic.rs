//! No configuration file: every provider whose key is in the environment, each the backup of the other.

use std::collections::BTreeMap;

use super::defaults;
use super::error::ConfigError;
use super::resolved::{Config, Model, Pattern, Provider, Secret, Target};
use super::{Environment, resolve};

pub fn config(environment: Environment<'_>) -> Result<Config, ConfigError> {
    let mut providers = BTreeMap::new();
    for (name, adapter, prefix) in
        [("anthropic", "anthropic-messages", "ANTHROPIC"), ("openai", "openai-chat", "OPENAI")]
    {
        let Some(key) = environment(&format!("{prefix}_API_KEY")) else { continue };
        let base_url = environment(&format!("{prefix}_BASE_URL"));
        let provider = Provider {
            adapter: adapter.to_owned(),
            base_url: base_url.map(|url| resolve::base_url(&url)).transpose().map_err(ConfigError::plain)?,
            key: Some(Secret::new(key)),
            settings: "{}".to_owned(),
        };
        providers.insert(name.to_owned(), provider);
    }
    if providers.is_empty() {
        return Err(ConfigError::plain(
            "there is no configuration file and no provider's key in the environment\nhint: set ANTHROPIC_API_KEY or \
             OPENAI_API_KEY, or write a pointsman.toml (examples/ has some), or see it work without keys: `pointsman demo`",
        ));
    }
    let own = |provider: &str| Target { provider: provider.to_owned(), model: None, weight: 1 };
    let backup = |provider: &str| {
        let (variable, default) = match provider {
            "anthropic" => ("POINTSMAN_ANTHROPIC_MODEL", defaults::ANTHROPIC_MODEL),
            _ => ("POINTSMAN_OPENAI_MODEL", defaults::OPENAI_MODEL),
        };
        let model = environment(variable).unwrap_or_else(|| default.to_owned());
        Target { model: Some(model), ..own(provider) }
    };
    let route = |pattern: &str, first: &str, second: &str| {
        let mut targets = Vec::new();
        targets.extend(providers.contains_key(first).then(|| own(first)));
        targets.extend(providers.contains_key(second).then(|| backup(second)));
        Model {
            pattern: Pattern::new(pattern),
            policy: defaults::POLICY.to_owned(),
            settings: "{}".to_owned(),
            targets,
        }
    };
    let models = vec![route("claude-*", "anthropic", "openai"), route("*", "openai", "anthropic")];
    let server = resolve::default_server(environment)?;
    let (timeouts, breaker) = (defaults::TIMEOUTS, defaults::BREAKER);
    Ok(Config { server, timeouts, breaker, plugins: BTreeMap::new(), providers, models })
}
