//! Credentials for the clouds: as they are, or where they come from.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

/// `[providers.NAME.aws]`: keys, or where temporary ones come from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aws {
    pub access_key_id: Option<Spanned<String>>,
    pub secret_access_key: Option<Spanned<String>>,
    pub session_token: Option<Spanned<String>>,
    /// In place of keys. Absent, as they are: `auto`.
    pub identity: Option<Spanned<AwsIdentity>>,
    /// Of the files that AWS's tools share. Default: AWS_PROFILE, or `default`.
    pub profile: Option<Spanned<String>>,
    /// A role that is assumed with these credentials.
    pub role_arn: Option<Spanned<String>>,
    /// What the role's owner asks for, if it does.
    pub external_id: Option<Spanned<String>>,
    /// Names the session in AWS's logs. Default: AWS_ROLE_SESSION_NAME, or `pointsman`.
    pub role_session_name: Option<Spanned<String>>,
    /// The region of the STS endpoint. Default: the region of the provider's settings.
    pub region: Option<Spanned<String>>,
}

/// Where temporary credentials for AWS come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AwsIdentity {
    /// The first of the others that the environment speaks of, in this order. Without AWS_PROFILE, the files' profile `default`
    /// comes before the instance.
    Auto,
    /// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.
    Environment,
    /// A profile in `~/.aws/credentials` and `~/.aws/config` (AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE).
    Profile,
    /// AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN (EKS: IRSA).
    WebIdentity,
    /// AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI (ECS, EKS Pod Identity).
    Container,
    /// The metadata service of an EC2 instance, version 2.
    Instance,
}

/// `google = "FILE"`, or a table.
#[derive(Debug)]
pub enum Google {
    File(String),
    Table(GoogleTable),
}

/// `[providers.NAME.google]`: one of the first two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoogleTable {
    /// Of the type `service_account`, `external_account` or `authorized_user`.
    pub credentials_file: Option<String>,
    pub identity: Option<GoogleIdentity>,
    /// The e-mail address of the service account to use. Default: the machine's default service account.
    pub service_account: Option<String>,
}

/// Where Google's tokens come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GoogleIdentity {
    /// The file that GOOGLE_APPLICATION_CREDENTIALS names, else the one that `gcloud auth application-default login` wrote, else the
    /// metadata server.
    Auto,
    /// The metadata server of Google's machines (Compute Engine, GKE, Cloud Run).
    Metadata,
}

/// `[providers.NAME.azure]`: in place of a key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Azure {
    /// Where the tokens come from. Default: `auto`, which is `workload` if AZURE_FEDERATED_TOKEN_FILE is set, else `managed`.
    pub identity: Option<AzureIdentity>,
    /// The application's (client) ID. Default: AZURE_CLIENT_ID. A machine with a single managed identity needs none.
    pub client_id: Option<Spanned<String>>,
    /// The directory's (tenant) ID, for a workload identity. Default: AZURE_TENANT_ID.
    pub tenant_id: Option<Spanned<String>>,
    /// What the tokens are for. Default: `https://cognitiveservices.azure.com`.
    pub resource: Option<Spanned<String>>,
}

/// Where Entra ID's tokens come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AzureIdentity {
    /// `workload` if there is an AZURE_FEDERATED_TOKEN_FILE, else `managed`.
    Auto,
    /// IDENTITY_ENDPOINT and IDENTITY_HEADER (App Service, Container Apps), or the metadata service of a machine.
    Managed,
    /// AZURE_FEDERATED_TOKEN_FILE, AZURE_TENANT_ID and AZURE_CLIENT_ID (AKS).
    Workload,
}

impl<'de> Deserialize<'de> for Google {
    /// An untagged enum would say of a wrong field only that nothing fits.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Google;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the path of a credentials file, or a table such as { identity = \"metadata\" }")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Google, E> {
                Ok(Google::File(text.to_owned()))
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Google, M::Error> {
                GoogleTable::deserialize(MapAccessDeserializer::new(map)).map(Google::Table)
            }
        }
        deserializer.deserialize_any(Either)
    }
}
