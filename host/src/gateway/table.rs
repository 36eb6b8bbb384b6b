//! What is in force: routes, targets, endpoints and the plugin versions behind them. A table never changes; a change is a
//! new table.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::{Context as _, anyhow, bail, ensure};
use hyper::Method;
use pointsman_bundle::BUNDLED;

use super::endpoint::Endpoint;
use super::provider::Provider;
use crate::config::{self, Config, Pattern};
use crate::facts::{Book, Facts};
use crate::health::AdmissionSettings;
use crate::plugin::bindings::policy::Attribute;
use crate::plugin::{self, Counts, Kind, Plugin, Policy, RouteTarget};
use crate::store::VersionFile;
use crate::upstream::fetch::Fetcher;

/// See the module.
pub struct Table {
    pub config: Arc<Config>,
    pub slots: BTreeMap<String, Slot>,
    pub endpoints: Vec<Arc<Endpoint>>,
    pub routes: Vec<Arc<Route>>,
    /// Absent: media is not fetched.
    pub fetcher: Option<Fetcher>,
}

/// A name under which versions of a plugin follow each other.
#[derive(Clone)]
pub struct Slot {
    pub live: Arc<Plugin>,
    /// Loaded and checked; `swap` makes it live.
    pub staged: Option<Arc<Plugin>>,
    /// Live before; `rollback` brings it back.
    pub previous: Option<Arc<Plugin>>,
    /// On trial, for so many of a hundred requests.
    pub canary: Option<(Arc<Plugin>, u8)>,
    /// Decides beside the live one, and is not obeyed.
    pub shadow: Option<Arc<Plugin>>,
    /// What the live one had counted when it became so.
    pub since: Counts,
    /// Digests of versions that were taken back by themselves, and why: none comes again unless an operator insists.
    pub barred: BTreeMap<String, String>,
    /// Digest of the file that the configuration gave last: unless it changes, what an operator swapped in stays.
    pub configured: Option<String>,
}

impl Slot {
    pub fn new(live: Arc<Plugin>) -> Self {
        let since = live.tally.counts();
        Slot {
            live,
            staged: None,
            previous: None,
            canary: None,
            shadow: None,
            since,
            barred: BTreeMap::new(),
            configured: None,
        }
    }

    /// Make another version live.
    pub fn publish(&mut self, version: Arc<Plugin>) {
        self.since = version.tally.counts();
        self.previous = Some(std::mem::replace(&mut self.live, version));
    }
}

/// What happens to the requests for some models.
pub struct Route {
    pub pattern: Pattern,
    pub policy: Policy,
    /// Decides for a share of the requests in its place.
    pub canary: Option<Canary>,
    /// Decides beside it, and is not obeyed.
    pub shadow: Option<Policy>,
    pub targets: Vec<Target>,
    /// Names of callers' headers that the policy may see, in lower case.
    pub policy_headers: Vec<String>,
    /// Another target may continue a plain text that broke off.
    pub splice: bool,
    /// Counts the route's requests, across configurations.
    pub sequence: Arc<AtomicU64>,
}

/// A version on trial.
pub struct Canary {
    pub policy: Policy,
    /// Of the requests: 1 to 99.
    pub percent: u8,
}

/// One place where a request can go.
pub struct Target {
    pub provider: Arc<Provider>,
    /// Absent: the name that the caller used.
    pub model: Option<String>,
    /// How many attempts it takes at once.
    pub limits: AdmissionSettings,
    /// Of that model.
    facts: Option<Facts>,
}

