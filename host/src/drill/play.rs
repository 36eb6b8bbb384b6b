//! One run: the gateway as it is, in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, sleep_until};

use super::caller::{self, Entry};
use super::ledger::Ledger;
use super::network::{Network, Way};
use super::outcome::Outcome;
use super::provider::Provider;
use super::scene::{Place, Scene};
use super::stand_in;
use crate::clock::Clock;
use crate::config::Config;
use crate::fake::{Director, Fake};
use crate::gateway::{self, Gateway};
use crate::net;
use crate::plugin::{About, Compiler};
use crate::server::Port;
use crate::store::Store;

/// What the gateway's clock shows at the beginning: any time would do, but the same in every run.
const BEGINNING_UNIX: Duration = Duration::from_secs(1_780_394_400);
/// Looks at the breakers within a bin.
const LOOKS: u32 = 6;

/// Where a drill takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// In memory and in virtual time.
    Simulated,
    /// Over real sockets, callers' and providers', and in real time: slow, and never twice the same. It shows that what is
    /// simulated is right.
    Real,
}

/// What came of a run.
pub struct Played {
    /// One for each arrival, in their order.
    pub outcomes: Vec<Outcome>,
    /// By provider.
    pub ledgers: BTreeMap<String, Ledger>,
    /// By target, for each bin: the share of the time in which its breaker was not closed. Absent before it was asked.
    pub breakers: BTreeMap<String, Vec<f64>>,
    /// By route: the policy, as `name@digest`.
    pub policies: BTreeMap<String, String>,
    pub places: Vec<Place>,
    /// For each piece of the mix: `provider/model` of the route's first target.
    pub firsts: Vec<String>,
    /// Decisions that policies failed to make.
    pub policy_faults: u64,
}

/// The configuration without secrets, and the places of its providers in the simulated network. Plugins are compiled
/// afterwards, so that the runs do not each do it.
///
/// # Errors
/// What of the configuration does not fit.
pub fn prepare(scene: &Scene, compiler: &Compiler, config: &Config) -> anyhow::Result<(Config, Vec<Place>)> {
    let config = stand_in::without_secrets(config);
    let nowhere = net::Network::Simulated(Arc::new(Network::default()));
    runtime(Line::Simulated)?.block_on(async {
        // Only to see where its adapters would find their providers.
        let clock = Clock::seeded(BEGINNING_UNIX, scene.seed);
        let gateway = Gateway::begin(compiler.clone(), &nowhere, config.clone(), clock, Store::default()).await?;
        stand_in::placed(&config, &gateway.table(), scene)
    })
}

/// What the policy of the first route says of itself.
///
/// # Errors
/// What of the policy does not fit.
pub fn about(scene: &Scene, compiler: &Compiler, config: Config) -> anyhow::Result<Option<About>> {
    let nowhere = net::Network::Simulated(Arc::new(Network::default()));
    runtime(Line::Simulated)?.block_on(async {
        let clock = Clock::seeded(BEGINNING_UNIX, scene.seed);
        let gateway = Gateway::begin(compiler.clone(), &nowhere, config, clock, Store::default()).await?;
        let table = gateway.table();
        Ok(table.routes.first().and_then(|route| route.policy.plugin.about().cloned()))
    })
}

/// `config` and `places` are from [`prepare`].
///
/// # Errors
/// What of the policies does not fit.
pub fn play(
    line: Line,
    scene: &Arc<Scene>,
    compiler: &Compiler,
    config: Config,
    places: &[Place],
    progress: &(dyn Fn(f64) + Sync),
) -> anyhow::Result<Played> {
    runtime(line)?.block_on(run(line, scene, compiler, config, places, progress))
}

/// A simulation's clock stands still while anything can run.
fn runtime(line: Line) -> anyhow::Result<tokio::runtime::Runtime> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = match line {
        Line::Simulated => runtime.enable_time().start_paused(true),
        Line::Real => runtime.enable_all(),
    };
    runtime.build().context("starting the simulation's runtime")
}

