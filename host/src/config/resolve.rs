//! From what is written to what is used: cross checks, defaults, `${…}`.

mod gate;
mod holds;
mod identity;
mod keys;
mod plugins;
mod server;
mod way;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use hyper::header::HeaderName;
use toml::Spanned;

use super::error::{ConfigError, File, similar};
use super::resolved::{
    Config, Holds, JournalOnDisk, JournalSettings, Model, Pattern, Probe, Provider, Secret, Server, Target,
};
use super::written::{self, Written};
use super::{Environment, defaults};
use crate::facts::Book;
use crate::health::AdmissionSettings;
use holds::Tables;
use pointsman_bundle::BUNDLED;

pub use holds::DEFAULT as HOLDS;
pub use keys::{CALLER_NAME, is_caller_name};
pub use way::usual;

pub fn resolve(written: Written, file: &File<'_>, environment: Environment<'_>) -> Result<Config, ConfigError> {
    let resolver = Resolver { file, environment };
    let server = resolver.server(written.server, written.keys)?;
    let gate = resolver.gate(&written.gate)?;
    let plugins = resolver.plugins(written.plugins)?;
    let names: Vec<&str> =
        BUNDLED.iter().map(|bundled| bundled.name).chain(plugins.keys().map(String::as_str)).collect();
    let everywhere = Tables { timeouts: written.timeouts, breaker: written.breaker, attempts: written.attempts };
    let everywhere = resolver.holds(&everywhere, holds::DEFAULT, "")?;
    let (providers, narrower) = resolver.providers(written.providers, &names)?;
    let models = resolver.models(written.models, &providers, &Narrowing { everywhere, providers: narrower }, &names)?;
    let span = |span: Option<written::Span>, default| span.map_or(default, |span| span.0);
    let Holds { timeouts, breaker, attempts } = everywhere;
    let limits = AdmissionSettings {
        max_in_flight: written.limits.max_in_flight.map(|most| most.max(1)).or(defaults::LIMITS.max_in_flight),
        queue: written.limits.queue.unwrap_or(defaults::LIMITS.queue),
        queue_wait: span(written.limits.queue_wait, defaults::LIMITS.queue_wait),
        slow_start: written.limits.slow_start.unwrap_or(defaults::LIMITS.slow_start),
    };
    let facts = Book::new(written.facts.into_iter().collect()).map_err(ConfigError::plain)?;
    let fetch = written.fetch.media.then_some(written.fetch.allow);
    let journal = resolver.journal(&written.journal, server.state.is_some())?;
    let game_day = written.game_day.enabled;
    Ok(Config {
        server,
        timeouts,
        breaker,
        attempts,
        limits,
        gate,
        plugins,
        providers,
        models,
        facts,
        fetch,
        journal,
        game_day,
    })
}

pub fn default_server(environment: Environment<'_>) -> Result<Server, ConfigError> {
    let file = File { path: "the environment".as_ref(), text: "" };
    Resolver { file: &file, environment }.server(written::Server::default(), BTreeMap::new())
}

/// A base URL without a slash at the end, or what is wrong with it.
pub fn base_url(url: &str) -> Result<String, String> {
    // A password or a key may stand in it.
    let shown = if url.contains(['@', '?']) { "the base URL".to_owned() } else { format!("`{url}`") };
    let parsed: hyper::Uri = url.parse().map_err(|error| format!("{shown} is not a URL: {error}"))?;
    let well =
        matches!(parsed.scheme_str(), Some("http" | "https")) && parsed.host().is_some_and(|host| !host.is_empty());
    if !well || parsed.query().is_some() || url.contains('@') {
        return Err(format!("{shown} must be like https://host/path: no user, no query"));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

/// Headers in which callers show their keys: they go to no plugin and to no provider.
pub const SECRET_HEADERS: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "x-goog-iam-authorization-token",
    "x-amz-security-token",
    "x-auth-token",
    "ocp-apim-subscription-key",
];

/// Without what an editor, a shell or a secret's file leaves around a value: white space, and a byte order mark.
pub fn trimmed(value: &str) -> &str {
    value.trim_matches(|letter: char| letter.is_whitespace() || letter == '\u{feff}')
}

/// A key can stand in a header.
pub fn is_key(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic())
}

