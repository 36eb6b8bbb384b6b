//! What is in force: routes, targets, endpoints and the plugin versions behind them. A table never changes; a change is a
//! new table.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::{Context as _, anyhow, bail, ensure};
use hyper::Method;
use pointsman_bundle::BUNDLED;

use crate::config::{self, Config, Pattern, Secret};
use crate::plugin::bindings::client_protocol::Endpoint as Described;
use crate::plugin::bindings::policy::Attribute;
use crate::plugin::bindings::provider;
use crate::plugin::{self, Codec, Kind, Plugin, Policy, RouteTarget};

/// See the module.
pub struct Table {
    pub config: Arc<Config>,
    pub slots: BTreeMap<String, Slot>,
    pub endpoints: Vec<Arc<Endpoint>>,
    pub routes: Vec<Arc<Route>>,
}

/// A name under which versions of a plugin follow each other.
#[derive(Clone)]
pub struct Slot {
    pub live: Arc<Plugin>,
    /// Loaded and checked; `swap` makes it live.
    pub staged: Option<Arc<Plugin>>,
    /// Live before; `rollback` brings it back.
    pub previous: Option<Arc<Plugin>>,
    /// Digest of the file that the configuration gave last: unless it changes, what an operator swapped in stays.
    pub configured: Option<String>,
}

impl Slot {
    pub fn new(live: Arc<Plugin>) -> Self {
        Slot { live, staged: None, previous: None, configured: None }
    }

    /// Make another version live.
    pub fn publish(&mut self, version: Arc<Plugin>) {
        self.previous = Some(std::mem::replace(&mut self.live, version));
    }
}

/// Where callers of one protocol ask for one operation.
pub struct Endpoint {
    pub method: Method,
    pub path: String,
    pub operation: String,
    pub model_field: String,
    pub stream_field: String,
    pub protocol: String,
    /// Has a client side.
    pub plugin: Arc<Plugin>,
}

/// What happens to the requests for some models.
pub struct Route {
    pub pattern: Pattern,
    pub policy: Policy,
    pub targets: Vec<Target>,
    /// Counts the route's requests, across configurations.
    pub sequence: Arc<AtomicU64>,
}

/// One place where a request can go.
pub struct Target {
    pub provider: Arc<Provider>,
    /// Absent: the name that the caller used.
    pub model: Option<String>,
}

