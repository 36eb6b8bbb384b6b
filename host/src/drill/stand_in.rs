//! A configuration for the drill: the same, but that no key of it is used, and that its providers are in the simulated network.

use std::collections::BTreeMap;

use anyhow::Context as _;

use super::KEY;
use super::scene::{Place, Scene};
use crate::config::{Aws, AwsKeys, Config, JournalSettings, Secret};
use crate::fake::Protocol;
use crate::gateway::Table;

/// Requests that the journal holds: each is looked up when it has ended.
const JOURNAL: usize = 1_000;

/// Without any secret. Keys are told apart by their positions.
pub fn without_secrets(config: &Config) -> Config {
    let mut config = config.clone();
    config.journal = JournalSettings { requests: JOURNAL, on_disk: None };
    let key = |position: usize| Secret::new(format!("{KEY}{position}"));
    for (number, provider) in config.providers.values_mut().enumerate() {
        provider.keys = (1..=provider.keys.len()).map(key).collect();
        if let Some(aws) = &mut provider.aws {
            let access_key_id = format!("{KEY}1");
            *aws = Aws::Keys(AwsKeys { access_key_id, secret_access_key: Secret::new("drill"), session_token: None });
        }
        if provider.azure.take().is_some() {
            provider.keys = vec![key(1)];
        }
        // Its tokens are made by a server of Google's, which is not simulated.
        if provider.google.take().is_some() && provider.base_url.is_none() {
            provider.base_url = Some(format!("http://{}", host(number)));
        }
    }
    config
}

fn host(number: usize) -> String {
    format!("p{number}.drill")
}

/// The providers that the table's routes use, and the configuration that finds them there.
///
/// # Errors
/// When one speaks what nothing here simulates.
pub fn placed(config: &Config, table: &Table, scene: &Scene) -> anyhow::Result<(Config, Vec<Place>)> {
    let mut shares: BTreeMap<&str, f64> = BTreeMap::new();
    for mix in &scene.mix {
        let route = table.route(&mix.model);
        let route = route.with_context(|| format!("the traffic asks for `{}`, and no route fits", mix.model))?;
        if let Some(first) = route.targets.first() {
            *shares.entry(&first.provider.name).or_default() += mix.share;
        }
    }
    let first = shares.iter().max_by(|one, other| one.1.total_cmp(other.1)).map(|(name, _)| *name);
    let (mut config, mut places) = (config.clone(), Vec::new());
    for (number, (name, provider)) in config.providers.iter_mut().enumerate() {
        let mut targets = table.routes.iter().flat_map(|route| &route.targets);
        let Some(opened) = targets.find(|target| target.provider.name == *name) else { continue };
        let Some(adapter) = opened.provider.first() else { continue };
        let after_scheme = adapter.base_url.split_once("://").map_or("", |(_, rest)| rest);
        let path = after_scheme.find('/').map_or("", |at| &after_scheme[at..]);
        provider.base_url = Some(format!("http://{}{path}", host(number)));
        places.push(Place {
            name: name.clone(),
            host: host(number),
            protocol: protocol(&adapter.description.protocol, &adapter.settings)
                .with_context(|| format!("providers.{name}"))?,
            keys: provider.keys.len().max(usize::from(provider.aws.is_some())),
            is_first: first == Some(name.as_str()),
        });
    }
    Ok((config, places))
}

fn protocol(adapter: &str, settings: &str) -> anyhow::Result<Protocol> {
    Protocol::spoken(adapter, settings)
        .with_context(|| format!("nothing here simulates a provider that speaks `{adapter}`"))
}
