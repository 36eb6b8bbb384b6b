//! What is in force: routes, targets, endpoints and the plugin versions behind them. A table never changes; a change is a
//! new table.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, anyhow, bail, ensure};
use hyper::Method;
use pointsman_bundle::BUNDLED;
use tokio::time::Instant;

use super::endpoint::Endpoint;
use super::files::Admitted;
use super::provider::Provider;
use super::rollout::lot;
use crate::config::{self, Config, Holds, Pattern};
use crate::facts::{Book, Facts};
use crate::health::{AdmissionSettings, Health, Healths};
use crate::plugin::bindings::policy::Attribute;
use crate::plugin::{self, Compiler, Counts, Kind, Plugin, Policy, RouteTarget};
use crate::upstream::fetch::Fetcher;

/// See the module.
pub struct Table {
    pub config: Arc<Config>,
    pub slots: BTreeMap<String, Slot>,
    pub endpoints: Vec<Arc<Endpoint>>,
    pub providers: BTreeMap<String, Arc<Provider>>,
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
    pub canary: Option<Trial>,
    /// Decides beside the live one, and is not obeyed.
    pub shadow: Option<Arc<Plugin>>,
    /// What the live one had counted when it became so.
    pub since: Counts,
    /// Digests of versions that were taken back by themselves, and why: none comes again unless an operator insists.
    pub barred: BTreeMap<String, String>,
    /// Digest of what the configuration gave last (of a package, its manifest's): unless it changes, what an operator swapped
    /// in stays.
    pub configured: Option<String>,
}

/// A version that serves a share of the requests.
#[derive(Clone)]
pub struct Trial {
    pub version: Arc<Plugin>,
    /// Of the requests: 1 to 99.
    pub percent: u8,
    /// What it and the live version had counted when the trial began.
    pub since: Counts,
    pub beside: Counts,
}

impl Trial {
    /// Is this request one of its share?
    pub fn has(&self, random: u64) -> bool {
        lot(random, &self.version.name) < self.percent
    }
}

impl Slot {
    /// All versions that it holds.
    pub fn versions(&self) -> impl Iterator<Item = &Arc<Plugin>> {
        let canary = self.canary.as_ref().map(|trial| &trial.version);
        [&self.live].into_iter().chain(&self.staged).chain(&self.previous).chain(canary).chain(&self.shadow)
    }

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