/// A provider as configured.
pub struct Provider {
    pub name: String,
    pub base_url: String,
    pub key: Option<Secret>,
    /// JSON.
    pub settings: String,
    /// Has a provider side.
    pub plugin: Arc<Plugin>,
    pub description: provider::Description,
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
            let plugin = &slots.get(&provider.adapter).ok_or_else(|| anyhow!("no plugin `{}`", provider.adapter))?.live;
            providers.insert(name.as_str(), Arc::new(Provider::new(name, provider, plugin)?));
        }
        let mut routes = Vec::new();
        for model in &config.models {
            let sequence = before.and_then(|table| table.routes.iter().find(|route| route.pattern == model.pattern));
            let sequence = sequence.map_or_else(Arc::default, |route| Arc::clone(&route.sequence));
            let route = Route::open(model, &slots, &providers, sequence).await;
            routes.push(Arc::new(route.with_context(|| format!("models.\"{}\"", model.pattern))?));
        }
        Ok(Table { config, slots, endpoints, routes })
    }

    /// The endpoint at this path.
    pub fn endpoint(&self, method: &Method, path: &str) -> Option<&Arc<Endpoint>> {
        self.endpoints.iter().find(|endpoint| endpoint.path == path && endpoint.method == method)
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

impl Endpoint {
    pub fn codec(&self) -> Option<&Codec> {
        self.plugin.codec.as_ref()
    }
}

impl Provider {
    fn new(name: &str, config: &config::Provider, plugin: &Arc<Plugin>) -> anyhow::Result<Provider> {
        let description = plugin.codec.as_ref().and_then(|codec| codec.provider_description.clone());
        let description = description.ok_or_else(|| {
            anyhow!("providers.{name}: the plugin `{}` is a {}, not a provider adapter", plugin.name, plugin.kind)
        })?;
        let default = || description.default_base_url.as_deref().map(|url| url.trim_end_matches('/').to_owned());
        let base_url = config.base_url.clone().or_else(default);
        let base_url =
            base_url.ok_or_else(|| anyhow!("providers.{name}: its adapter has no default: give a `base_url`"))?;
        ensure!(
            config.key.is_some() || config.base_url.is_some() || description.auth == provider::Auth::None,
            "providers.{name}: it needs a `key`, such as key = \"${{ENV_VARIABLE}}\""
        );
        Ok(Provider {
            name: name.to_owned(),
            base_url,
            key: config.key.clone(),
            settings: config.settings.clone(),
            plugin: Arc::clone(plugin),
            description,
        })
    }

    pub fn codec(&self) -> Option<&Codec> {
        self.plugin.codec.as_ref()
    }
}

impl Target {
    /// The model's name at the provider.
    pub fn model<'a>(&'a self, asked: &'a str) -> &'a str {
        self.model.as_deref().unwrap_or(asked)
    }
}

impl Route {
    async fn open(
        config: &config::Model,
        slots: &BTreeMap<String, Slot>,
        providers: &BTreeMap<&str, Arc<Provider>>,
        sequence: Arc<AtomicU64>,
    ) -> anyhow::Result<Route> {
        let plugin = &slots.get(&config.policy).ok_or_else(|| anyhow!("no plugin `{}`", config.policy))?.live;
        ensure!(plugin.kind == Kind::Policy, "the plugin `{}` is a {}, not a policy", plugin.name, plugin.kind);
        let mut targets = Vec::new();
        let mut told = Vec::new();
        for target in &config.targets {
            let provider = providers.get(target.provider.as_str());
            let provider = provider.ok_or_else(|| anyhow!("no provider `{}`", target.provider))?;
            let model = target.model.clone().unwrap_or_else(|| "*".to_owned());
            told.push(RouteTarget {
                id: format!("{}/{model}", target.provider),
                provider: target.provider.clone(),
                model,
                weight: target.weight,
                attributes: Vec::<Attribute>::new(),
            });
            targets.push(Target { provider: Arc::clone(provider), model: target.model.clone() });
        }
        let policy = Policy::open(Arc::clone(plugin), config.settings.clone(), told).await;
        let policy = policy.with_context(|| format!("the policy `{}` refuses its settings", plugin.name))?;
        Ok(Route { pattern: config.pattern.clone(), policy, targets, sequence })
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

impl Endpoint {
    fn new(described: &Described, protocol: &str, plugin: &Arc<Plugin>) -> anyhow::Result<Endpoint> {
        let method = Method::from_bytes(described.method.as_bytes());
        let method = method.with_context(|| format!("the plugin `{}`: method `{}`", plugin.name, described.method))?;
        ensure!(described.path.starts_with('/'), "the plugin `{}`: the path `{}`", plugin.name, described.path);
        Ok(Endpoint {
            method,
            path: described.path.clone(),
            operation: described.operation.clone(),
            model_field: described.model_field.clone(),
            stream_field: described.stream_field.clone(),
            protocol: protocol.to_owned(),
            plugin: Arc::clone(plugin),
        })
    }
}

/// The plugins for a configuration: built in, from its files, and what operators loaded before.
pub async fn load_slots(config: &Config, before: &BTreeMap<String, Slot>) -> anyhow::Result<BTreeMap<String, Slot>> {
    let mut slots = BTreeMap::new();
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
        let (plugin, sha256) = match read(name, given, slots.get(name)).await? {
            Some(read) => read,
            None => continue,
        };
        match slots.get_mut(name) {
            Some(slot) => slot.publish(plugin),
            None => drop(slots.insert(name.clone(), Slot::new(plugin))),
        }
        if let Some(slot) = slots.get_mut(name) {
            slot.configured = Some(sha256);
        }
    }
    Ok(slots)
}

/// A plugin file, unless it is the one that the configuration gave last.
async fn read(
    name: &str,
    given: &config::PluginFile,
    slot: Option<&Slot>,
) -> anyhow::Result<Option<(Arc<Plugin>, String)>> {
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
    Ok(Some((plugin, sha256)))
}