impl Table {
    /// # Errors
    /// What does not fit together.
    pub async fn build(
        config: Arc<Config>,
        slots: BTreeMap<String, Slot>,
        before: Option<&Table>,
    ) -> anyhow::Result<Table> {
        let endpoints = endpoints(&slots)?;
        let mut providers = BTreeMap::new();
        for (name, provider) in &config.providers {
            let opened = Provider::open(name, provider, &slots).await;
            providers.insert(name.as_str(), Arc::new(opened.with_context(|| format!("providers.{name}"))?));
        }
        let mut routes = Vec::new();
        for model in &config.models {
            let sequence = before.and_then(|table| table.routes.iter().find(|route| route.pattern == model.pattern));
            let sequence = sequence.map_or_else(Arc::default, |route| Arc::clone(&route.sequence));
            let route = Route::open(model, &config, &slots, &providers, sequence).await;
            routes.push(Arc::new(route.with_context(|| format!("models.\"{}\"", model.pattern))?));
        }
        let fetcher = config.fetch.clone().map(Fetcher::new).transpose()?;
        Ok(Table { config, slots, endpoints, routes, fetcher })
    }

    /// The endpoint at this path.
    pub fn endpoint(&self, method: &Method, path: &str) -> Option<&Arc<Endpoint>> {
        self.endpoints.iter().find(|endpoint| endpoint.path.fits(path) && endpoint.method == method)
    }

    /// The route that fits a model's name best.
    pub fn route(&self, model: &str) -> Option<&Arc<Route>> {
        self.routes
            .iter()
            .filter_map(|route| route.pattern.fits(model).map(|fit| (fit, route)))
            .max_by_key(|(fit, _)| *fit)
            .map(|(_, route)| route)
    }
}

impl Target {
    /// The model's name at the provider.
    pub fn model<'a>(&'a self, asked: &'a str) -> &'a str {
        self.model.as_deref().unwrap_or(asked)
    }

    /// What is known of the model that it asks.
    pub fn facts(&self, asked: &str, book: &Book) -> Facts {
        self.facts.clone().unwrap_or_else(|| book.of(asked))
    }
}

impl Route {
    async fn open(
        model: &config::Model,
        config: &Config,
        slots: &BTreeMap<String, Slot>,
        providers: &BTreeMap<&str, Arc<Provider>>,
        sequence: Arc<AtomicU64>,
    ) -> anyhow::Result<Route> {
        let slot = slots.get(&model.policy).ok_or_else(|| anyhow!("no plugin `{}`", model.policy))?;
        let plugin = &slot.live;
        ensure!(plugin.kind == Kind::Policy, "the plugin `{}` is a {}, not a policy", plugin.name, plugin.kind);
        let mut targets = Vec::new();
        let mut told = Vec::new();
        for target in &model.targets {
            let provider = providers.get(target.provider.as_str());
            let provider = provider.ok_or_else(|| anyhow!("no provider `{}`", target.provider))?;
            let facts = target.model.as_ref().map(|model| config.facts.of(model));
            let context = facts.as_ref().and_then(|facts| facts.context_tokens);
            let context =
                context.map(|tokens| Attribute { name: "context-tokens".to_owned(), value: tokens.to_string() });
            let name = target.model.clone().unwrap_or_else(|| "*".to_owned());
            told.push(RouteTarget {
                id: format!("{}/{name}", target.provider),
                provider: target.provider.clone(),
                model: name,
                weight: target.weight,
                attributes: context.into_iter().collect(),
            });
            let max_in_flight = target.max_in_flight.or(config.limits.max_in_flight);
            let limits = AdmissionSettings { max_in_flight, ..config.limits };
            targets.push(Target { provider: Arc::clone(provider), model: target.model.clone(), limits, facts });
        }
        let open = async |version: &Arc<Plugin>| {
            let policy = Policy::open(Arc::clone(version), model.settings.clone(), told.clone()).await;
            policy.with_context(|| format!("the policy {version:?} refuses its settings"))
        };
        let policy = open(plugin).await?;
        let canary = match &slot.canary {
            Some((version, percent)) => Some(Canary { policy: open(version).await?, percent: *percent }),
            None => None,
        };
        let shadow = match &slot.shadow {
            Some(version) => Some(open(version).await?),
            None => None,
        };
        Ok(Route {
            pattern: model.pattern.clone(),
            policy,
            canary,
            shadow,
            targets,
            policy_headers: model.policy_headers.clone(),
            splice: model.splice,
            sequence,
        })
    }
}

