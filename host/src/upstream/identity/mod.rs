//! Credentials that a cloud gives to who runs in it. Here is what is asked of whom; when it is asked again, and which requests
//! get them, is the gateway's (`gateway/identities.rs`).
//!
//! The clouds' own crates would do it too, each with an HTTP client, a clock and a task of its own, and some hundred
//! dependencies; what is asked are a few small requests.

mod ask;
mod aws;
mod azure;
mod google;
mod service_account;
mod sts;

use std::fmt;
use std::time::Duration;

use super::Client;
use crate::config::{AwsIdentity, AwsKeys, Azure, Google, Secret};

/// Credentials, and for whose requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `region`: of the requests.
    Aws {
        identity: AwsIdentity,
        region: String,
    },
    Google {
        account: Google,
        scope: String,
    },
    Azure(Azure),
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Aws { identity, .. } => identity.fmt(formatter),
            Source::Google { account, .. } => account.fmt(formatter),
            Source::Azure(azure) => azure.fmt(formatter),
        }
    }
}

/// What a request is signed with, or shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    Aws(AwsKeys),
    /// In `Authorization: Bearer …`.
    Bearer(Secret),
}

impl Credential {
    /// What no caller and no log may see.
    pub fn secrets(&self) -> Vec<&Secret> {
        match self {
            Credential::Aws(keys) => [&keys.secret_access_key].into_iter().chain(&keys.session_token).collect(),
            Credential::Bearer(token) => vec![token],
        }
    }
}

/// A credential that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    pub credential: Credential,
    /// From now on. `None`: it does not expire.
    pub lasts: Option<Duration>,
}

/// Who asks.
#[derive(Clone)]
pub struct Askers {
    /// The provider's own way, through its proxy: for token services on the network.
    pub client: Client,
    /// Straight: a machine's metadata service is not behind a proxy.
    pub direct: Client,
}

/// Ask for a credential. `now` is since 1970.
///
/// # Errors
/// Who gave none and why; the text holds no secret.
pub async fn fetch(source: &Source, askers: &Askers, now: Duration) -> Result<Granted, String> {
    match source {
        Source::Aws { identity, region } => aws::fetch(identity, region, askers, now).await,
        Source::Google { account, scope } => google::fetch(account, scope, askers, now).await,
        Source::Azure(azure) => azure::fetch(azure, askers, now).await,
    }
}