type ByName<T> = BTreeMap<String, T>;

/// What holds where no model says otherwise.
struct Narrowing {
    everywhere: Holds,
    /// By provider: what it says.
    providers: ByName<Tables>,
}

struct Resolver<'a> {
    file: &'a File<'a>,
    environment: Environment<'a>,
}

impl Resolver<'_> {
    fn journal(&self, written: &written::Journal, has_folder: bool) -> Result<JournalSettings, ConfigError> {
        if let Some(keep) = written.keep.as_ref().filter(|_| !has_folder) {
            let hint = "give it one: `state = \"DIR\"` in [server], or POINTSMAN_STATE".to_owned();
            return Err(self.error(keep.span(), "there is no folder in which the journal could be kept", Some(hint)));
        }
        let bytes_max = self.some(written.max_disk_bytes.as_ref())?.unwrap_or(defaults::JOURNAL_DISK_BYTES);
        Ok(JournalSettings {
            requests: written.requests.unwrap_or(defaults::JOURNAL),
            on_disk: written.keep.as_ref().map(|keep| JournalOnDisk { keep: keep.get_ref().0, bytes_max }),
        })
    }

    fn error(&self, span: Range<usize>, message: impl Into<String>, hint: Option<String>) -> ConfigError {
        self.file.at(Some(span), message, hint)
    }

    /// A text in which `${NAME}` stands for a variable of the environment.
    fn expand(&self, text: &Spanned<String>) -> Result<String, ConfigError> {
        let mut expanded = String::new();
        let mut rest = text.get_ref().as_str();
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, behind)) = after.split_once('}') else {
                return Err(self.error(text.span(), "`${` has no closing `}`", None));
            };
            let value = (self.environment)(name).ok_or_else(|| {
                let hint = format!("set {name}, or take out what needs it");
                self.error(text.span(), format!("the environment has no `{name}`"), Some(hint))
            })?;
            expanded.push_str(before);
            expanded.push_str(trimmed(&value));
            rest = behind;
        }
        expanded.push_str(rest);
        Ok(expanded)
    }

    fn secret(&self, text: &Spanned<String>) -> Result<Secret, ConfigError> {
        let value = trimmed(&self.expand(text)?).to_owned();
        if !is_key(&value) {
            return Err(self.error(text.span(), "a key must be printable ASCII without spaces, and not empty", None));
        }
        Ok(Secret::new(value))
    }

    fn probe(&self, written: &written::Probe) -> Result<Probe, ConfigError> {
        let path = written.path.get_ref();
        if !path.starts_with('/') {
            let hint = Some(format!("`/{path}`, from the base URL's host on"));
            return Err(self.error(written.path.span(), "a probe's path begins with a slash", hint));
        }
        Ok(Probe { path: path.clone(), every: written.every.map_or(defaults::PROBE_EVERY, |every| every.0) })
    }

    fn keys(&self, provider: &written::Provider) -> Result<Vec<Secret>, ConfigError> {
        match (&provider.key, &provider.keys) {
            (Some(_), Some(keys)) => {
                let hint = Some("put all of them into `keys`".to_owned());
                Err(self.error(keys.span(), "there is a `key` too", hint))
            }
            (key, None) => key.iter().map(|key| self.secret(key)).collect(),
            (None, Some(keys)) if keys.get_ref().is_empty() => Err(self.error(keys.span(), "it names no key", None)),
            (None, Some(keys)) => keys.get_ref().iter().map(|key| self.secret(key)).collect(),
        }
    }

    /// Paths are relative to the file that names them.
    fn relative(&self, path: &str) -> PathBuf {
        self.file.path.parent().unwrap_or(self.file.path).join(path)
    }

    fn known(&self, name: &Spanned<String>, known: &[&str], what: &str) -> Result<String, ConfigError> {
        if known.contains(&name.get_ref().as_str()) {
            return Ok(name.get_ref().clone());
        }
        let hint = match similar(name.get_ref(), known.iter().copied()) {
            Some(similar) => format!("did you mean `{similar}`?"),
            None => format!("there are: {}", known.join(", ")),
        };
        Err(self.error(name.span(), format!("there is no {what} `{}`", name.get_ref()), Some(hint)))
    }

    fn providers(
        &self,
        written: BTreeMap<String, written::Provider>,
        plugins: &[&str],
    ) -> Result<(ByName<Provider>, ByName<Tables>), ConfigError> {
        let (mut providers, mut narrower) = (BTreeMap::new(), BTreeMap::new());
        for (name, provider) in written {
            let keys = self.keys(&provider)?;
            let way = self.way(&provider)?;
            let span = provider.adapter.span();
            let adapters = match provider.adapter.into_inner() {
                written::Adapters::One(adapter) => vec![adapter],
                written::Adapters::Several(adapters) => adapters,
            };
            let adapters = adapters.into_iter().map(|adapter| {
                let adapter = Spanned::new(span.clone(), adapter);
                self.known(&adapter, plugins, "plugin")
            });
            let adapters: Vec<String> = adapters.collect::<Result<_, _>>()?;
            if adapters.is_empty() {
                return Err(self.error(span, "it names no plugin", None));
            }
            let base_url = match &provider.base_url {
                None => None,
                Some(url) => {
                    let checked = base_url(&self.expand(url)?).map_err(|text| self.error(url.span(), text, None))?;
                    Some(checked)
                }
            };
            let aws = provider.aws.as_ref().map(|aws| self.aws(aws)).transpose()?;
            let google = provider.google.as_ref().map(|google| self.google(google)).transpose()?;
            let azure = provider.azure.as_ref().map(|azure| self.azure(azure)).transpose()?;
            if let Some(azure) = provider.azure.as_ref().filter(|_| !keys.is_empty()) {
                let hint = Some("keep one of them".to_owned());
                return Err(self.error(azure.span(), "there is a key too", hint));
            }
            let probe = provider.probe.as_ref().map(|probe| self.probe(probe)).transpose()?;
            let written::Provider { timeouts, breaker, attempts, settings, .. } = provider;
            let settings = self.json(settings)?;
            let tables = Tables { timeouts, breaker, attempts };
            self.fits_provider(&tables, &name)?;
            narrower.insert(name.clone(), tables);
            providers.insert(name, Provider { adapters, base_url, keys, aws, google, azure, probe, way, settings });
        }
        Ok((providers, narrower))
    }

    fn json(&self, table: toml::Table) -> Result<String, ConfigError> {
        serde_json::to_string(&table).map_err(|error| self.file.at(None, format!("settings: {error}"), None))
    }

    fn models(
        &self,
        written: BTreeMap<Spanned<String>, written::Model>,
        providers: &BTreeMap<String, Provider>,
        wider: &Narrowing,
        plugins: &[&str],
    ) -> Result<Vec<Model>, ConfigError> {
        let mut models = Vec::new();
        for (name, model) in written {
            let policy = match &model.policy {
                Some(policy) => self.known(policy, plugins, "plugin")?,
                None => defaults::POLICY.to_owned(),
            };
            if model.targets.is_empty() {
                let hint = Some("name at least one: targets = [\"provider/model\"]".to_owned());
                return Err(self.error(name.span(), format!("the model `{}` has no targets", name.get_ref()), hint));
            }
            let tables = Tables { timeouts: model.timeouts, breaker: model.breaker, attempts: model.attempts };
            self.fits_model(&tables, name.get_ref())?;
            let place = format!("models.\"{}\".", name.get_ref());
            let holds = self.holds(&tables, wider.everywhere, &place)?;
            let targets = model.targets.into_iter().map(|target| {
                let mut target = self.target(target, providers)?;
                if let Some(provider) = wider.providers.get(&target.provider) {
                    let of_provider =
                        self.holds(provider, wider.everywhere, &format!("providers.{}.", target.provider))?;
                    target.holds = self.holds(&tables, of_provider, &place)?;
                }
                Ok(target)
            });
            let targets = targets.collect::<Result<Vec<_>, _>>()?;
            let (pattern, settings) = (Pattern::new(name.get_ref()), self.json(model.settings)?);
            let policy_headers = model.policy_headers.iter().map(|name| self.policy_header(name));
            let policy_headers = policy_headers.collect::<Result<_, _>>()?;
            let splice = model.continuation == written::Continuation::Splice;
            let names_asked = model.reply_model.map(|name| name == written::ReplyModel::Asked);
            let hold_tool_calls = model.hold_tool_calls.unwrap_or(defaults::HOLD_TOOL_CALLS);
            models.push(Model {
                pattern,
                policy,
                settings,
                policy_headers,
                splice,
                names_asked,
                hold_tool_calls,
                holds,
                targets,
            });
        }
        if models.is_empty() {
            let hint = "for example\n\n    [models.\"*\"]\n    targets = [\"provider/*\"]".to_owned();
            return Err(self.file.at(None, "it names no models, so there is nothing to answer", Some(hint)));
        }
        Ok(models)
    }

    fn policy_header(&self, name: &Spanned<String>) -> Result<String, ConfigError> {
        let lower = name.get_ref().to_ascii_lowercase();
        if HeaderName::try_from(&lower).is_err() {
            return Err(self.error(name.span(), format!("`{}` is not a header's name", name.get_ref()), None));
        }
        if SECRET_HEADERS.contains(&lower.as_str()) {
            return Err(self.error(name.span(), format!("`{lower}` shows a key, and plugins see none"), None));
        }
        Ok(lower)
    }

    fn target(
        &self,
        target: Spanned<written::Target>,
        providers: &BTreeMap<String, Provider>,
    ) -> Result<Target, ConfigError> {
        let span = target.span();
        let (name, weight, max_in_flight) = match target.into_inner() {
            written::Target::Name(name) => (name, 1, None),
            written::Target::Table(table) => (table.target, table.weight.unwrap_or(1), table.max_in_flight),
        };
        let Some((provider, model)) = name.split_once('/').filter(|(_, model)| !model.is_empty()) else {
            let hint = Some("`*` as the model stands for the name that the caller used".to_owned());
            return Err(self.error(span, format!("`{name}` must be like `provider/model`"), hint));
        };
        let known: Vec<&str> = providers.keys().map(String::as_str).collect();
        let provider = self.known(&Spanned::new(span, provider.to_owned()), &known, "provider")?;
        let model = (model != "*").then(|| model.to_owned());
        Ok(Target { provider, model, weight, max_in_flight, holds: holds::DEFAULT })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Faults: F156
    #[test]
    fn a_policy_is_shown_no_header_that_shows_a_key() {
        for name in SECRET_HEADERS.iter().copied().chain(["X-Auth-Token", "Ocp-Apim-Subscription-Key"]) {
            let text = format!(
                "[providers.p]\nadapter = \"openai-chat\"\nbase_url = \"http://127.0.0.1:1\"\n\
                 [models.m]\ntargets = [\"p/m\"]\npolicy_headers = [\"{name}\"]"
            );
            let error = crate::config::parse(&text, Path::new("x.toml"), &|_| None).expect_err(name).to_string();
            assert!(error.contains("shows a key"), "{error}");
        }
    }
}
