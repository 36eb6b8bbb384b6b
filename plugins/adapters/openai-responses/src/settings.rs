//! What an operator may set for a provider of this protocol.

use pointsman_sdk::codec::provider::{Auth, HeaderAuth};
use serde::Deserialize;

/// The provider's `settings` table.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    auth_header: AuthHeader,
}

/// The header that carries the key.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum AuthHeader {
    /// `Bearer ` and the key.
    #[default]
    Authorization,
    /// The bare key: what Azure calls a resource's key.
    ApiKey,
}

impl Settings {
    pub fn parse(text: &str) -> Result<Settings, String> {
        serde_json::from_str(text).map_err(|error| format!("the settings of openai-responses: {error}"))
    }

    pub fn auth(&self) -> Auth {
        let (name, prefix) = match self.auth_header {
            AuthHeader::Authorization => ("authorization", "Bearer "),
            AuthHeader::ApiKey => ("api-key", ""),
        };
        Auth::Header(HeaderAuth { name: name.into(), prefix: prefix.into() })
    }
}
