//! Changing what is in force: a new table is prepared whole, then one pointer is set. What cannot be prepared changes
//! nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{anyhow, ensure};
use serde::{Deserialize, Serialize};

use super::Gateway;
use super::table::{Slot, Table, load_slots};
use crate::config::Config;
use crate::plugin::Plugin;

/// One slot, for operators.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SlotView {
    pub name: String,
    pub kind: String,
    pub live: VersionView,
    pub staged: Option<VersionView>,
    pub previous: Option<VersionView>,
}

/// One version in a slot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VersionView {
    pub sha256: String,
    pub bytes: usize,
    pub calls: u64,
    pub faults: u64,
}

impl Gateway {
    /// Put a configuration into force.
    ///
    /// # Errors
    /// What is wrong; the old one stays.
    pub async fn apply(&self, config: Config) -> anyhow::Result<()> {
        let _changing = self.changing.lock().await;
        let before = self.table();
        let slots = load_slots(&config, &before.slots).await?;
        self.table.store(Arc::new(Table::build(Arc::new(config), slots, Some(&before)).await?));
        Ok(())
    }

    /// All slots, by name.
    pub fn slots(&self) -> Vec<SlotView> {
        self.table().slots.iter().map(|(name, slot)| view(name, slot)).collect()
    }

    /// Compile and check a plugin, and stage it. A name that is new becomes a slot at once, which nothing uses yet.
    ///
    /// # Errors
    /// What is wrong with the plugin; nothing changes.
    pub async fn load(&self, name: &str, bytes: &[u8]) -> anyhow::Result<SlotView> {
        let well = !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        ensure!(well, "`{name}` cannot be a plugin's name: up to 64 letters, digits, `-`, `_` and `.`");
        let plugin = Plugin::load(name, bytes).await?;
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
            Ok(())
        })
        .await
    }

    /// Make the staged version live. Calls in flight finish on the one they began with.
    ///
    /// # Errors
    /// When there is none, or it refuses a route's settings; nothing changes.
    pub async fn swap(&self, name: &str) -> anyhow::Result<SlotView> {
        self.change(name, |slots| {
            let slot = slots.get_mut(name).ok_or_else(|| anyhow!("there is no plugin `{name}`"))?;
            let staged = slot.staged.take();
            let staged = staged.ok_or_else(|| anyhow!("`{name}` has no staged version: load one first"))?;
            slot.publish(staged);
            Ok(())
        })
        .await
    }

    /// Make the previous version live again, and the live one the previous.
    ///
    /// # Errors
    /// When there is none, or it refuses a route's settings; nothing changes.
    pub async fn rollback(&self, name: &str) -> anyhow::Result<SlotView> {
        self.change(name, |slots| {
            let slot = slots.get_mut(name).ok_or_else(|| anyhow!("there is no plugin `{name}`"))?;
            let previous = slot.previous.take();
            slot.publish(previous.ok_or_else(|| anyhow!("`{name}` has no previous version"))?);
            Ok(())
        })
        .await
    }

    async fn change(
        &self,
        name: &str,
        change: impl FnOnce(&mut BTreeMap<String, Slot>) -> anyhow::Result<()>,
    ) -> anyhow::Result<SlotView> {
        let _changing = self.changing.lock().await;
        let before = self.table();
        let mut slots = before.slots.clone();
        change(&mut slots)?;
        let table = Arc::new(Table::build(Arc::clone(&before.config), slots, Some(&before)).await?);
        let slot = table.slots.get(name).ok_or_else(|| anyhow!("there is no plugin `{name}`"))?;
        let view = view(name, slot);
        self.table.store(table);
        Ok(view)
    }
}

fn view(name: &str, slot: &Slot) -> SlotView {
    let version = |plugin: &Arc<Plugin>| VersionView {
        sha256: plugin.sha256.clone(),
        bytes: plugin.bytes,
        calls: plugin.tally.calls(),
        faults: plugin.tally.faults(),
    };
    SlotView {
        name: name.to_owned(),
        kind: slot.live.kind.to_string(),
        live: version(&slot.live),
        staged: slot.staged.as_ref().map(version),
        previous: slot.previous.as_ref().map(version),
    }
}
