//! Temporary credentials for AWS.

use std::time::Duration;

use hyper::Method;

use super::ask::{self, Reply};
use super::sts::{Caller, Sts};
use super::{Askers, Client, Credential, Granted};
use crate::config::{AwsIdentity, AwsKeys, AwsProfile, AwsSource, ContainerToken, Profile, Secret, without_path};

/// Seconds that a session with an instance's metadata service may last; six hours, which AWS allows.
const METADATA_SESSION_S: &str = "21600";

pub async fn fetch(identity: &AwsIdentity, region: &str, askers: &Askers, now: Duration) -> Result<Granted, String> {
    let region = identity.sts_region.as_deref().unwrap_or(region);
    let sts = Sts { client: &askers.client, region, endpoint: identity.sts_endpoint.as_deref(), now };
    let granted = match &identity.source {
        AwsSource::Keys(keys) => Granted { credential: Credential::Aws(keys.clone()), lasts: None },
        AwsSource::Profile(profile) => of_profile(profile, &sts).await?,
        AwsSource::WebIdentity { token_file, role } => {
            let token = ask::token_in(token_file).await?;
            sts.assume(role, Caller::WebIdentity(&token)).await?
        }
        AwsSource::Container { url, authorization } => {
            container(url, authorization.as_ref(), &askers.direct, now).await?
        }
        AwsSource::Instance { endpoint } => instance(endpoint, &askers.direct, now).await?,
    };
    match (&identity.role, &granted.credential) {
        (Some(role), Credential::Aws(keys)) => sts.assume(role, Caller::Keys(keys)).await,
        _ => Ok(granted),
    }
}

/// The files are read anew: other programs write new keys into them.
async fn of_profile(profile: &AwsProfile, sts: &Sts<'_>) -> Result<Granted, String> {
    let mut texts = [String::new(), String::new()];
    for (file, text) in [&profile.credentials, &profile.config].into_iter().zip(&mut texts) {
        match tokio::fs::read_to_string(file).await {
            Ok(read) => *text = read,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("reading {}: {error}", file.display())),
        }
    }
    let found = Profile::find(&profile.name, &texts[0], &texts[1], &profile.session_name)
        .map_err(|text| format!("{text} in {} and {}", profile.credentials.display(), profile.config.display()))?;
    let mut granted = Granted { credential: Credential::Aws(found.keys), lasts: None };
    for role in &found.roles {
        if let Credential::Aws(keys) = &granted.credential {
            granted = sts.assume(role, Caller::Keys(keys)).await?;
        }
    }
    Ok(granted)
}

/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>
async fn container(
    url: &str,
    authorization: Option<&ContainerToken>,
    client: &Client,
    now: Duration,
) -> Result<Granted, String> {
    let mut request = ask::empty(Method::GET, url)?;
    let token = match authorization {
        None => None,
        Some(ContainerToken::Value(token)) => Some(token.clone()),
        Some(ContainerToken::File(file)) => Some(Secret::new(ask::token_in(file).await?)),
    };
    if let Some(token) = token {
        request = ask::with_secret(request, "authorization", &token)?;
    }
    let granted = match ask::ask_json(client, request).await {
        Ok(reply) => keys(&reply, now),
        Err(text) => Err(text),
    };
    granted.map_err(|text| text.replace(&ask::shown(url), &format!("{}/…", without_path(url))))
}

/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html>
async fn instance(endpoint: &str, client: &Client, now: Duration) -> Result<Granted, String> {
    let session = ask::empty(Method::PUT, &format!("{endpoint}/latest/api/token"))?;
    let session = ask::with(session, "x-aws-ec2-metadata-token-ttl-seconds", METADATA_SESSION_S);
    let session = Secret::new(ask::ask(client, session).await?.trim());
    let get = async |path: &str| {
        let request = ask::empty(Method::GET, &format!("{endpoint}/latest/meta-data/iam/security-credentials/{path}"))?;
        ask::with_secret(request, "x-aws-ec2-metadata-token", &session)
    };
    let role = ask::ask(client, get("").await?).await?;
    let role = role.lines().next().unwrap_or_default().trim();
    // IAM's letters for names; it becomes part of a URL.
    let is_well = |letter: char| letter.is_ascii_alphanumeric() || "+=,.@_-".contains(letter);
    if role.is_empty() || !role.chars().all(is_well) {
        return Err(format!("{endpoint}/latest/meta-data/iam/security-credentials/: the reply names no role"));
    }
    keys(&ask::ask_json(client, get(role).await?).await?, now)
}

/// Both give them in one form.
fn keys(reply: &Reply, now: Duration) -> Result<Granted, String> {
    let keys = AwsKeys {
        access_key_id: reply.secret("AccessKeyId")?.reveal().to_owned(),
        secret_access_key: reply.secret("SecretAccessKey")?,
        session_token: Some(reply.secret("Token")?),
    };
    let lasts = reply.lasts_until("Expiration", now)?;
    Ok(Granted { credential: Credential::Aws(keys), lasts: Some(lasts) })
}
