//! Changing what is in force: a new table is prepared whole, then one pointer is set. What cannot be prepared changes
//! nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{anyhow, bail, ensure};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::act::{Act, configured};
use super::files::{Admitted, Moment, admit_files};
use super::restore::{Past, earlier_version, keep_trusted, saved};
use super::rollout::{Verdict, judge};
use super::table::{Slot, Table, Trial, load_slots};
use super::{Gateway, gate};
use crate::config::Config;
use crate::health::{Form, Health};
use crate::plugin::bindings::policy::Circuit;
use crate::plugin::{Counts, Kind, Plugin};
use crate::store::{Kept, Notes, VersionFile, What, Who};

/// One slot, for operators.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SlotView {
    pub name: String,
    pub kind: String,
    pub live: VersionView,
    pub staged: Option<VersionView>,
    pub previous: Option<VersionView>,
    pub canary: Option<VersionView>,
    /// Of a hundred requests that the canary serves.
    pub canary_percent: Option<u8>,
    pub shadow: Option<VersionView>,
    /// Versions that were taken back by themselves: digest and reason.
    pub barred: BTreeMap<String, String>,
}

/// One version in a slot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VersionView {
    pub sha256: String,
    pub bytes: usize,
    pub calls: u64,
    pub faults: u64,
    /// In the shadow: answers like those that were obeyed, and others.
    pub alike: u64,
    pub differing: u64,
    /// Requests that ended well, and that did not by no fault of their callers. Of an adapter: its callers' requests, and
    /// attempts at its providers.
    pub good: u64,
    pub bad: u64,
    /// Calls that were made again in a fresh instance, and those of them that it answered otherwise.
    pub repeated: u64,
    pub impure: u64,
    /// Instances in memory: those in which a call runs, and those that wait for one.
    pub instances_running: u64,
    pub instances_idle: u64,
}

/// One target that was asked since the gateway began, for operators.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TargetView {
    /// `provider/model`
    pub id: String,
    /// `closed`, `half-open` or `open`.
    pub circuit: String,
    pub ready_in_ms: u64,
    pub retry_after_ms: u64,
    /// Attempts of the last minutes.
    pub samples: u32,
    pub success_rate: f64,
    pub first_token_ms: Option<f64>,
    pub in_flight: u32,
    pub room: Option<u32>,
    pub headroom: Option<f64>,
    /// Ids of the faults that operators injected.
    #[serde(default)]
    pub faults: Vec<String>,
}

impl Gateway {
    /// What is known of the targets that were asked, by name.
    pub fn targets(&self) -> Vec<TargetView> {
        let (table, now) = (self.table(), Instant::now());
        let view = |(provider, model, health): (String, String, Arc<Health>)| {
            let targets = table.routes.iter().flat_map(|route| &route.targets);
            let target = targets
                .filter(|target| target.provider.name == provider)
                .max_by_key(|target| target.model(&model) == model)?;
            let keys = target.provider.first().map_or(&[][..], |adapter| &adapter.keys);
            let state = health.view(keys, target.limits, Form::new(true, 0), now);
            let circuit = match state.circuit {
                Circuit::Closed => "closed",
                Circuit::HalfOpen => "half-open",
                Circuit::Open => "open",
            };
            Some(TargetView {
                id: format!("{provider}/{model}"),
                circuit: circuit.to_owned(),
                ready_in_ms: state.ready_in_ms,
                retry_after_ms: state.retry_after_ms,
                samples: state.samples,
                success_rate: state.success_rate,
                first_token_ms: state.first_token_ms,
                in_flight: state.in_flight,
                room: state.room,
                headroom: state.headroom,
                faults: self.game_day.at(&provider, &model, now).iter().map(|one| one.id.clone()).collect(),
            })
        };
        self.healths.all().into_iter().filter_map(view).collect()
    }

