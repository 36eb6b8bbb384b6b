//! Where credentials come from that are not written in the configuration: a cloud gives them to its own machines, or
//! exchanges what it knows us by for them. `Display` names the source for people, and holds no secret.

use std::fmt;
use std::path::PathBuf;

use super::resolved::{AwsKeys, GoogleAccount, Secret};

/// Credentials for AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aws {
    /// As they stand in the configuration or in the environment.
    Keys(AwsKeys),
    Fetched(AwsIdentity),
}

/// Temporary credentials for AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsIdentity {
    pub source: AwsSource,
    /// Is assumed with what the source gives. `None`: that is used itself.
    pub role: Option<AwsRole>,
    /// The region of STS. `None`: that of the requests.
    pub sts_region: Option<String>,
    /// In place of AWS's own STS, without a slash at the end.
    pub sts_endpoint: Option<String>,
}

/// Who gives credentials for AWS.
///
/// <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AwsSource {
    /// With a role only.
    Keys(AwsKeys),
    /// The files that AWS's own tools share; they are read each time.
    Profile(AwsProfile),
    /// STS, for a token that is read from this file each time (IRSA).
    WebIdentity { token_file: PathBuf, role: AwsRole },
    /// The agent of ECS, or that of EKS Pod Identity.
    Container { url: String, authorization: Option<ContainerToken> },
    /// The metadata service of an EC2 instance, version 2. Without a slash at the end.
    Instance { endpoint: String },
}

/// A profile in the files that AWS's own tools share. One of the files may not be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsProfile {
    pub name: String,
    pub credentials: PathBuf,
    pub config: PathBuf,
    /// Of roles whose profile names no session.
    pub session_name: String,
}

/// What a container shows to its agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerToken {
    Value(Secret),
    /// Is read each time.
    File(PathBuf),
}

/// A role that is assumed by STS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsRole {
    pub arn: String,
    pub session_name: String,
    pub external_id: Option<String>,
}

/// Credentials for Google.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Google {
    /// A service account's own key.
    Account(GoogleAccount),
    /// A person, who logged in with Google's own tool.
    User(GoogleUser),
    /// Workload identity federation.
    External(Box<GoogleExternal>),
    /// The metadata server of Google's machines. `endpoint` has no slash at the end; `account` is an e-mail or `default`.
    Metadata { endpoint: String, account: String },
}

/// What is needed of a credentials file of the type `authorized_user`, as `gcloud auth application-default login` writes it.
///
/// <https://google.aip.dev/auth/4113>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoogleUser {
    pub client_id: String,
    pub client_secret: Secret,
    pub refresh_token: Secret,
    pub token_uri: String,
    /// The project that pays: a person has none. Sent as `x-goog-user-project`.
    pub quota_project: Option<String>,
}

/// What is needed of a credentials file of the type `external_account`.
///
/// <https://google.aip.dev/auth/4117>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoogleExternal {
    pub audience: String,
    pub subject_token_type: String,
    pub token_url: String,
    pub subject: SubjectToken,
    /// Where the token of the federation is exchanged for one of a service account, and seconds that this one lasts.
    pub impersonation: Option<(String, u64)>,
    /// As a [`GoogleUser`]'s.
    pub quota_project: Option<String>,
}

impl Google {
    /// The project that is named to Google as the one that pays, where the credentials name one.
    pub fn quota_project(&self) -> Option<&str> {
        match self {
            Google::User(user) => user.quota_project.as_deref(),
            Google::External(external) => external.quota_project.as_deref(),
            Google::Account(_) | Google::Metadata { .. } => None,
        }
    }
}

/// Where a subject token is; it is read each time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectToken {
    pub place: SubjectPlace,
    /// The field of a JSON object that holds it. `None`: the text is the token.
    pub field: Option<String>,
}

/// See [`SubjectToken`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectPlace {
    File(PathBuf),
    /// With these headers.
    Url(String, Vec<(String, Secret)>),
}

/// Credentials for Azure: tokens of Entra ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Azure {
    pub source: AzureSource,
    /// What the token is for, such as `https://cognitiveservices.azure.com`.
    pub resource: String,
}

/// Who gives tokens of Entra ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AzureSource {
    /// The metadata service of a virtual machine. Without a slash at the end. `client_id`: of a user-assigned identity.
    Machine { endpoint: String, client_id: Option<String> },
    /// The endpoint of App Service, Functions or Container Apps.
    AppService { endpoint: String, header: Secret, client_id: Option<String> },
    /// Entra ID, for a token that is read from this file each time (AKS).
    Workload { token_file: PathBuf, authority: String, tenant_id: String, client_id: String },
}

impl fmt::Display for AwsIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            AwsSource::Keys(_) => formatter.write_str("AWS access keys")?,
            AwsSource::Profile(profile) => write!(
                formatter,
                "AWS profile {} in {} and {}",
                profile.name,
                profile.credentials.display(),
                profile.config.display()
            )?,
            AwsSource::WebIdentity { token_file, role } => {
                write!(formatter, "AWS web identity: token in {}, role {}", token_file.display(), role.arn)?;
            }
            AwsSource::Container { url, .. } => {
                write!(formatter, "AWS container credentials at {}", without_path(url))?;
            }
            AwsSource::Instance { endpoint } => write!(formatter, "AWS instance metadata at {endpoint}")?,
        }
        match &self.role {
            Some(role) => write!(formatter, ", with which the role {} is assumed", role.arn),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Google {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Google::Account(account) => write!(formatter, "Google service account {}", account.client_email),
            Google::User(user) => write!(formatter, "Google user of the client {}", user.client_id),
            Google::External(external) => {
                write!(formatter, "Google workload identity for {}: subject token ", external.audience)?;
                match &external.subject.place {
                    SubjectPlace::File(file) => write!(formatter, "in {}", file.display()),
                    SubjectPlace::Url(url, _) => write!(formatter, "from {}", without_query(url)),
                }
            }
            Google::Metadata { endpoint, account } => {
                write!(formatter, "Google metadata server at {endpoint}, service account {account}")
            }
        }
    }
}

impl fmt::Display for Azure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client_id = match &self.source {
            AzureSource::Machine { endpoint, client_id } => {
                write!(formatter, "Azure managed identity at {endpoint}")?;
                client_id.as_deref()
            }
            AzureSource::AppService { endpoint, client_id, .. } => {
                write!(formatter, "Azure managed identity of App Service at {}", without_query(endpoint))?;
                client_id.as_deref()
            }
            AzureSource::Workload { token_file, client_id, .. } => {
                write!(formatter, "Azure workload identity: token in {}", token_file.display())?;
                Some(client_id.as_str())
            }
        };
        match client_id {
            Some(client_id) => write!(formatter, ", client {client_id}"),
            None => Ok(()),
        }
    }
}

/// Who knows the path of a container's credentials can ask for them.
pub fn without_path(url: &str) -> &str {
    let host_at = url.find("://").map_or(0, |at| at + 3);
    url[host_at..].find(['/', '?']).map_or(url, |end| &url[..host_at + end])
}

/// A query may hold a secret.
fn without_query(url: &str) -> &str {
    url.split('?').next().unwrap_or_default()
}
