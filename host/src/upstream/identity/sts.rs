//! AWS's Security Token Service: temporary credentials for a role, for who shows a token or signs the request.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>,
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>

use std::time::Duration;

use super::super::{Client, Origin, sign};
use super::{Credential, Granted, ask};
use crate::config::{AwsKeys, AwsRole, Secret};
use crate::plugin::bindings::provider::AwsSigv4;

const VERSION: &str = "2011-06-15";

/// Where it is.
pub struct Sts<'a> {
    pub client: &'a Client,
    pub region: &'a str,
    /// In place of AWS's own.
    pub endpoint: Option<&'a str>,
    /// Since 1970.
    pub now: Duration,
}

/// How the caller of STS is known.
pub enum Caller<'a> {
    Keys(&'a AwsKeys),
    WebIdentity(&'a str),
}

impl Sts<'_> {
    /// # Errors
    /// Why there are no credentials.
    pub async fn assume(&self, role: &AwsRole, caller: Caller<'_>) -> Result<Granted, String> {
        let url = format!("{}/", self.endpoint.map_or_else(|| own_endpoint(self.region), str::to_owned));
        let action = match caller {
            Caller::Keys(_) => "AssumeRole",
            Caller::WebIdentity(_) => "AssumeRoleWithWebIdentity",
        };
        let mut fields = vec![
            ("Action", action),
            ("Version", VERSION),
            ("RoleArn", role.arn.as_str()),
            ("RoleSessionName", role.session_name.as_str()),
        ];
        if let Some(external_id) = &role.external_id {
            fields.push(("ExternalId", external_id));
        }
        if let Caller::WebIdentity(token) = caller {
            fields.push(("WebIdentityToken", token));
        }
        let mut request = ask::form(&url, &fields)?;
        if let Caller::Keys(keys) = caller {
            let origin = Origin::of(request.uri()).ok_or("the URL of STS is not one of HTTP")?;
            let how = AwsSigv4 { service: "sts".to_owned(), region: self.region.to_owned() };
            sign::with_sigv4(&mut request, &how, keys, &origin, self.now)?;
        }
        let reply =
            ask::ask(self.client, request).await.map_err(|text| format!("{action} for {}: {text}", role.arn))?;
        granted(&url, &reply, self.now)
    }
}

fn own_endpoint(region: &str) -> String {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://sts.{region}.{domain}")
}

fn granted(url: &str, reply: &str, now: Duration) -> Result<Granted, String> {
    let credentials = element(reply, "Credentials").unwrap_or_default();
    let field = |name: &str| {
        let value = element(credentials, name).filter(|value| value.bytes().all(|byte| byte.is_ascii_graphic()));
        value.ok_or_else(|| format!("{url}: the reply has no `{name}`"))
    };
    let keys = AwsKeys {
        access_key_id: field("AccessKeyId")?.to_owned(),
        secret_access_key: Secret::new(field("SecretAccessKey")?),
        session_token: Some(Secret::new(field("SessionToken")?)),
    };
    let lasts = ask::until(url, "Expiration", field("Expiration")?, now)?;
    Ok(Granted { credential: Credential::Aws(keys), lasts: Some(lasts) })
}

/// What stands in the first element of this name. Those that are read here have no attributes, and no letter in them is one
/// that XML encodes.
pub fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text.trim()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The form of the example in the API's reference.
    const REPLY: &str = r#"<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleResult>
    <AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/demo/s</Arn><AssumedRoleId>ARO:s</AssumedRoleId></AssumedRoleUser>
    <Credentials>
      <AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId>
      <SecretAccessKey>wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY</SecretAccessKey>
      <SessionToken>AQoDYXdzEPT//////////wEXAMPLE==</SessionToken>
      <Expiration>2026-06-02T11:00:00Z</Expiration>
    </Credentials>
  </AssumeRoleResult>
</AssumeRoleResponse>"#;
    const NOW: Duration = Duration::from_secs(1_780_394_400);

    #[test]
    fn a_reply_is_read() {
        let granted = granted("u", REPLY, NOW).expect("credentials");
        let Credential::Aws(keys) = granted.credential else { panic!("keys") };
        assert_eq!(keys.access_key_id, "ASIAIOSFODNN7EXAMPLE");
        assert_eq!(keys.secret_access_key.reveal(), "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY");
        assert_eq!(keys.session_token.expect("a token").reveal(), "AQoDYXdzEPT//////////wEXAMPLE==");
        assert_eq!(granted.lasts, Some(Duration::from_secs(3600)));
    }

    #[test]
    fn what_is_wrong_with_a_reply_is_said_without_it() {
        for (from, to, expected) in [
            ("AccessKeyId>", "Id>", "u: the reply has no `AccessKeyId`"),
            ("wJalrXUtnFEMI", "wJalr XUtnFEMI", "u: the reply has no `SecretAccessKey`"),
            ("</SessionToken>", "", "u: the reply has no `SessionToken`"),
            ("2026-06-02T11", "2026-06-02T09", "u: the credentials in the reply have expired"),
            ("2026-06-02T11:00:00Z", "later", "u: `Expiration` in the reply is no date"),
            ("Credentials>", "C>", "u: the reply has no `AccessKeyId`"),
        ] {
            assert_eq!(granted("u", &REPLY.replace(from, to), NOW), Err(expected.to_owned()));
        }
    }
}
