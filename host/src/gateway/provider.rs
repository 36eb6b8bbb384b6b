//! Providers as configured: accounts, the adapters that speak to them, and how they are shown who asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, ensure};

use super::Gateway;
use super::redact::Redaction;
use super::table::{Slot, Trial};
use crate::config::{self, Secret};
use crate::health::{self, KeyId};
use crate::plugin::bindings::provider::{self, Auth};
use crate::plugin::{Codec, Kind, Plugin};
use crate::upstream::identity::Source;
use crate::upstream::{self, Client, Origin};

/// A provider as configured: an account, and the adapters that can speak to it.
pub struct Provider {
    pub name: String,
    /// At least one. The first is for callers whose protocol none speaks.
    adapters: Vec<Versions>,
}

/// An adapter in the versions that serve.
struct Versions {
    live: Arc<Adapter>,
    /// Serves a share of the requests in its place.
    canary: Option<(Arc<Adapter>, Trial)>,
}

/// One way to speak to a provider.
pub struct Adapter {
    /// The provider's.
    pub provider: String,
    pub base_url: String,
    /// Where its keys may go.
    pub origin: Origin,
    pub access: Access,
    /// Of each key that `access` has to choose from; one where there is no choice.
    pub keys: Vec<KeyId>,
    /// Of the keys that stand in the configuration.
    pub redaction: Arc<Redaction>,
    /// How its requests get there.
    way: config::Way,
    /// JSON.
    pub settings: String,
    /// Has a provider side.
    pub plugin: Arc<Plugin>,
    pub description: provider::Description,
    /// A version that says and reads the same beside it, and is not obeyed.
    pub shadow: Option<Arc<Adapter>>,
}

/// How a provider is shown who asks.
#[derive(Clone)]
pub enum Access {
    /// Anyone may ask.
    Open,
    /// The keys take turns.
    Header(provider::HeaderAuth, Vec<Secret>),
    Aws(provider::AwsSigv4, config::AwsKeys),
    /// Credentials that last some time.
    Fetched(Showing, Source),
}

/// How a fetched credential is shown.
#[derive(Clone)]
pub enum Showing {
    Bearer,
    Signature(provider::AwsSigv4),
}

impl Provider {
    /// `before`: what stands there is kept if its versions do not change.
    pub async fn open(
        name: &str,
        config: &config::Provider,
        slots: &BTreeMap<String, Slot>,
        before: Option<&Provider>,
    ) -> anyhow::Result<Provider> {
        upstream::check(&config.way)?;
        let mut adapters = Vec::new();
        for (position, adapter) in config.adapters.iter().enumerate() {
            let slot = slots.get(adapter).ok_or_else(|| anyhow!("no plugin `{adapter}`"))?;
            let settings = if position == 0 { config.settings.as_str() } else { "{}" };
            let before = before.and_then(|before| before.adapters.get(position));
            let opened = Versions::open(name, config, slot, settings, before).await;
            adapters.push(opened.with_context(|| adapter.clone())?);
        }
        Ok(Provider { name: name.to_owned(), adapters })
    }

    /// The live version of the first adapter.
    pub fn first(&self) -> Option<&Arc<Adapter>> {
        self.adapters.first().map(|versions| &versions.live)
    }

    /// All that serve callers, in their live versions.
    pub fn adapters(&self) -> impl Iterator<Item = &Arc<Adapter>> {
        self.adapters.iter().map(|versions| &versions.live)
    }

    /// The adapter for a caller's operation, in the version that serves the request with this random number: one that speaks
    /// its protocol, else the first that knows the operation.
    pub fn adapter(&self, protocol: &str, operation: &str, random: u64) -> Option<&Arc<Adapter>> {
        let mut able =
            self.adapters.iter().map(|versions| versions.of(random)).filter(|adapter| adapter.knows(operation));
        let first = able.next()?;
        if first.description.protocol == protocol {
            return Some(first);
        }
        able.find(|adapter| adapter.description.protocol == protocol).or(Some(first))
    }
}

impl Versions {
    async fn open(
        provider: &str,
        config: &config::Provider,
        slot: &Slot,
        settings: &str,
        before: Option<&Versions>,
    ) -> anyhow::Result<Versions> {
        let open = async |plugin: &Arc<Plugin>, shadow: Option<Arc<Adapter>>| {
            if let Some(opened) = before.and_then(|before| before.opened(plugin, shadow.as_ref())) {
                return anyhow::Ok(opened);
            }
            Ok(Arc::new(Adapter::open(provider, config, plugin, settings.to_owned(), shadow).await?))
        };
        let shadow = match &slot.shadow {
            Some(version) => Some(open(version, None).await?),
            None => None,
        };
        let canary = match &slot.canary {
            Some(trial) => Some((open(&trial.version, None).await?, trial.clone())),
            None => None,
        };
        Ok(Versions { live: open(&slot.live, shadow).await?, canary })
    }

    fn of(&self, random: u64) -> &Arc<Adapter> {
        match &self.canary {
            Some((adapter, trial)) if trial.has(random) => adapter,
            _ => &self.live,
        }
    }

