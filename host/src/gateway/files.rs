//! The plugins that a configuration names: got from where they lie, and led through the gate.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::anyhow;
use bytes::Bytes;
use pointsman_bundle::BUNDLED;

use super::gate;
use super::table::Slot;
use crate::config::{self, Config, PluginFile};
use crate::plugin::{Compiler, Plugin};
use crate::ship::{self, Digest, Place, Shelf};
use crate::store::VersionFile;

/// A plugin that passed the gate.
pub struct Admitted {
    pub plugin: Arc<Plugin>,
    /// The digest by which the configuration's is known again: of the component, or of a package's manifest.
    pub configured: String,
    bytes: Bytes,
}

impl Admitted {
    /// To be kept.
    pub fn file(&self) -> VersionFile {
        VersionFile { sha256: self.plugin.sha256.clone(), bytes: self.bytes.clone() }
    }
}

/// When a configuration is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Start,
    Reload,
}

/// Why a plugin of the configuration may not serve.
enum Refused {
    /// It was not got from elsewhere.
    Unreachable(anyhow::Error),
    Wrong(anyhow::Error),
}

/// The plugins that a configuration names, but for those that it gave last.
///
/// # Errors
/// Why one may not serve.
pub async fn admit_files(
    compiler: &Compiler,
    config: &Config,
    before: &BTreeMap<String, Slot>,
    moment: Moment,
) -> anyhow::Result<Vec<Admitted>> {
    let shelf = Shelf::of(config.server.state.as_deref());
    let mut admitted = Vec::new();
    for (name, given) in &config.plugins {
        let place = &given.place;
        match admit(compiler, &config.gate, name, given, before.get(name), &shelf).await {
            Ok(plugin) => admitted.extend(plugin),
            // At a start a host that is down must not keep down what could do without it. A reload keeps what it has.
            Err(Refused::Unreachable(error)) if moment == Moment::Start && before.contains_key(name) => {
                tracing::error!("plugins.{name}: what served before the restart goes on in its place: {error:#}");
            }
            Err(Refused::Unreachable(error))
                if moment == Moment::Start && BUNDLED.iter().any(|bundled| bundled.name == name) =>
            {
                tracing::error!("plugins.{name}: the built-in one serves in its place: {error:#}");
            }
            Err(Refused::Unreachable(error) | Refused::Wrong(error)) => {
                return Err(error.context(format!("plugins.{name}: {place}")));
            }
        }
    }
    Ok(admitted)
}

async fn admit(
    compiler: &Compiler,
    rules: &config::Gate,
    name: &str,
    given: &PluginFile,
    slot: Option<&Slot>,
    shelf: &Shelf,
) -> Result<Option<Admitted>, Refused> {
    let PluginFile { place, sha256, fresh: _ } = given;
    let is_known = |digest: &Digest| slot.is_some_and(|slot| slot.configured.as_deref() == Some(digest.hex()));
    // What is named by its digest cannot change; the keys may be others than before.
    if rules.public_keys.is_empty() && place.pin().is_some_and(is_known) {
        return Ok(None);
    }
    let package = ship::fetch(place, shelf, false).await.map_err(|error| match place {
        Place::File(_) => Refused::Wrong(error),
        Place::Url(..) | Place::Package(_) => Refused::Unreachable(error),
    })?;
    let (bytes, signature) = (&package.component, package.signature.as_deref());
    let found = Digest::of(bytes);
    if let Some(expected) = sha256.as_ref().filter(|expected| **expected != found) {
        let text = format!("it has digest {}, but the configuration says {}", found.hex(), expected.hex());
        return Err(Refused::Wrong(anyhow!(text)));
    }
    let digest = place.pin().unwrap_or(&found);
    if is_known(digest) {
        gate::check_signature(rules, bytes, signature).await.map_err(Refused::Wrong)?;
        return Ok(None);
    }
    let plugin = gate::admit(compiler, rules, name, bytes, signature).await.map_err(Refused::Wrong)?;
    Ok(Some(Admitted { plugin, configured: digest.hex().to_owned(), bytes: bytes.clone() }))
}