    /// Put a configuration into force.
    ///
    /// # Errors
    /// What is wrong; the old one stays.
    pub async fn apply(&self, config: Config) -> anyhow::Result<()> {
        // Before anything waits for it: what a file costs to compile must not keep a bad version from being taken back.
        let (admitted, mut trusted) = admit_files(&self.compiler, &config, &self.table().slots, Moment::Reload).await?;
        let _changing = self.changing.lock().await;
        let before = self.table();
        let files: Vec<_> = admitted.iter().map(Admitted::file).collect();
        let mut slots = load_slots(&self.compiler, &config, &before.slots, admitted).await?;
        if config.gate.public_keys != before.config.gate.public_keys {
            trusted.extend(files.iter().map(|file| file.sha256.clone()));
            keep_trusted(&self.store, &config.gate, &mut slots, &trusted).await?;
        }
        let table = self.put(Table::build(Arc::new(config), slots, Some(&before)).await?);
        self.clients.keep(table.config.providers.values().map(|provider| &provider.way));
        if !table.config.game_day {
            self.remove_injections("the configuration allows none any more");
        }
        let changes = configured(&self.clock, &before.slots, &table.slots);
        if !changes.is_empty() {
            drop(self.store.note(Notes { changes, slots: saved(&table.slots), files }));
        }
        Ok(())
    }

    /// All slots, by name.
    pub fn slots(&self) -> Vec<SlotView> {
        self.table().slots.iter().map(|(name, slot)| view(name, slot)).collect()
    }

    /// Let a file without a signature through the gate, and stage it: see [`Gateway::load_signed`].
    ///
    /// # Errors
    /// As there.
    pub async fn load(&self, name: &str, bytes: &[u8]) -> anyhow::Result<SlotView> {
        self.load_signed(name, bytes, None).await
    }

    /// Let a file through the gate, and stage it. A name that is new becomes a slot at once, which nothing uses yet.
    ///
    /// # Errors
    /// Why it may not serve; nothing changes.
    pub async fn load_signed(&self, name: &str, bytes: &[u8], signature: Option<&str>) -> anyhow::Result<SlotView> {
        let well = !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        ensure!(well, "`{name}` cannot be a plugin's name: up to 64 letters, digits, `-`, `_` and `.`");
        let plugin = gate::admit(&self.compiler, &self.table().config.gate, name, bytes, signature).await?;
        let file = self.store.folder().map(|_| VersionFile {
            sha256: plugin.sha256.clone(),
            bytes: Bytes::copy_from_slice(bytes),
            signature: signature.map(str::to_owned),
        });
        self.change(name, |slots| {
            match slots.get_mut(name) {
                Some(slot) => {
                    ensure!(
                        slot.live.kind == plugin.kind,
                        "`{name}` is a {}, but the file is a {}: load it under another name",
                        slot.live.kind,
                        plugin.kind
                    );
                    slot.staged = Some(plugin);
                }
                None => drop(slots.insert(name.to_owned(), Slot::new(plugin))),
            }
            Ok(Act { file, ..Act::of(What::Loaded, Who::Operator) })
        })
        .await
    }

    /// Make the staged version live, or the one on trial. Calls in flight finish on the one they began with. `insist`: even
    /// if it was taken back before.
    ///
    /// # Errors
    /// When there is none, or it refuses a route's settings; nothing changes.
    pub async fn swap(&self, name: &str, insist: bool) -> anyhow::Result<SlotView> {
        self.change(name, |slots| {
            let slot = slots.get_mut(name).ok_or_else(|| anyhow!("there is no plugin `{name}`"))?;
            let waiting = slot.staged.take().or_else(|| slot.canary.take().map(|trial| trial.version));
            let waiting = waiting.or_else(|| slot.shadow.take());
            let version = waiting.ok_or_else(|| anyhow!("`{name}` has no staged version: load one first"))?;
            may_come(slot, &version, insist)?;
            slot.canary = None;
            slot.publish(version);
            Ok(Act::of(What::Swapped, Who::Operator))
        })
        .await
    }