fn endpoints(slots: &BTreeMap<String, Slot>) -> anyhow::Result<Vec<Arc<Endpoint>>> {
    let mut endpoints: Vec<Arc<Endpoint>> = Vec::new();
    for slot in slots.values() {
        let plugin = &slot.live;
        let Some(description) = plugin.codec.as_ref().and_then(|codec| codec.client_description.as_ref()) else {
            continue;
        };
        for described in &description.endpoints {
            let endpoint = Endpoint::new(described, &description.protocol, plugin)?;
            let taken = endpoints.iter().find(|other| other.path == endpoint.path && other.method == endpoint.method);
            if let Some(taken) = taken {
                let (method, path, by) = (&taken.method, &taken.path, &taken.plugin.name);
                bail!(
                    "`{}` and `{by}` both answer {method} {path}: load it as `{by}`, then it takes its place",
                    plugin.name
                );
            }
            endpoints.push(Arc::new(endpoint));
        }
    }
    Ok(endpoints)
}

/// The plugins for a configuration: built in, from its files, and what operators loaded before. With the files that were read.
pub async fn load_slots(
    config: &Config,
    before: &BTreeMap<String, Slot>,
) -> anyhow::Result<(BTreeMap<String, Slot>, Vec<VersionFile>)> {
    let (mut slots, mut files) = (BTreeMap::new(), Vec::new());
    for (name, slot) in before {
        let left_the_configuration = slot.configured.is_some() && !config.plugins.contains_key(name);
        if !left_the_configuration {
            slots.insert(name.clone(), slot.clone());
        }
    }
    let missing = BUNDLED.iter().map(|bundled| bundled.name).filter(|name| !slots.contains_key(*name));
    // Compiling takes a core each, so they do not wait for one another.
    let loading: Vec<_> = missing.map(|name| (name, tokio::spawn(plugin::bundled(name)))).collect();
    for (name, loading) in loading {
        let plugin = loading.await.context("loading was cut short")?;
        slots.insert(name.to_owned(), Slot::new(plugin.with_context(|| format!("the built-in plugin `{name}`"))?));
    }
    for (name, given) in &config.plugins {
        let (plugin, file) = match read(name, given, slots.get(name)).await? {
            Some(read) => read,
            None => continue,
        };
        match slots.get_mut(name) {
            Some(slot) => slot.publish(plugin),
            None => drop(slots.insert(name.clone(), Slot::new(plugin))),
        }
        if let Some(slot) = slots.get_mut(name) {
            slot.configured = Some(file.sha256.clone());
        }
        files.push(file);
    }
    Ok((slots, files))
}

/// A plugin file, unless it is the one that the configuration gave last.
async fn read(
    name: &str,
    given: &config::PluginFile,
    slot: Option<&Slot>,
) -> anyhow::Result<Option<(Arc<Plugin>, VersionFile)>> {
    use sha2::{Digest as _, Sha256};
    let path = given.file.display();
    let bytes = tokio::fs::read(&given.file).await.with_context(|| format!("plugins.{name}: reading {path}"))?;
    let sha256 = plugin::hex(&Sha256::digest(&bytes));
    if let Some(expected) = &given.sha256 {
        ensure!(
            *expected == sha256,
            "plugins.{name}: {path} has digest {sha256}, but the configuration says {expected}"
        );
    }
    if slot.is_some_and(|slot| slot.configured.as_ref() == Some(&sha256)) {
        return Ok(None);
    }
    let plugin = Plugin::load(name, &bytes).await.with_context(|| format!("plugins.{name}: {path}"))?;
    Ok(Some((plugin, VersionFile { sha256, bytes: bytes.into() })))
}
