//! Access tokens for a Google service account: a signed statement of who we are, exchanged for a token that lasts an hour.
//!
//! <https://developers.google.com/identity/protocols/oauth2/service-account#authorizingrequests>

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;

use super::{Client, Credential, Granted, ask};
use crate::config::GoogleAccount;

const STATEMENT_S: u64 = 3600;
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

pub async fn fetch(account: &GoogleAccount, scope: &str, client: &Client, now: Duration) -> Result<Granted, String> {
    let issued = now.as_secs();
    let claims =
        Claims { iss: &account.client_email, scope, aud: &account.token_uri, iat: issued, exp: issued + STATEMENT_S };
    let key = EncodingKey::from_rsa_pem(account.private_key.reveal().as_bytes());
    let key = key.map_err(|_| "the service account's private key is not an RSA key in PEM form".to_owned())?;
    let statement = encode(&Header::new(Algorithm::RS256), &claims, &key).map_err(|error| error.to_string())?;
    let request = ask::form(&account.token_uri, &[("grant_type", GRANT), ("assertion", &statement)])?;
    let reply = ask::ask_json(client, request).await?;
    let lasts = reply.lasts(now)?.min(Duration::from_secs(STATEMENT_S));
    Ok(Granted { credential: Credential::Bearer(reply.secret("access_token")?), lasts: Some(lasts) })
}