    /// Put the staged version on trial: it serves so many of a hundred requests.
    ///
    /// # Errors
    /// When there is none, or it refuses the settings of a route or a provider; nothing changes.
    pub async fn canary(&self, name: &str, percent: u8, insist: bool) -> anyhow::Result<SlotView> {
        ensure!((1..=99).contains(&percent), "{percent} % is no share for a trial: 1 to 99, and `swap` for all");
        self.change(name, |slots| {
            let slot = slots.get_mut(name).ok_or_else(|| anyhow!("there is no plugin `{name}`"))?;
            let running = slot.canary.take().map(|trial| trial.version);
            let version = slot.staged.take().or(running).or_else(|| slot.shadow.take());
            let version = version.ok_or_else(|| anyhow!("`{name}` has no staged version: load one first"))?;
            may_come(slot, &version, insist)?;
            let (since, beside) = (version.tally.counts(), slot.live.tally.counts());
            slot.canary = Some(Trial { version, percent, since, beside });
            let why = format!("for {percent} % of the requests");
            Ok(Act { why, ..Act::of(What::Canary, Who::Operator) })
        })
        .await
    }

    /// Put the staged version into the shadow of the live one: it is asked the same, and not obeyed.
    ///
    /// # Errors
    /// When there is none, it only speaks to callers, or it refuses the settings of a route or a provider; nothing changes.
    pub async fn shadow(&self, name: &str) -> anyhow::Result<SlotView> {
        self.change(name, |slots| {
            let slot = slots.get_mut(name).ok_or_else(|| anyhow!("there is no plugin `{name}`"))?;
            let version = slot.staged.take();
            let version = version.ok_or_else(|| anyhow!("`{name}` has no staged version: load one first"))?;
            ensure!(
                version.kind != Kind::Adapter { provider: false, client: true },
                "`{name}` is a {}: what callers are told is not said twice; use `canary` or `swap`",
                version.kind
            );
            slot.shadow = Some(version);
            Ok(Act::of(What::Shadow, Who::Operator))
        })
        .await
    }

    /// A version misbehaved: it goes, and is kept out.
    ///
    /// # Errors
    /// When the one before it refuses a route's settings by now; nothing changes.
    pub(super) async fn take_back(&self, name: &str, verdict: &Verdict) -> anyhow::Result<()> {
        let changed = self.change_at_once(name, |slots| {
            let slot = slots.get_mut(name).ok_or_else(|| anyhow!("there is no plugin `{name}`"))?;
            // An operator may have been quicker.
            if judge(slot).as_ref() != Some(verdict) {
                return Ok(None);
            }
            let (gone, why) = match verdict {
                Verdict::TakeBack(why) => {
                    let Some(previous) = slot.previous.take() else { return Ok(None) };
                    let gone = Arc::clone(&slot.live);
                    slot.publish(previous);
                    (gone, why)
                }
                Verdict::DropCanary(why) => match slot.canary.take() {
                    Some(trial) => (trial.version, why),
                    None => return Ok(None),
                },
                Verdict::DropShadow(why) => match slot.shadow.take() {
                    Some(shadow) => (shadow, why),
                    None => return Ok(None),
                },
            };
            slot.barred.insert(gone.sha256.clone(), why.clone());
            Ok(Some(Act { why: why.clone(), ..Act::of(What::TakenBack, Who::Itself) }))
        });
        // Nobody waits for the disk here: the next version may misbehave, too.
        changed.await.map(drop)
    }

    /// End a trial or a shadow if there is one; else make the previous version live again, and the live one the previous.
    ///
    /// # Errors
    /// When there is none, or it refuses a route's settings; nothing changes.
    pub async fn rollback(&self, name: &str) -> anyhow::Result<SlotView> {
        self.change(name, |slots| {
            let slot = slots.get_mut(name).ok_or_else(|| anyhow!("there is no plugin `{name}`"))?;
            if slot.canary.take().is_some() || slot.shadow.take().is_some() {
                return Ok(Act::of(What::Ended, Who::Operator));
            }
            let previous = slot.previous.take();
            slot.publish(previous.ok_or_else(|| anyhow!("`{name}` has no previous version"))?);
            Ok(Act::of(What::RolledBack, Who::Operator))
        })
        .await
    }

