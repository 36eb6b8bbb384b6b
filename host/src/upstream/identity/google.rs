//! Access tokens for Google: of the machine, or in exchange for a token of somebody else whom Google trusts.
//!
//! <https://cloud.google.com/docs/authentication/get-id-token#metadata-server>, <https://google.aip.dev/auth/4117>

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request};
use serde_json::{Value, json};

use super::super::Pieces;
use super::{Askers, Credential, Granted, ask, service_account};
use crate::config::{Google, GoogleExternal, Secret, SubjectPlace, SubjectToken};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// What a token of the federation needs to be exchanged for a service account's.
const IMPERSONATION_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

pub async fn fetch(account: &Google, scope: &str, askers: &Askers, now: Duration) -> Result<Granted, String> {
    match account {
        Google::Account(account) => service_account::fetch(account, scope, &askers.client, now).await,
        Google::User(user) => {
            let fields = [
                ("grant_type", "refresh_token"),
                ("client_id", user.client_id.as_str()),
                ("client_secret", user.client_secret.reveal()),
                ("refresh_token", user.refresh_token.reveal()),
            ];
            let reply = ask::ask_json(&askers.client, ask::form(&user.token_uri, &fields)?).await?;
            Ok(Granted {
                credential: Credential::Bearer(reply.secret("access_token")?),
                lasts: Some(reply.lasts(now)?),
            })
        }
        Google::External(external) => exchanged(external, scope, askers, now).await,
        Google::Metadata { endpoint, account } => {
            let path = format!("/computeMetadata/v1/instance/service-accounts/{account}/token");
            let request = ask::empty(Method::GET, &format!("{endpoint}{path}?{}", ask::query(&[("scopes", scope)])))?;
            let reply = ask::ask_json(&askers.direct, ask::with(request, "metadata-flavor", "Google")).await?;
            Ok(Granted {
                credential: Credential::Bearer(reply.secret("access_token")?),
                lasts: Some(reply.lasts(now)?),
            })
        }
    }
}

async fn exchanged(external: &GoogleExternal, scope: &str, askers: &Askers, now: Duration) -> Result<Granted, String> {
    let subject = subject(&external.subject, askers).await?;
    let fields = [
        ("grant_type", EXCHANGE),
        ("audience", &external.audience),
        ("scope", if external.impersonation.is_some() { IMPERSONATION_SCOPE } else { scope }),
        ("requested_token_type", ACCESS_TOKEN),
        ("subject_token", &subject),
        ("subject_token_type", &external.subject_token_type),
    ];
    let reply = ask::ask_json(&askers.client, ask::form(&external.token_url, &fields)?).await?;
    let token = reply.secret("access_token")?;
    let Some((url, lifetime_s)) = &external.impersonation else {
        return Ok(Granted { credential: Credential::Bearer(token), lasts: Some(reply.lasts(now)?) });
    };
    let body = json!({ "scope": [scope], "lifetime": format!("{lifetime_s}s") }).to_string();
    let request = Request::post(url).body(Pieces::new([Bytes::from(body)]));
    let mut request = request.map_err(|error| format!("{}: {error}", ask::shown(url)))?;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let bearer = Secret::new(format!("Bearer {}", token.reveal()));
    let reply = ask::ask_json(&askers.client, ask::with_secret(request, "authorization", &bearer)?).await?;
    let lasts = reply.lasts_until("expireTime", now)?;
    Ok(Granted { credential: Credential::Bearer(reply.secret("accessToken")?), lasts: Some(lasts) })
}

/// The token of the other issuer.
async fn subject(token: &SubjectToken, askers: &Askers) -> Result<String, String> {
    let (text, place) = match &token.place {
        SubjectPlace::File(file) => (ask::token_in(file).await?, file.display().to_string()),
        SubjectPlace::Url(url, headers) => {
            let mut request = ask::empty(Method::GET, url)?;
            for (name, value) in headers {
                request = ask::with_secret(request, name, value)?;
            }
            // A metadata service is reached straight, and what has TLS as the provider is.
            let client = if url.starts_with("https://") { &askers.client } else { &askers.direct };
            (ask::ask(client, request).await?.trim().to_owned(), ask::shown(url))
        }
    };
    let Some(field) = &token.field else { return Ok(text) };
    let json: Value = serde_json::from_str(&text).map_err(|_| format!("{place}: it is not JSON"))?;
    let token = json[field].as_str().filter(|token| !token.is_empty());
    token.map(str::to_owned).ok_or_else(|| format!("{place}: it has no `{field}`"))
}