    /// A version that may not come any more. The live one stays.
    pub fn forget(&mut self, version: &Arc<Plugin>) {
        let is_other = |other: &Arc<Plugin>| other.sha256 != version.sha256;
        self.staged = self.staged.take().filter(is_other);
        self.previous = self.previous.take().filter(is_other);
        self.shadow = self.shadow.take().filter(is_other);
        self.canary = self.canary.take().filter(|trial| is_other(&trial.version));
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
    pub policy: Arc<Policy>,
    /// Decides for a share of the requests in its place.
    pub canary: Option<(Arc<Policy>, Trial)>,
    /// Decides beside it, and is not obeyed.
    pub shadow: Option<Arc<Policy>>,
    pub targets: Vec<Target>,
    /// Names of callers' headers that the policy may see, in lower case.
    pub policy_headers: Vec<String>,
    /// Another target may continue a plain text that broke off.
    pub splice: bool,
    /// A reply names the model that was asked for, whoever answered. `None`: it depends on the caller's protocol.
    pub names_asked: Option<bool>,
    /// A tool call is held back from its first fragment to its end.
    pub hold_tool_calls: bool,
    /// For what is decided before a target is.
    pub holds: Holds,
    /// Counts the route's requests, across configurations.
    pub sequence: Arc<AtomicU64>,
    /// How many of its requests run, across configurations.
    pub in_flight: Arc<AtomicUsize>,
}

/// One place where a request can go.
pub struct Target {
    pub provider: Arc<Provider>,
    /// Absent: the name that the caller used.
    pub model: Option<String>,
    /// How many attempts it takes at once.
    pub limits: AdmissionSettings,
    /// For the attempts at it.
    pub holds: Holds,
    /// Of that model.
    facts: Option<Facts>,
    /// Of that model, once it was looked up.
    health: OnceLock<Arc<Health>>,
}

impl Table {
    /// What is as `before` is kept, opened as it is.
    ///
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
            let is_same = |before: &&Table| before.config.providers.get(name) == Some(provider);
            let before = before.filter(is_same).and_then(|before| before.providers.get(name));
            let opened = Provider::open(name, provider, &slots, before.map(AsRef::as_ref)).await;
            providers.insert(name.clone(), Arc::new(opened.with_context(|| format!("providers.{name}"))?));
        }
        let mut routes = Vec::new();
        for model in &config.models {
            let before = before.and_then(|table| table.routes.iter().find(|route| route.pattern == model.pattern));
            let route = Route::open(model, &config, &slots, &providers, before.map(AsRef::as_ref)).await;
            routes.push(Arc::new(route.with_context(|| format!("models.\"{}\"", model.pattern))?));
        }
        let fetcher = config.fetch.clone().map(Fetcher::new).transpose()?;
        Ok(Table { config, slots, endpoints, providers, routes, fetcher })
    }

    /// Tell all versions whether their calls may share instances.
    pub fn isolate(&self) {
        for (name, slot) in &self.slots {
            let fresh = self.config.plugins.get(name).is_some_and(|given| given.fresh);
            slot.versions().for_each(|version| version.isolation.set(fresh));
        }
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

    /// What is remembered of it, for the model that it asks. `caller` is the name of the caller's key, empty where there is none.
    pub fn health(&self, asked: &str, caller: &str, healths: &Healths, now: Instant) -> Arc<Health> {
        let look_up = |caller| healths.of(&self.provider.name, self.model(asked), caller, now);
        match self.model {
            Some(_) => Arc::clone(self.health.get_or_init(|| look_up(None))),
            None => look_up(Some(caller)),
        }
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
        providers: &BTreeMap<String, Arc<Provider>>,
        before: Option<&Route>,
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
            targets.push(Target {
                provider: Arc::clone(provider),
                model: target.model.clone(),
                limits,
                holds: target.holds,
                facts,
                health: OnceLock::new(),
            });
        }
        let open = async |version: &Arc<Plugin>| {
            if let Some(opened) = before.and_then(|before| before.opened(version, &model.settings, &told)) {
                return Ok(opened);
            }
            let policy = Policy::open(Arc::clone(version), model.settings.clone(), told.clone()).await;
            policy.map(Arc::new).with_context(|| format!("the policy {version:?} refuses its settings"))
        };
        let policy = open(plugin).await?;
        let canary = match &slot.canary {
            Some(trial) => Some((open(&trial.version).await?, trial.clone())),
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
            names_asked: model.names_asked,
            hold_tool_calls: model.hold_tool_calls,
            holds: model.holds,
            sequence: before.map_or_else(Arc::default, |before| Arc::clone(&before.sequence)),
            in_flight: before.map_or_else(Arc::default, |before| Arc::clone(&before.in_flight)),
        })
    }

    /// Its policy in this version, if it is open for the same settings and targets.
    fn opened(&self, version: &Arc<Plugin>, settings: &str, targets: &[RouteTarget]) -> Option<Arc<Policy>> {
        let canary = self.canary.as_ref().map(|(policy, _)| policy);
        let mut all = [&self.policy].into_iter().chain(canary).chain(&self.shadow);
        let is_same = |policy: &&Arc<Policy>| {
            Arc::ptr_eq(&policy.plugin, version) && policy.settings() == settings && policy.targets() == targets
        };
        all.find(is_same).map(Arc::clone)
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
            let mut endpoint = Endpoint::new(described, &description.protocol, plugin)?;
            if let Some(trial) = &slot.canary {
                endpoint.on_trial(trial)?;
            }
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

/// The plugins for a configuration: built in, from its files (see `files.rs`), and what operators loaded before.
pub async fn load_slots(
    compiler: &Compiler,
    config: &Config,
    before: &BTreeMap<String, Slot>,
    files: Vec<Admitted>,
) -> anyhow::Result<BTreeMap<String, Slot>> {
    let mut slots = BTreeMap::new();
    for (name, slot) in before {
        let left_the_configuration = slot.configured.is_some() && !config.plugins.contains_key(name);
        if !left_the_configuration {
            slots.insert(name.clone(), slot.clone());
        }
    }
    let missing = BUNDLED.iter().map(|bundled| bundled.name).filter(|name| !slots.contains_key(*name));
    // Compiling takes a core each, so they do not wait for one another.
    let bundled = |name| {
        let compiler = compiler.clone();
        tokio::spawn(async move { plugin::bundled_by(&compiler, name).await })
    };
    let loading: Vec<_> = missing.map(|name| (name, bundled(name))).collect();
    for (name, loading) in loading {
        let plugin = loading.await.context("loading was cut short")?;
        slots.insert(name.to_owned(), Slot::new(plugin.with_context(|| format!("the built-in plugin `{name}`"))?));
    }
    for Admitted { plugin, configured, .. } in files {
        let name = plugin.name.clone();
        match slots.get_mut(&name) {
            // The configuration was read twice at once.
            Some(slot) if slot.configured.as_ref() == Some(&configured) => continue,
            Some(slot) => slot.publish(plugin),
            None => drop(slots.insert(name.clone(), Slot::new(plugin))),
        }
        if let Some(slot) = slots.get_mut(&name) {
            slot.configured = Some(configured);
        }
    }
    Ok(slots)
}
