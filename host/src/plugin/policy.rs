//! A routing policy, opened for one route.

use std::sync::Arc;

use anyhow::anyhow;
use wasmtime::component::ResourceAny;

use super::bindings::policy as wit;
use super::engine::{self, Guest};
use super::fault::PluginFault;
use super::instance::{Instance, Pool};
use super::load::{Code, Plugin};
use super::previous::{self, Export, PolicyGuest, PolicyIndices, either};
use super::tally::Tally;
use super::text::{kept, kept_error};

/// What a policy is told of a target when it is opened.
pub use super::bindings::policy::Target as RouteTarget;

/// One version of a policy, opened with one route's settings and targets.
pub struct Policy {
    pub plugin: Arc<Plugin>,
    settings: String,
    targets: Vec<RouteTarget>,
    pool: Pool<Opened>,
}

struct Opened {
    guest: PolicyGuest,
    router: ResourceAny,
}

impl Policy {
    /// # Errors
    /// What the policy says about its settings, or how it failed.
    pub async fn open(plugin: Arc<Plugin>, settings: String, targets: Vec<RouteTarget>) -> anyhow::Result<Policy> {
        let pool = Pool::new(&plugin.tally, &plugin.isolation);
        let policy = Policy { plugin, settings, targets, pool };
        let instance = policy.instantiate().await?;
        policy.pool.give(instance);
        Ok(policy)
    }

    async fn instantiate(&self) -> anyhow::Result<Instance<Opened>> {
        let mut store = engine::store(engine::POLICY, &self.plugin.tally)?;
        engine::arm_to_open(&mut store);
        let guest = instantiate(&self.plugin.code, &mut store).await?;
        let opened = either!(&guest, guest => {
            guest.router().call_open(&mut store, &self.settings, &self.targets).await
        });
        match opened {
            Ok(Ok(router)) => Ok(Instance::new(store, Opened { guest, router })),
            Ok(Err(text)) => Err(anyhow!(kept_error(text))),
            Err(error) => Err(anyhow::Error::new(PluginFault::of(&error, &store)).context("opening it failed")),
        }
    }

    /// What it was opened with.
    pub fn settings(&self) -> &str {
        &self.settings
    }

    /// What it was opened with.
    pub fn targets(&self) -> &[RouteTarget] {
        &self.targets
    }

    /// Which target, when. Now and then it is asked again in a fresh instance, which must not make a difference.
    ///
    /// # Errors
    /// When the plugin misbehaves; the fault is counted already.
    pub async fn decide(&self, situation: &wit::Situation) -> Result<wit::Decision, PluginFault> {
        let tally = &self.plugin.tally;
        let decision = tally.note(self.decide_once(situation).await.map(bounded))?;
        if tally.is_repeated() {
            let again = self.decide_afresh(situation).await.map(bounded);
            tally.note_again(again.map(|again| again == decision), false);
        }
        Ok(decision)
    }

    async fn decide_once(&self, situation: &wit::Situation) -> Result<wit::Decision, PluginFault> {
        match self.pool.take(0) {
            Some(instance) => self.decide_in(instance, situation).await,
            None => self.decide_afresh(situation).await,
        }
    }

    async fn decide_afresh(&self, situation: &wit::Situation) -> Result<wit::Decision, PluginFault> {
        let instance = self.instantiate().await.map_err(|error| PluginFault::Trap(format!("{error:#}")))?;
        self.decide_in(self.pool.ready(instance, 0), situation).await
    }

    async fn decide_in(
        &self,
        mut instance: Instance<Opened>,
        situation: &wit::Situation,
    ) -> Result<wit::Decision, PluginFault> {
        let Instance { store, exports: Opened { guest, router }, .. } = &mut instance;
        let result = match guest {
            Export::Current(guest) => guest.router().call_decide(store, *router, situation).await,
            Export::Previous(guest) => {
                guest.router().call_decide(store, *router, &previous::situation(situation)).await
            }
        };
        self.pool.finish(instance, result)
    }
}

/// Its reason is kept, in the log and in the journal: cut, and on one line.
fn bounded(mut decision: wit::Decision) -> wit::Decision {
    decision.reason = kept(decision.reason);
    decision
}

/// Instantiate once and throw the instance away: records that do not fit the contract show only then.
pub(super) async fn probe(code: &Code, tally: &Tally) -> anyhow::Result<()> {
    let mut store = engine::store(engine::POLICY, tally)?;
    engine::arm_to_open(&mut store);
    instantiate(code, &mut store).await.map(drop)
}

async fn instantiate(code: &Code, store: &mut wasmtime::Store<Guest>) -> anyhow::Result<PolicyGuest> {
    let misfit = |error: wasmtime::Error| code.misfit(&error);
    let indices = PolicyIndices::find(code.contract, &code.pre).map_err(misfit)?;
    let instance = match code.pre.instantiate_async(&mut *store).await {
        Ok(instance) => instance,
        Err(error) if store.data().exceeded.is_some() => {
            return Err(anyhow!("starting it failed: {}", PluginFault::of(&error, store)));
        }
        Err(error) => return Err(misfit(error)),
    };
    indices.load(store, &instance).map_err(misfit)
}
