//! The slots over a restart: written down after each change, and put back as they were. What cannot be put back costs nothing:
//! what is next best stands there, and it is said.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use pointsman_bundle::BUNDLED;

use super::files::{Admitted, Moment, admit_files};
use super::gate;
use super::table::{Slot, Table, Trial, load_slots};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::plugin::{self, Compiler, Plugin};
use crate::store::{Change, Notes, SavedSlot, SavedVersion, Store, VersionFile, What, Who};

/// Fewer could be a slip of the pen.
const DIGITS_MIN: usize = 4;

/// All slots, to be written down.
pub fn saved(slots: &BTreeMap<String, Slot>) -> Vec<SavedSlot> {
    slots.iter().map(|(name, slot)| saved_slot(name, slot)).collect()
}

fn saved_slot(name: &str, slot: &Slot) -> SavedSlot {
    let version = |plugin: &Arc<Plugin>| SavedVersion {
        sha256: plugin.sha256.clone(),
        built_in: is_built_in(name, &plugin.sha256),
    };
    SavedSlot {
        name: name.to_owned(),
        live: version(&slot.live),
        staged: slot.staged.as_ref().map(version),
        previous: slot.previous.as_ref().map(version),
        canary: slot.canary.as_ref().map(|trial| (version(&trial.version), trial.percent)),
        shadow: slot.shadow.as_ref().map(version),
        barred: slot.barred.clone(),
        configured: slot.configured.clone(),
    }
}

/// The program brings it.
fn is_built_in(name: &str, sha256: &str) -> bool {
    BUNDLED.iter().any(|bundled| bundled.name == name && bundled.sha256 == sha256)
}

/// The first table: what stood when the last process ended, and what the configuration changes in that.
///
/// # Errors
/// What is wrong with the configuration. What is wrong with what was kept is said, and left out.
pub async fn first_table(
    compiler: &Compiler,
    config: Config,
    store: &Arc<Store>,
    clock: &Clock,
) -> anyhow::Result<Table> {
    let config = Arc::new(config);
    let (restored, mut losses) = put_back(compiler, &config.gate, store).await;
    let (slots, mut files) = with_files(compiler, &config, &restored).await?;
    let table = match Table::build(Arc::clone(&config), slots, None).await {
        Ok(table) => table,
        Err(error) if restored.is_empty() => return Err(error),
        Err(_) => what_fits(compiler, &config, restored, &mut losses, &mut files).await?,
    };
    for Loss { slot, sha256, why } in &losses {
        tracing::error!(plugin = %slot, digest = sha256.get(..12), "a version did not come back: {why}");
    }
    store.note(first_notes(store, &table, losses, files, clock));
    Ok(table)
}

/// What was put back, and what the configuration gives that it did not give before.
async fn with_files(
    compiler: &Compiler,
    config: &Config,
    restored: &BTreeMap<String, Slot>,
) -> anyhow::Result<(BTreeMap<String, Slot>, Vec<VersionFile>)> {
    let (admitted, _) = admit_files(compiler, config, restored, Moment::Start).await?;
    let files = admitted.iter().map(Admitted::file).collect();
    Ok((load_slots(compiler, config, restored, admitted).await?, files))
}

/// Where versions come back from.
pub struct Past {
    compiler: Compiler,
    rules: config::Gate,
    store: Arc<Store>,
}

impl Past {
    pub fn new(compiler: &Compiler, rules: &config::Gate, store: &Arc<Store>) -> Past {
        Past { compiler: compiler.within(rules.compile), rules: rules.clone(), store: Arc::clone(store) }
    }

    /// # Errors
    /// When it is not kept, does not load, or is not signed by a key that is trusted now.
    async fn version(&self, name: &str, sha256: &str) -> anyhow::Result<(Arc<Plugin>, VersionFile)> {
        let file = self.store.version(sha256).await?;
        gate::check_signature(&self.rules, &file.bytes, file.signature.as_deref()).await?;
        Ok((Plugin::load_by(&self.compiler, name, &file.bytes).await?, file))
    }
}

/// A version that did not come back.
struct Loss {
    slot: String,
    sha256: String,
    why: String,
}

/// Compiling takes a core each, so they do not wait for one another.
async fn put_back(
    compiler: &Compiler,
    rules: &config::Gate,
    store: &Arc<Store>,
) -> (BTreeMap<String, Slot>, Vec<Loss>) {
    let loading = store.saved().iter().map(|saved| {
        let (past, saved) = (Past::new(compiler, rules, store), saved.clone());
        tokio::spawn(async move { (saved.name.clone(), put_back_slot(&past, saved).await) })
    });
    let loading: Vec<_> = loading.collect();
    let (mut slots, mut losses) = (BTreeMap::new(), Vec::new());
    for loading in loading {
        let Ok((name, (slot, lost))) = loading.await else { continue };
        losses.extend(lost);
        if let Some(slot) = slot {
            slots.insert(name, slot);
        }
    }
    (slots, losses)
}