async fn run(
    line: Line,
    scene: &Arc<Scene>,
    compiler: &Compiler,
    config: Config,
    places: &[Place],
    progress: &(dyn Fn(f64) + Sync),
) -> anyhow::Result<Played> {
    // Whatever is spawned here has begun by the beginning.
    let began = Instant::now() + Duration::from_secs(1);
    let (mut network, mut fakes, mut providers) = (Network::default(), Vec::new(), Vec::new());
    for place in places {
        let provider = Arc::new(Provider::new(place.clone(), scene, began));
        let director = Arc::clone(&provider) as Arc<dyn Director>;
        let (fake, way) = match line {
            Line::Simulated => {
                let (fake, door) = Fake::directed(place.protocol, director);
                (fake, Way::Door(door))
            }
            Line::Real => {
                let fake = Fake::start_directed(place.protocol, director).await?;
                let way = Way::Tcp(fake.address());
                (fake, way)
            }
        };
        network.add(&provider, way);
        providers.push(provider);
        fakes.push(fake);
    }
    let network = net::Network::Simulated(Arc::new(network));
    let clock = Clock::seeded(BEGINNING_UNIX, scene.seed);
    let gateway = Gateway::begin(compiler.clone(), &network, config, clock, Store::default()).await?;
    let mut helpers = JoinSet::new();
    helpers.spawn(gateway::probe(Arc::clone(&gateway)));
    helpers.spawn(gateway::look_after(Arc::clone(&gateway)));
    let entry = Arc::new(match line {
        Line::Simulated => Entry::Line,
        Line::Real => {
            let port = Port::bind(([127, 0, 0, 1], 0).into(), None).await?;
            let address = port.address()?;
            helpers.spawn(port.serve(Arc::clone(&gateway), std::future::pending(), Duration::ZERO));
            Entry::Port(address)
        }
    });
    sleep_until(began).await;
    let mut breakers = Breakers::default();
    let outcomes = call_all(scene, &gateway, &entry, began, &mut breakers, progress).await?;
    let table = gateway.table();
    let policy = |route: &Arc<gateway::Route>| {
        let plugin = &route.policy.plugin;
        (route.pattern.to_string(), format!("{}@{}", plugin.name, plugin.digest12()))
    };
    let plugins = table.routes.iter().map(|route| &route.policy.plugin);
    let faults: BTreeMap<_, _> = plugins.map(|plugin| (&plugin.sha256, plugin.tally.counts().faults)).collect();
    let first = |model: &str| {
        let target = table.route(model).and_then(|route| route.targets.first());
        target.map_or_else(String::new, |target| format!("{}/{}", target.provider.name, target.model(model)))
    };
    let played = Played {
        outcomes,
        ledgers: providers.iter().map(|provider| (provider.place.name.clone(), provider.ledger())).collect(),
        breakers: breakers.shares(scene),
        policies: table.routes.iter().map(policy).collect(),
        places: places.to_vec(),
        firsts: scene.mix.iter().map(|mix| first(&mix.model)).collect(),
        policy_faults: faults.values().sum(),
    };
    helpers.shutdown().await;
    Ok(played)
}

async fn call_all(
    scene: &Scene,
    gateway: &Arc<Gateway>,
    entry: &Arc<Entry>,
    began: Instant,
    breakers: &mut Breakers,
    progress: &(dyn Fn(f64) + Sync),
) -> anyhow::Result<Vec<Outcome>> {
    let (mut callers, mut outcomes) = (JoinSet::new(), Vec::with_capacity(scene.arrivals.len()));
    let mut looks = interval(scene.bin / LOOKS);
    let mut arrivals = scene.arrivals.iter().peekable();
    let lasts = scene.incident.lasts;
    loop {
        let next = arrivals.peek().map(|arrival| began + arrival.at);
        tokio::select! {
            biased;
            _ = looks.tick() => {
                let at = began.elapsed();
                if at < lasts {
                    breakers.look(gateway, scene.bin(at));
                }
                progress((at.as_secs_f64() / lasts.as_secs_f64()).min(1.0));
            }
            Some(outcome) = callers.join_next(), if !callers.is_empty() => {
                outcomes.push(outcome.context("a simulated caller broke down")?);
            }
            () = sleep_until(next.unwrap_or(began)), if next.is_some() => {
                if let Some(arrival) = arrivals.next() {
                    let mix = scene.mix[arrival.mix].clone();
                    callers.spawn(caller::call(Arc::clone(gateway), Arc::clone(entry), arrival.clone(), mix, scene.explain.clone()));
                }
            }
        }
        if arrivals.peek().is_none() && callers.is_empty() {
            break;
        }
    }
    // What runs after a request's end, such as an attempt that was cancelled, has come to its own.
    sleep(Duration::from_secs(1)).await;
    outcomes.sort_by_key(|outcome| outcome.number);
    Ok(outcomes)
}

/// Looks, and those at which it was not closed, by target and bin.
#[derive(Default)]
struct Breakers(BTreeMap<String, BTreeMap<usize, (u32, u32)>>);

impl Breakers {
    fn look(&mut self, gateway: &Gateway, bin: usize) {
        for target in gateway.targets() {
            let (looks, out) = self.0.entry(target.id).or_default().entry(bin).or_default();
            *looks += 1;
            *out += u32::from(target.circuit != "closed");
        }
    }

    fn shares(self, scene: &Scene) -> BTreeMap<String, Vec<f64>> {
        let share = |bins: &BTreeMap<usize, (u32, u32)>, bin: usize| {
            bins.get(&bin).map_or(0.0, |(looks, out)| f64::from(*out) / f64::from((*looks).max(1)))
        };
        let shares = |bins| (0..scene.bins()).map(|bin| share(&bins, bin)).collect();
        self.0.into_iter().map(|(target, bins)| (target, shares(bins))).collect()
    }
}
