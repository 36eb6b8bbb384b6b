//! Access tokens for a Google service account: a signed statement of who we are, changed for a token that lasts an hour.
//!
//! <https://developers.google.com/identity/protocols/oauth2/service-account#authorizingrequests>

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::Request;
use hyper::header::CONTENT_TYPE;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Client, Pieces, SentAt};
use crate::config::{GoogleAccount, Secret};

/// A token that is about to expire could do so on its way.
const SPARE: Duration = Duration::from_secs(120);
const STATEMENT_S: u64 = 3600;
/// A token is a kilobyte or two.
const REPLY_BYTES_MAX: usize = 64 << 10;

/// The token in force. One request gets a new one; the others wait for it.
#[derive(Debug, Default)]
pub struct Tokens {
    current: Mutex<Option<(Secret, Instant)>>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
}

impl Tokens {
    /// `now` is since 1970.
    ///
    /// # Errors
    /// Why there is no token; the text holds no secret.
    pub async fn get(
        &self,
        account: &GoogleAccount,
        scope: &str,
        client: &Client,
        now: Duration,
    ) -> Result<Secret, String> {
        let mut current = self.current.lock().await;
        if let Some((token, until)) = &*current
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let granted = grant(account, scope, client, now).await?;
        let token = Secret::new(granted.access_token);
        let lasts = Duration::from_secs(granted.expires_in.min(STATEMENT_S)).saturating_sub(SPARE);
        *current = Some((token.clone(), Instant::now() + lasts));
        Ok(token)
    }
}

async fn grant(account: &GoogleAccount, scope: &str, client: &Client, now: Duration) -> Result<Granted, String> {
    let issued = now.as_secs();
    let claims =
        Claims { iss: &account.client_email, scope, aud: &account.token_uri, iat: issued, exp: issued + STATEMENT_S };
    let key = EncodingKey::from_rsa_pem(account.private_key.reveal().as_bytes());
    let key = key.map_err(|_| "the service account's private key is not an RSA key in PEM form".to_owned())?;
    let statement = encode(&Header::new(Algorithm::RS256), &claims, &key).map_err(|error| error.to_string())?;
    let form = format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={statement}");
    let request = Request::post(&account.token_uri)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Pieces::new([Bytes::from(form)]))
        .map_err(|error| error.to_string())?;
    let response = client.send(request, &SentAt::default()).await?;
    let status = response.status();
    let body =
        Limited::new(response.into_body(), REPLY_BYTES_MAX).collect().await.map_err(|error| error.to_string())?;
    if !status.is_success() {
        return Err(format!("{} answered {status}", account.token_uri));
    }
    serde_json::from_slice(&body.to_bytes()).map_err(|_| format!("{} gave no token", account.token_uri))
}