/// In place of the live version the previous one, or the built-in one. Nothing: the configuration may have it.
async fn put_back_slot(past: &Past, saved: SavedSlot) -> (Option<Slot>, Vec<Loss>) {
    let name = &saved.name;
    let mut losses = Vec::new();
    let live = put_back_version(past, name, Some(&saved.live), "live", &mut losses).await;
    let mut previous = put_back_version(past, name, saved.previous.as_ref(), "previous", &mut losses).await;
    let staged = put_back_version(past, name, saved.staged.as_ref(), "staged", &mut losses).await;
    let trial = saved.canary.as_ref().map(|(version, _)| version);
    let canary = put_back_version(past, name, trial, "on trial", &mut losses).await;
    let shadow = put_back_version(past, name, saved.shadow.as_ref(), "in the shadow", &mut losses).await;
    let mut configured = saved.configured;
    let live = match live {
        Some(live) => live,
        None => {
            let fit = previous.take().filter(|previous| !saved.barred.contains_key(&previous.sha256));
            if fit.is_none() || configured.as_ref() == Some(&saved.live.sha256) {
                // So that the configuration's file counts as new.
                configured = None;
            }
            match (fit, plugin::bundled_by(&past.compiler, name).await) {
                (Some(previous), _) => previous,
                (None, Ok(built_in)) => built_in,
                (None, Err(_)) => return (None, losses),
            }
        }
    };
    let percent = saved.canary.map_or(0, |(_, percent)| percent);
    let canary = canary.map(|version| {
        let (since, beside) = (version.tally.counts(), live.tally.counts());
        Trial { version, percent, since, beside }
    });
    let slot = Slot { staged, previous, canary, shadow, barred: saved.barred, configured, ..Slot::new(live) };
    (Some(slot), losses)
}

async fn put_back_version(
    past: &Past,
    name: &str,
    version: Option<&SavedVersion>,
    place: &str,
    losses: &mut Vec<Loss>,
) -> Option<Arc<Plugin>> {
    let SavedVersion { sha256, built_in } = version?;
    let loaded = match built_in {
        // Another release may bring another one.
        true => plugin::bundled_by(&past.compiler, name).await,
        false => past.version(name, sha256).await.map(|(plugin, _)| plugin),
    };
    let (slot, sha256) = (name.to_owned(), sha256.clone());
    let lost = |error: &anyhow::Error| losses.push(Loss { slot, sha256, why: format!("it was {place}: {error:#}") });
    loaded.inspect_err(lost).ok()
}

/// Some of what was kept does not suit the configuration any more: keep as much as can be.
async fn what_fits(
    compiler: &Compiler,
    config: &Arc<Config>,
    restored: BTreeMap<String, Slot>,
    losses: &mut Vec<Loss>,
    files: &mut Vec<VersionFile>,
) -> anyhow::Result<Table> {
    let (base, of_base) = with_files(compiler, config, &BTreeMap::new()).await?;
    files.extend(of_base);
    let mut table = Table::build(Arc::clone(config), base, None).await?;
    for (name, slot) in restored {
        let sha256 = slot.live.sha256.clone();
        let alone = Slot { canary: None, shadow: None, ..slot.clone() };
        let back = slot.previous.clone().map(|live| Slot { live, previous: None, ..alone.clone() });
        for (candidate, is_whole) in [(Some(slot), true), (Some(alone), false), (back, false)] {
            let Some(candidate) = candidate else { continue };
            let before = BTreeMap::from([(name.clone(), candidate)]);
            let mut slots = table.slots.clone();
            slots
                .extend(with_files(compiler, config, &before).await?.0.into_iter().filter(|(other, _)| *other == name));
            match Table::build(Arc::clone(config), slots, None).await {
                Ok(fitting) => {
                    table = fitting;
                    break;
                }
                Err(error) if is_whole => {
                    losses.push(Loss { slot: name.clone(), sha256: sha256.clone(), why: format!("{error:#}") });
                }
                Err(_) => {}
            }
        }
    }
    Ok(table)
}

