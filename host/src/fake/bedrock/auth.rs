//! Who is let in: a signature of version 4 for the service `bedrock`, or an API key.
//!
//! The signature itself is checked for one pair of test credentials, the one that AWS uses in its own documents. Others sign
//! with secrets that nobody told this fake, so of theirs only the form is looked at.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use super::super::reply::Refused;
use super::super::state::Seen;
use super::errors::refused;

pub const TEST_KEY: &str = "AKIDEXAMPLE";
pub const TEST_SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                        Access Key and signing method. Consult the service documentation for details.";

pub fn check(seen: &Seen) -> Result<(), Refused> {
    let Some(authorization) = seen.header("authorization") else {
        return Err(refused(403, "MissingAuthenticationTokenException", "Missing Authentication Token"));
    };
    if let Some(key) = authorization.strip_prefix("Bearer ") {
        let is_good = !key.is_empty() && !key.starts_with("bad");
        let message = "Authentication failed: Please make sure your API Key is valid.";
        return if is_good { Ok(()) } else { Err(refused(403, "AccessDeniedException", message)) };
    }
    let incomplete = |what: &str| refused(403, "IncompleteSignatureException", what);
    let signed = Signed::read(authorization).map_err(|what| incomplete(&what))?;
    let date = seen
        .header("x-amz-date")
        .ok_or_else(|| incomplete("Authorization header requires existence of a 'X-Amz-Date' header."))?;
    signed.check_scope(date).map_err(|what| refused(403, "InvalidSignatureException", &what))?;
    if signed.key.starts_with("bad") {
        let message = "The security token included in the request is invalid.";
        return Err(refused(403, "UnrecognizedClientException", message));
    }
    if signed.key == TEST_KEY && signed.expected(seen, date).as_deref() != Some(signed.signature) {
        return Err(refused(403, "InvalidSignatureException", MISMATCH));
    }
    Ok(())
}

/// What stands in the header `Authorization`.
struct Signed<'a> {
    key: &'a str,
    day: &'a str,
    region: &'a str,
    service: &'a str,
    headers: Vec<&'a str>,
    signature: &'a str,
}

impl<'a> Signed<'a> {
    fn read(authorization: &'a str) -> Result<Signed<'a>, String> {
        let rest = authorization.strip_prefix("AWS4-HMAC-SHA256 ");
        let rest = rest.ok_or("Authorization header requires 'Credential' parameter.".to_owned())?;
        let parameter = |name: &str| {
            let mut pairs = rest.split(',').filter_map(|pair| pair.trim().split_once('='));
            let found = pairs.find(|(given, _)| *given == name).map(|(_, value)| value);
            found.ok_or(format!("Authorization header requires '{name}' parameter. Authorization={authorization}"))
        };
        let scope: Vec<&str> = parameter("Credential")?.split('/').collect();
        let [key, day, region, service, "aws4_request"] = *scope else {
            return Err("Credential must have exactly 5 slash-delimited elements".to_owned());
        };
        let headers = parameter("SignedHeaders")?.split(';').collect();
        Ok(Signed { key, day, region, service, headers, signature: parameter("Signature")? })
    }

    fn check_scope(&self, date: &str) -> Result<(), String> {
        if self.service != "bedrock" {
            return Err(format!("Credential should be scoped to correct service: 'bedrock'. Not: '{}'", self.service));
        }
        if !date.starts_with(self.day) {
            return Err(format!(
                "Date in Credential scope does not match YYYYMMDD from date: '{}' != '{date}'",
                self.day
            ));
        }
        match ["host", "x-amz-date"].iter().find(|name| !self.headers.contains(name)) {
            Some(name) => Err(format!("'{name}' must be a 'SignedHeader' in the AWS Authorization.")),
            None => Ok(()),
        }
    }

    /// The signature that the test credentials give. The path is encoded once more for it, though it is encoded already.
    fn expected(&self, seen: &Seen, date: &str) -> Option<String> {
        let headers = seen.headers.iter().filter(|(name, _)| self.headers.contains(&name.as_str()));
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_str()));
        let uri = format!("http://{}{}", seen.header("host")?, seen.path);
        let request = SignableRequest::new(&seen.method, uri, headers, SignableBody::Bytes(&seen.body)).ok()?;
        let identity = Credentials::new(TEST_KEY, TEST_SECRET, None, None, "test").into();
        let mut settings = SigningSettings::default();
        settings.excluded_headers = None;
        let params = SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(time(date)?)
            .settings(settings)
            .build()
            .ok()?;
        Some(sign(request, &params.into()).ok()?.signature().to_owned())
    }
}

/// `20260602T100000Z`.
fn time(date: &str) -> Option<SystemTime> {
    let part = |from: usize, to: usize| date.get(from..to);
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(9, 11)?, part(11, 13)?, part(13, 15)?);
    let text = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
    DateTime::from_str(&text, Format::DateTime).ok()?.try_into().ok()
}
