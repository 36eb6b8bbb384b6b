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
    signature: Option<String>,
}

impl Admitted {
    /// To be kept.
    pub fn file(&self) -> VersionFile {
        let (sha256, signature) = (self.plugin.sha256.clone(), self.signature.clone());
        VersionFile { sha256, bytes: self.bytes.clone(), signature }
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

/// The plugins that a configuration names, but for those that it gave last; and digests of components among these that are
/// signed by a key that is trusted now.
///
/// # Errors
/// Why one may not serve.
pub async fn admit_files(
    compiler: &Compiler,
    config: &Config,
    before: &BTreeMap<String, Slot>,
    moment: Moment,
) -> anyhow::Result<(Vec<Admitted>, Vec<String>)> {
    let shelf = Shelf::of(config.server.state.as_deref());
    let (mut admitted, mut trusted) = (Vec::new(), Vec::new());
    for (name, given) in &config.plugins {
        let place = &given.place;
        match admit(compiler, &config.gate, name, given, before.get(name), &shelf).await {
            Ok(Passed::New(plugin)) => admitted.push(plugin),
            Ok(Passed::Trusted(component)) => trusted.push(component.hex().to_owned()),
            Ok(Passed::Unchanged) => {}
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
    Ok((admitted, trusted))
}

enum Passed {
    New(Admitted),
    /// The configuration gave it before, and its component with this digest is signed as it has to be now.
    Trusted(Digest),
    /// The same, and no signature is asked for.
    Unchanged,
}

async fn admit(
    compiler: &Compiler,
    rules: &config::Gate,
    name: &str,
    given: &PluginFile,
    slot: Option<&Slot>,
    shelf: &Shelf,
) -> Result<Passed, Refused> {
    let PluginFile { place, sha256, fresh: _ } = given;
    let is_known = |digest: &Digest| slot.is_some_and(|slot| slot.configured.as_deref() == Some(digest.hex()));
    // What is named by its digest cannot change; the keys may be others than before.
    if rules.public_keys.is_empty() && place.pin().is_some_and(is_known) {
        return Ok(Passed::Unchanged);
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
        return Ok(Passed::Trusted(found));
    }
    let plugin = gate::admit(compiler, rules, name, bytes, signature).await.map_err(Refused::Wrong)?;
    let (configured, signature) = (digest.hex().to_owned(), package.signature.clone());
    Ok(Passed::New(Admitted { plugin, configured, bytes: bytes.clone(), signature }))
}