    /// Make a version live again that was in the slot before, by the beginning of its digest. `insist`: even if it was taken
    /// back.
    ///
    /// # Errors
    /// When its bytes are gone, or it refuses a route's settings; nothing changes.
    pub async fn rollback_to(&self, name: &str, digest: &str, insist: bool) -> anyhow::Result<SlotView> {
        let slot = self.table().slots.get(name).cloned().ok_or_else(|| anyhow!("there is no plugin `{name}`"))?;
        let (version, file) = {
            let past = Past::new(&self.compiler, &self.table().config.gate, &self.store);
            earlier_version(&past, name, &slot, digest).await?
        };
        self.change(name, |slots| {
            let slot = slots.get_mut(name).ok_or_else(|| anyhow!("there is no plugin `{name}`"))?;
            ensure!(slot.live.sha256 != version.sha256, "{version:?} is live already");
            ensure!(slot.live.kind == version.kind, "{version:?} is a {}, not a {}", version.kind, slot.live.kind);
            may_come(slot, &version, insist)?;
            (slot.canary, slot.shadow) = (None, None);
            slot.publish(version);
            Ok(Act { file, ..Act::of(What::RolledBack, Who::Operator) })
        })
        .await
    }

    /// What an operator changes. The answer waits for the disk, what changes does not.
    async fn change(
        &self,
        name: &str,
        change: impl FnOnce(&mut BTreeMap<String, Slot>) -> anyhow::Result<Act>,
    ) -> anyhow::Result<SlotView> {
        let (view, kept) = self.change_at_once(name, |slots| change(slots).map(Some)).await?;
        kept.wait().await;
        Ok(view)
    }

    async fn change_at_once(
        &self,
        name: &str,
        change: impl FnOnce(&mut BTreeMap<String, Slot>) -> anyhow::Result<Option<Act>>,
    ) -> anyhow::Result<(SlotView, Kept)> {
        let _changing = self.changing.lock().await;
        let before = self.table();
        let mut slots = before.slots.clone();
        let act = change(&mut slots)?;
        let table = Table::build(Arc::clone(&before.config), slots, Some(&before)).await?;
        let slot = table.slots.get(name).ok_or_else(|| anyhow!("there is no plugin `{name}`"))?;
        let view = view(name, slot);
        let table = self.put(table);
        let Some(act) = act else { return Ok((view, Kept::default())) };
        let (change, file) = act.told(&self.clock, name, before.slots.get(name), table.slots.get(name));
        let (changes, files) = (vec![change], file.into_iter().collect());
        Ok((view, self.store.note(Notes { changes, slots: saved(&table.slots), files })))
    }

    fn put(&self, table: Table) -> Arc<Table> {
        table.isolate();
        let table = Arc::new(table);
        self.table.store(Arc::clone(&table));
        table
    }
}

/// A version that was taken back comes again only if an operator insists.
fn may_come(slot: &mut Slot, version: &Plugin, insist: bool) -> anyhow::Result<()> {
    if insist {
        slot.barred.remove(&version.sha256);
    }
    match slot.barred.get(&version.sha256) {
        Some(why) => bail!(
            "this version was taken back by itself ({why}): load another, or insist with --force if you know why it will \
             not happen again"
        ),
        None => Ok(()),
    }
}

fn view(name: &str, slot: &Slot) -> SlotView {
    let version = |plugin: &Arc<Plugin>| {
        let Counts { calls, faults, alike, differing, good, bad, repeated, impure, .. } = plugin.tally.counts();
        let running = plugin.tally.running.count();
        VersionView {
            sha256: plugin.sha256.clone(),
            bytes: plugin.bytes,
            calls,
            faults,
            alike,
            differing,
            good,
            bad,
            repeated,
            impure,
            instances_running: running,
            instances_idle: plugin.tally.instances.count().saturating_sub(running),
        }
    };
    SlotView {
        name: name.to_owned(),
        kind: slot.live.kind.to_string(),
        live: version(&slot.live),
        staged: slot.staged.as_ref().map(version),
        previous: slot.previous.as_ref().map(version),
        canary: slot.canary.as_ref().map(|trial| version(&trial.version)),
        canary_percent: slot.canary.as_ref().map(|trial| trial.percent),
        shadow: slot.shadow.as_ref().map(version),
        barred: slot.barred.clone(),
    }
}
