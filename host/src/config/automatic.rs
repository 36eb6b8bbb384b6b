//! No configuration file: every provider whose key is in the environment, each the backup of the others.

use std::collections::BTreeMap;

use super::defaults;
use super::error::ConfigError;
use super::resolve::HOLDS;
use super::resolved::{Config, Gate, Holds, JournalSettings, Model, Pattern, Provider, Secret, Target, Way};
use super::{Environment, resolve};
use crate::facts::Book;

/// Name, adapters, prefix of its variables, models that are its own, and the one that stands in for others'.
const KNOWN: [(&str, &[&str], &str, &str, &str); 3] = [
    ("anthropic", &["anthropic-messages"], "ANTHROPIC", "claude-*", defaults::ANTHROPIC_MODEL),
    ("openai", &["openai-chat", "openai-responses"], "OPENAI", "*", defaults::OPENAI_MODEL),
    ("gemini", &["gemini"], "GEMINI", "gemini-*", defaults::GEMINI_MODEL),
];

pub fn config(environment: Environment<'_>) -> Result<Config, ConfigError> {
    let (mut providers, mut backups) = (BTreeMap::new(), Vec::new());
    let set = |name: &str| {
        let value = resolve::trimmed(&environment(name)?).to_owned();
        Some(value).filter(|value| !value.is_empty())
    };
    for (name, adapters, prefix, _, model) in KNOWN {
        let variable = format!("{prefix}_API_KEY");
        let Some(key) = set(&variable) else { continue };
        if !resolve::is_key(&key) {
            let text = format!("{variable} in the environment is no key: it must be printable ASCII without spaces");
            return Err(ConfigError::plain(text));
        }
        let base_url = set(&format!("{prefix}_BASE_URL"));
        let provider = Provider {
            adapters: adapters.iter().map(|adapter| (*adapter).to_owned()).collect(),
            base_url: base_url.map(|url| resolve::base_url(&url)).transpose().map_err(ConfigError::plain)?,
            keys: vec![Secret::new(key)],
            aws: None,
            google: None,
            azure: None,
            probe: None,
            way: Way { proxy: resolve::usual(environment)?, ..Way::default() },
            settings: "{}".to_owned(),
        };
        providers.insert(name.to_owned(), provider);
        let model = set(&format!("POINTSMAN_{prefix}_MODEL")).unwrap_or_else(|| model.to_owned());
        backups.push(target(name, Some(model)));
    }
    if providers.is_empty() {
        return Err(ConfigError::plain(
            "there is no configuration file and no provider's key in the environment\nhint: set ANTHROPIC_API_KEY, \
             OPENAI_API_KEY or GEMINI_API_KEY, or write a pointsman.toml (examples/ has some), or see it work without \
             keys: `pointsman demo`",
        ));
    }
    let route = |own: &str, pattern: &str| {
        let first = providers.contains_key(own).then(|| target(own, None));
        let rest = backups.iter().filter(|target| target.provider != own).cloned();
        Model {
            pattern: Pattern::new(pattern),
            policy: defaults::POLICY.to_owned(),
            settings: "{}".to_owned(),
            policy_headers: Vec::new(),
            splice: false,
            names_asked: None,
            hold_tool_calls: defaults::HOLD_TOOL_CALLS,
            holds: HOLDS,
            targets: first.into_iter().chain(rest).collect(),
        }
    };
    let models = KNOWN.iter().map(|(name, _, _, pattern, _)| route(name, pattern)).collect();
    let server = resolve::default_server(environment)?;
    let (Holds { timeouts, breaker, attempts }, limits) = (HOLDS, defaults::LIMITS);
    let facts = Book::new(Vec::new()).map_err(ConfigError::plain)?;
    Ok(Config {
        server,
        timeouts,
        breaker,
        attempts,
        limits,
        gate: Gate::default(),
        plugins: BTreeMap::new(),
        providers,
        models,
        facts,
        fetch: None,
        journal: JournalSettings { requests: defaults::JOURNAL, on_disk: None },
        game_day: false,
    })
}

fn target(provider: &str, model: Option<String>) -> Target {
    Target { provider: provider.to_owned(), model, weight: 1, max_in_flight: None, holds: HOLDS }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &'static [(&str, &str)]) -> Result<Config, String> {
        let environment = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        config(&environment).map_err(|error| error.to_string())
    }

    #[test]
    fn white_space_around_what_the_environment_says_is_cut_off() {
        for key in ["sk-a", "sk-a\n", " sk-a\r\n", "\u{feff}sk-a", "\tsk-a\u{a0}"] {
            let variables = vec![
                ("OPENAI_API_KEY", key),
                ("OPENAI_BASE_URL", " http://127.0.0.1:1/v1\n"),
                ("POINTSMAN_OPENAI_MODEL", "gpt-x\n"),
                ("POINTSMAN_LISTEN", "127.0.0.1:4500\n"),
                ("POINTSMAN_ADMIN_TOKEN", "t\n"),
                ("ANTHROPIC_API_KEY", " \n"),
            ];
            let config = of(variables.leak()).expect("a configuration");
            assert_eq!(config.providers.len(), 1, "a key of nothing but white space is none");
            let provider = &config.providers["openai"];
            assert_eq!(provider.keys, [Secret::new("sk-a")], "{key:?}");
            assert_eq!(provider.base_url.as_deref(), Some("http://127.0.0.1:1/v1"));
            assert_eq!((config.server.listen.port(), config.server.admin_token), (4500, Some(Secret::new("t"))));
            let targets: Vec<_> = config.models.iter().flat_map(|model| &model.targets).collect();
            assert!(targets.iter().any(|target| target.model.as_deref() == Some("gpt-x")));
        }
    }

    #[test]
    fn a_key_that_no_header_can_hold_is_named() {
        for key in ["sk a", "sk-a\nsk-b", "schlüssel"] {
            let error = of(vec![("GEMINI_API_KEY", key)].leak()).expect_err(key);
            assert!(error.contains("GEMINI_API_KEY") && !error.contains(key), "{error}");
        }
    }
}
