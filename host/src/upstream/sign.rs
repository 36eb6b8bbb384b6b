//! How a provider is shown who asks. Secrets meet a request here and nowhere else.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningParams, SigningSettings, sign};
use aws_sigv4::sign::v4;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Request, http};

use super::{Origin, Pieces};
use crate::config::{AwsKeys, Secret};
use crate::plugin::bindings::provider::{AwsSigv4, HeaderAuth};

/// The key in a header, for this place and no other.
///
/// # Errors
/// When the adapter's header is none.
pub fn with_header(
    request: &mut Request<Pieces>,
    header: &HeaderAuth,
    key: &Secret,
    origin: &Origin,
) -> Result<(), String> {
    let name = HeaderName::try_from(&header.name).map_err(|_| format!("`{}` is no header's name", header.name))?;
    let value = HeaderValue::try_from(format!("{}{}", header.prefix, key.reveal()));
    let mut value = value.map_err(|_| "the key cannot be sent in a header".to_owned())?;
    value.set_sensitive(true);
    request.headers_mut().insert(name, value);
    origin.bind(request);
    Ok(())
}

/// AWS's signature, version 4, by AWS's own crate. `now` is since 1970.
///
/// # Errors
/// When the request cannot be signed; the text holds no secret.
pub fn with_sigv4(
    request: &mut Request<Pieces>,
    how: &AwsSigv4,
    keys: &AwsKeys,
    origin: &Origin,
    now: Duration,
) -> Result<(), String> {
    let session_token = keys.session_token.as_ref().map(|token| token.reveal().to_owned());
    let (id, secret) = (keys.access_key_id.clone(), keys.secret_access_key.reveal().to_owned());
    let identity = Credentials::new(id, secret, session_token, None, "configuration").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&how.region)
        .name(&how.service)
        .time(SystemTime::UNIX_EPOCH + now)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| error.to_string())?;
    let body = request.body().joined();
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let headers = [("content-type", content_type)];
    let uri = request.uri().to_string();
    let signable =
        SignableRequest::new(request.method().as_str(), uri, headers.into_iter(), SignableBody::Bytes(&body));
    let signable = signable.map_err(|error| error.to_string())?;
    let (instructions, _) = sign(signable, &SigningParams::V4(params)).map_err(|error| error.to_string())?.into_parts();
    for (name, value) in instructions.headers() {
        let (name, value) = header(name, value).map_err(|error| error.to_string())?;
        request.headers_mut().insert(name, value);
    }
    origin.bind(request);
    Ok(())
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), http::Error> {
    let mut value = HeaderValue::try_from(value)?;
    value.set_sensitive(true);
    Ok((HeaderName::try_from(name)?, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The path is encoded once on the wire and a second time in what is signed. The signature itself was made by
    /// botocore 1.44.5 for the same request, keys and time.
    #[test]
    fn the_signature_is_the_one_that_awss_own_python_makes() {
        let keys = AwsKeys {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: None,
        };
        let how = AwsSigv4 { service: "bedrock".to_owned(), region: "us-east-1".to_owned() };
        let url = "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-sonnet-4-5-v1%3A0/converse";
        let mut request = Request::post(url)
            .header(CONTENT_TYPE, "application/json")
            .body(Pieces::new(["{\"a\":".into(), "1}".into()]))
            .expect("a request");
        let origin = Origin::of(request.uri()).expect("a place");
        with_sigv4(&mut request, &how, &keys, &origin, Duration::from_secs(1_780_394_400)).expect("signed");
        let authorization = request.headers()["authorization"].to_str().expect("text");
        assert_eq!(
            authorization,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260602/us-east-1/bedrock/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=8353ffba609a4f3cae07c43a72ca3d8e749e4de1f27b2abce28025a642ad5650"
        );
        assert_eq!(request.headers()["x-amz-date"], "20260602T100000Z");
    }
}
