//! One small question to a service that gives credentials, and what can be wrong with its answer. No text here holds a body
//! or a query, because both may hold secrets.

use std::path::Path;
use std::time::Duration;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::super::{Client, Origin, Pieces, SentAt, sign};
use crate::config::Secret;
use crate::plugin::bindings::provider::HeaderAuth;

/// Credentials have a few kilobytes.
const REPLY_BYTES_MAX: usize = 64 << 10;
/// Of an error's code in a message.
const CODE_BYTES_MAX: usize = 64;
/// RFC 3986: what is encoded nowhere.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A request without a body.
///
/// # Errors
/// It is no URL.
pub fn empty(method: Method, url: &str) -> Result<Request<Pieces>, String> {
    let request = Request::builder().method(method).uri(url).body(Pieces::default());
    request.map_err(|error| format!("{}: {error}", shown(url)))
}

/// A form that is posted.
///
/// # Errors
/// It is no URL.
pub fn form(url: &str, fields: &[(&str, &str)]) -> Result<Request<Pieces>, String> {
    let request = Request::post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let request = request.body(Pieces::new([Bytes::from(query(fields))]));
    request.map_err(|error| format!("{}: {error}", shown(url)))
}

/// Fields as in a query or a form.
pub fn query(fields: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| format!("{name}={}", utf8_percent_encode(value, ENCODED));
    fields.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// With a secret in a header, for this request's place only.
///
/// # Errors
/// It can stand in no header.
pub fn with_secret(mut request: Request<Pieces>, name: &str, secret: &Secret) -> Result<Request<Pieces>, String> {
    let origin = Origin::of(request.uri()).ok_or("its URL is not one of HTTP")?;
    let header = HeaderAuth { name: name.to_owned(), prefix: String::new() };
    sign::with_header(&mut request, &header, secret, &origin)?;
    Ok(request)
}

/// With a header that is no secret.
pub fn with(mut request: Request<Pieces>, name: &'static str, value: &'static str) -> Request<Pieces> {
    request.headers_mut().insert(name, HeaderValue::from_static(value));
    request
}

/// The body of a success.
///
/// # Errors
/// There is no answer, or another one: with the status and the code of the error.
pub async fn ask(client: &Client, request: Request<Pieces>) -> Result<String, String> {
    let url = shown(&request.uri().to_string());
    let response = client.send(request, &SentAt::default()).await.map_err(|error| format!("{url}: {error}"))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), REPLY_BYTES_MAX).collect().await;
    let body = body.map_err(|error| format!("{url}: the reply broke off: {error}"))?.to_bytes();
    let text = String::from_utf8(body.to_vec()).map_err(|_| format!("{url}: the reply is not text"))?;
    match (status.is_success(), code(&text)) {
        (true, _) => Ok(text),
        (false, Some(code)) => Err(format!("{url} answered {status}: {code}")),
        (false, None) => Err(format!("{url} answered {status}")),
    }
}

/// The body of a success that is an object of JSON.
///
/// # Errors
/// As above, or it is none.
pub async fn ask_json(client: &Client, request: Request<Pieces>) -> Result<Reply, String> {
    let url = shown(&request.uri().to_string());
    let text = ask(client, request).await?;
    let json: Value = serde_json::from_str(&text).map_err(|_| format!("{url}: the reply is not JSON"))?;
    match json.is_object() {
        true => Ok(Reply { url, json }),
        false => Err(format!("{url}: the reply is not a JSON object")),
    }
}

/// An object, and who gave it.
pub struct Reply {
    url: String,
    json: Value,
}

impl Reply {
    /// # Errors
    /// The field is missing, empty, or no text.
    pub fn text(&self, name: &str) -> Result<String, String> {
        let value = self.json[name].as_str().filter(|value| !value.is_empty());
        value.map(str::to_owned).ok_or_else(|| format!("{}: the reply has no `{name}`", self.url))
    }

    /// A token, which a header must be able to hold.
    ///
    /// # Errors
    /// It is missing or no token.
    pub fn secret(&self, name: &str) -> Result<Secret, String> {
        let value = self.text(name)?;
        match value.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(Secret::new(value)),
            false => Err(format!("{}: `{name}` in the reply is no token", self.url)),
        }
    }

    /// Seconds, as a number or a text.
    pub fn seconds(&self, name: &str) -> Option<u64> {
        let value = &self.json[name];
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    }

    /// How long it lasts, as `expires_in` or `expires_on` says.
    ///
    /// # Errors
    /// Neither is there, or it lasts no time.
    pub fn lasts(&self, now: Duration) -> Result<Duration, String> {
        let until = self.seconds("expires_on").map(|until| Duration::from_secs(until).saturating_sub(now));
        let lasts = self.seconds("expires_in").map(Duration::from_secs).or(until);
        let lasts = lasts.ok_or_else(|| format!("{}: the reply has no `expires_in`", self.url))?;
        match lasts.is_zero() {
            true => Err(format!("{}: the token in the reply has expired", self.url)),
            false => Ok(lasts),
        }
    }

    /// How long it lasts, until the date in this field.
    ///
    /// # Errors
    /// There is no date, or it is past.
    pub fn lasts_until(&self, name: &str, now: Duration) -> Result<Duration, String> {
        until(&self.url, name, &self.text(name)?, now)
    }
}