    fn opened(&self, plugin: &Arc<Plugin>, shadow: Option<&Arc<Adapter>>) -> Option<Arc<Adapter>> {
        let all = [&self.live].into_iter().chain(self.canary.as_ref().map(|(adapter, _)| adapter));
        let mut all = all.chain(&self.live.shadow);
        let is_same = |adapter: &&Arc<Adapter>| {
            let same_shadow = match (&adapter.shadow, shadow) {
                (None, None) => true,
                (Some(before), Some(shadow)) => Arc::ptr_eq(before, shadow),
                _ => false,
            };
            same_shadow && Arc::ptr_eq(&adapter.plugin, plugin)
        };
        all.find(is_same).map(Arc::clone)
    }
}

impl Adapter {
    async fn open(
        provider: &str,
        config: &config::Provider,
        plugin: &Arc<Plugin>,
        settings: String,
        shadow: Option<Arc<Adapter>>,
    ) -> anyhow::Result<Adapter> {
        let is_adapter = matches!(plugin.kind, Kind::Adapter { provider: true, .. });
        let codec = plugin.codec.as_ref().filter(|_| is_adapter);
        let codec = codec.ok_or_else(|| anyhow!("it is a {}, not a provider adapter", plugin.kind))?;
        let description = codec.describe(&settings).await?;
        let default = || description.default_base_url.as_deref().map(|url| url.trim_end_matches('/').to_owned());
        let base_url = config.base_url.clone().or_else(default);
        let base_url = base_url.ok_or_else(|| anyhow!("its adapter has no default: give a `base_url`"))?;
        let origin = base_url.parse().ok().and_then(|url| Origin::of(&url));
        let origin = origin.ok_or_else(|| anyhow!("its base URL `{base_url}` is not like https://host/path"))?;
        let access = description.auth.iter().find_map(|auth| Access::new(auth, config));
        ensure!(
            access.is_some() || config.base_url.is_some() || description.auth.is_empty(),
            "it needs {}",
            description.auth.iter().map(wanted).collect::<Vec<_>>().join(", or ")
        );
        let access = access.unwrap_or(Access::Open);
        Ok(Adapter {
            provider: provider.to_owned(),
            base_url,
            origin,
            keys: access.keys(),
            redaction: Arc::new(access.redaction()),
            access,
            way: config.way.clone(),
            settings,
            plugin: Arc::clone(plugin),
            description,
            shadow,
        })
    }

    /// Who sends its requests.
    ///
    /// # Errors
    /// A text for people: which certificates cannot be read any more.
    pub fn client(&self, gateway: &Gateway) -> Result<Client, String> {
        gateway.clients.of(&self.way)
    }

    pub fn way(&self) -> &config::Way {
        &self.way
    }

    /// A URL at the provider's origin; `path` begins with a slash.
    pub fn origin_with(&self, path: &str) -> String {
        let after_scheme = self.base_url.find("://").map_or(0, |at| at + 3);
        let end = self.base_url[after_scheme..].find('/').map_or(self.base_url.len(), |at| after_scheme + at);
        format!("{}{path}", &self.base_url[..end])
    }

    pub fn codec(&self) -> Option<&Codec> {
        self.plugin.codec.as_ref()
    }

    fn knows(&self, operation: &str) -> bool {
        self.description.operations.iter().any(|known| known == operation)
    }
}

impl Access {
    /// Absent when the configuration has no such secret.
    fn new(auth: &Auth, config: &config::Provider) -> Option<Access> {
        match auth {
            // A token of Entra ID is shown as such, whatever stands for a key.
            Auth::Header(header) => match &config.azure {
                Some(azure) => Some(Access::Fetched(Showing::Bearer, Source::Azure(azure.clone()))),
                None => (!config.keys.is_empty()).then(|| Access::Header(header.clone(), config.keys.clone())),
            },
            Auth::AwsSigv4(how) => Some(match config.aws.clone()? {
                config::Aws::Keys(keys) => Access::Aws(how.clone(), keys),
                config::Aws::Fetched(identity) => {
                    let source = Source::Aws { identity, region: how.region.clone() };
                    Access::Fetched(Showing::Signature(how.clone()), source)
                }
            }),
            Auth::GoogleOauth(scope) => {
                let source = Source::Google { account: config.google.clone()?, scope: scope.clone() };
                Some(Access::Fetched(Showing::Bearer, source))
            }
        }
    }

    fn redaction(&self) -> Redaction {
        match self {
            Access::Open => Redaction::default(),
            Access::Header(_, keys) => Redaction::new(keys),
            Access::Aws(_, keys) => Redaction::new([&keys.secret_access_key].into_iter().chain(&keys.session_token)),
            // They come and go, and each brings its own.
            Access::Fetched(..) => Redaction::default(),
        }
    }

    fn keys(&self) -> Vec<KeyId> {
        match self {
            Access::Open => vec![KeyId::default()],
            Access::Header(_, keys) => keys.iter().map(|key| health::key_id(key.reveal())).collect(),
            Access::Aws(_, keys) => vec![health::key_id(&keys.access_key_id)],
            Access::Fetched(_, source) => vec![health::key_id(&source.to_string())],
        }
    }
}

fn wanted(auth: &Auth) -> &'static str {
    match auth {
        Auth::Header(_) => "a `key`, such as key = \"${ENV_VARIABLE}\" (or several, as `keys`)",
        Auth::AwsSigv4(_) => "`aws` credentials, such as aws = { identity = \"auto\" }",
        Auth::GoogleOauth(_) => {
            "`google` credentials, such as google = \"account.json\" or google = { identity = \"metadata\" }"
        }
    }
}