/// What is otherwise than the last process left it.
fn first_notes(store: &Store, table: &Table, losses: Vec<Loss>, files: Vec<VersionFile>, clock: &Clock) -> Notes {
    let at_unix_ms = u64::try_from(clock.unix().as_millis()).unwrap_or(u64::MAX);
    let slots = saved(&table.slots);
    let find = |slots: &[SavedSlot], name: &str| slots.iter().find(|slot| slot.name == name).cloned();
    let mut changes = Vec::new();
    let lost: BTreeSet<String> = losses.iter().map(|loss| loss.slot.clone()).collect();
    for Loss { slot, sha256, why } in losses {
        let (what, who, before) = (What::NotRestored, Who::Itself, Some(sha256));
        let after = find(&slots, &slot).map(|slot| slot.live.sha256);
        changes.push(Change { at_unix_ms, slot, what, before, after, who, why });
    }
    for slot in slots.iter().filter(|slot| !lost.contains(&slot.name)) {
        let before = find(store.saved(), &slot.name);
        let what = match &before {
            Some(before) if before.live.sha256 == slot.live.sha256 => continue,
            None if slot.live.built_in => continue,
            Some(before) if before.configured == slot.configured => What::BuiltIn,
            _ => What::Configured,
        };
        let (before, after) = (before.map(|before| before.live.sha256), Some(slot.live.sha256.clone()));
        let who = if what == What::BuiltIn { Who::Itself } else { Who::Configuration };
        changes.push(Change { at_unix_ms, slot: slot.name.clone(), what, before, after, who, why: String::new() });
    }
    Notes { changes, slots, files }
}

/// A version that was in the slot before, by the beginning of its digest; and its bytes, where they are to be kept on.
///
/// # Errors
/// When there is none, or several, or its bytes are gone.
pub async fn earlier_version(
    past: &Past,
    name: &str,
    slot: &Slot,
    beginning: &str,
) -> anyhow::Result<(Arc<Plugin>, Option<VersionFile>)> {
    ensure!(beginning.len() >= DIGITS_MIN, "give {DIGITS_MIN} digits of the version's digest at least");
    let trial = slot.canary.as_ref().map(|trial| &trial.version);
    let here = [slot.previous.as_ref(), slot.staged.as_ref(), trial, slot.shadow.as_ref(), Some(&slot.live)];
    if let Some(version) = here.into_iter().flatten().find(|version| version.sha256.starts_with(beginning)) {
        return Ok((Arc::clone(version), None));
    }
    let store = &past.store;
    // Another slot's versions lie in the same folder.
    let kept = store.find(beginning).await.into_iter().filter(|sha256| store.was_in(name, sha256));
    let mut found: BTreeSet<String> = kept.collect();
    let built_in = BUNDLED.iter().filter(|bundled| bundled.name == name && bundled.sha256.starts_with(beginning));
    found.extend(built_in.map(|bundled| bundled.sha256.to_owned()));
    let history = store.history(Some(name)).into_iter().flat_map(|change| [change.before, change.after]);
    found.extend(history.flatten().filter(|sha256| sha256.starts_with(beginning)));
    let mut found = found.into_iter();
    let sha256 = found.next().with_context(|| {
        format!(
            "no version that was in `{name}` begins with {beginning}: `pointsman plugin history {name}` lists them, and \
             `pointsman plugin load` brings in others"
        )
    })?;
    ensure!(found.next().is_none(), "several versions begin with {beginning}: give more digits");
    if is_built_in(name, &sha256) {
        return Ok((plugin::bundled_by(&past.compiler, name).await?, None));
    }
    let (plugin, file) = past.version(name, &sha256).await.with_context(|| format!("{beginning} cannot come back"))?;
    Ok((plugin, Some(file)))
}

/// Other keys are trusted than before: what is not signed by one of them goes, but for what is live, without which nothing would
/// decide. `trusted` are components that were looked at just now.
///
/// # Errors
/// The first live version that is not signed so.
pub async fn keep_trusted(
    store: &Store,
    rules: &config::Gate,
    slots: &mut BTreeMap<String, Slot>,
    trusted: &[String],
) -> anyhow::Result<()> {
    for (name, slot) in slots {
        let asked = async |version: &Arc<Plugin>| {
            if is_built_in(name, &version.sha256) || trusted.contains(&version.sha256) {
                return Ok(());
            }
            let file = store.version(&version.sha256).await?;
            gate::check_signature(rules, &file.bytes, file.signature.as_deref()).await
        };
        asked(&slot.live).await.with_context(|| {
            format!(
                "`[gate] public_keys`: {:?} came before them and is live: load a signed version first, or roll back",
                slot.live
            )
        })?;
        for version in slot.versions().skip(1).cloned().collect::<Vec<_>>() {
            if let Err(error) = asked(&version).await {
                tracing::warn!(plugin = ?version, "not trusted any more, and gone: {error:#}");
                slot.forget(&version);
            }
        }
    }
    Ok(())
}