/// From now to a date such as `2026-06-02T10:00:00Z`. `url` and `name`: who said it, and how it is called there.
///
/// # Errors
/// It is no date, or it is past.
pub fn until(url: &str, name: &str, date: &str, now: Duration) -> Result<Duration, String> {
    let date = DateTime::from_str(date, Format::DateTimeWithOffset);
    let date = date.map_err(|_| format!("{url}: `{name}` in the reply is no date"))?;
    let lasts = Duration::from_secs(u64::try_from(date.secs()).unwrap_or_default()).saturating_sub(now);
    match lasts.is_zero() {
        true => Err(format!("{url}: the credentials in the reply have expired")),
        false => Ok(lasts),
    }
}

/// A token in a file, which is written anew while the gateway runs.
///
/// # Errors
/// It cannot be read, or is empty.
pub async fn token_in(file: &Path) -> Result<String, String> {
    let text = tokio::fs::read_to_string(file).await.map_err(|error| format!("reading {}: {error}", file.display()))?;
    match text.trim() {
        "" => Err(format!("{} is empty", file.display())),
        token => Ok(token.to_owned()),
    }
}

/// A URL without its query.
pub fn shown(url: &str) -> String {
    url.split('?').next().unwrap_or_default().to_owned()
}

/// The code of an error, in any of the clouds' forms.
fn code(body: &str) -> Option<String> {
    let json: Value = serde_json::from_str(body).unwrap_or_default();
    let in_json = [&json["error"]["status"], &json["error"]["code"], &json["error"], &json["Code"], &json["code"]];
    let code = in_json.into_iter().find_map(Value::as_str).or_else(|| super::sts::element(body, "Code"))?;
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    (code.len() <= CODE_BYTES_MAX && code.bytes().all(is_word)).then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_an_error_in_each_form() {
        for (body, expected) in [
            (r#"{"error":"invalid_grant","error_description":"a secret"}"#, Some("invalid_grant")),
            (r#"{"error":{"code":403,"status":"PERMISSION_DENIED"}}"#, Some("PERMISSION_DENIED")),
            (r#"{"Code":"AssumeRoleUnauthorizedAccess"}"#, Some("AssumeRoleUnauthorizedAccess")),
            ("<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>", Some("AccessDenied")),
            (r#"{"error":"a text with a secret"}"#, None),
            ("Not Found", None),
        ] {
            assert_eq!(code(body).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn a_reply_says_how_long_it_lasts() {
        let now = Duration::from_secs(1_780_394_400);
        for (json, expected) in [
            (r#"{"expires_in":3599}"#, Ok(3599)),
            (r#"{"expires_in":"3599"}"#, Ok(3599)),
            (r#"{"expires_on":"1780394500"}"#, Ok(100)),
            (r#"{"expires_on":1780394500,"expires_in":""}"#, Ok(100)),
            (r#"{"expires_on":1780394400}"#, Err("http://a: the token in the reply has expired")),
            (r#"{"expires_in":true}"#, Err("http://a: the reply has no `expires_in`")),
        ] {
            let reply = Reply { url: "http://a".to_owned(), json: serde_json::from_str(json).expect("JSON") };
            let lasts = reply.lasts(now);
            assert_eq!(lasts.as_ref().map(Duration::as_secs).map_err(String::as_str), expected, "{json}");
        }
        for (date, expected) in [
            ("2026-06-02T10:01:40Z", Ok(100)),
            ("2026-06-02T12:01:40+02:00", Ok(100)),
            ("2026-06-02T10:00:00Z", Err("a: the credentials in the reply have expired".to_owned())),
            ("soon", Err("a: `E` in the reply is no date".to_owned())),
        ] {
            assert_eq!(until("a", "E", date, now).map(|lasts| lasts.as_secs()), expected, "{date}");
        }
    }

    #[test]
    fn forms_are_encoded() {
        assert_eq!(query(&[("a", "urn:x y&z=1"), ("b", "~-._")]), "a=urn%3Ax%20y%26z%3D1&b=~-._");
    }
}
