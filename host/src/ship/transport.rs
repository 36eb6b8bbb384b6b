//! HTTP for packages. Every answer has a limit of size and time, and redirects are followed, because registries keep their
//! blobs elsewhere; what shows who we are goes to the place that was asked first, and no further.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use tokio::time::timeout;

use crate::config::Secret;
use crate::config::{self, Way};
use crate::net::Network;
use crate::upstream::{Client, Incoming, Origin, Pieces, SentAt};

/// From a blob's address to the storage behind it is one step, or two.
const REDIRECTS_MAX: usize = 5;
/// Name lookup, TCP and TLS. No request waits for it, so there is time for several packets that are lost.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Between two pieces of an answer.
const PIECE_TIMEOUT: Duration = Duration::from_secs(30);
/// All in all: 32 MB at one megabit a second.
const TIMEOUT: Duration = Duration::from_secs(300);
/// Of an answer that is no success: what is quoted of it is short.
const REFUSAL_BYTES_MAX: usize = 64 << 10;
const AGENT: &str = concat!("pointsman/", env!("CARGO_PKG_VERSION"));

/// Asks servers of packages.
pub struct Transport {
    client: Client,
    /// The operator allows plain HTTP to anybody.
    insecure: bool,
}

/// One request.
pub struct Ask<'a> {
    pub method: Method,
    pub url: Uri,
    pub headers: &'a [(HeaderName, &'a str)],
    /// The value of `authorization`.
    pub authorization: Option<&'a Secret>,
    pub body: Bytes,
    /// Bytes that a success may have.
    pub most: usize,
}

impl Ask<'_> {
    pub fn get(url: Uri, most: usize) -> Self {
        Ask { method: Method::GET, url, headers: &[], authorization: None, body: Bytes::new(), most }
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Empty when an answer that is no success was too long.
    pub body: Bytes,
}

impl Answer {
    /// The header's text; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Transport {
    /// # Errors
    /// When the platform's certificates cannot be read, or the environment names a proxy that is none.
    pub fn new(insecure: bool) -> anyhow::Result<Transport> {
        let way = Way { proxy: config::usual_proxy(&config::process_environment)?, ..Way::default() };
        Ok(Transport { client: Client::new(&Network::System, CONNECT_TIMEOUT, &way)?, insecure })
    }

    /// `https`, or `http` where that is allowed.
    pub fn scheme(&self, authority: &str) -> &'static str {
        let plain: Option<Uri> = format!("http://{authority}/").parse().ok();
        match plain.is_some_and(|url| self.allows(&url)) {
            true => "http",
            false => "https",
        }
    }

    /// # Errors
    /// Why there is no answer: the place is named, without what may be secret of its URL.
    pub async fn ask(&self, ask: Ask<'_>) -> anyhow::Result<Answer> {
        let place = shown(&ask.url);
        let answered = timeout(TIMEOUT, self.follow(ask)).await;
        let answered = answered.unwrap_or_else(|_| bail!("it took longer than {} s", TIMEOUT.as_secs()));
        answered.with_context(|| format!("asking {place}"))
    }

    async fn follow(&self, ask: Ask<'_>) -> anyhow::Result<Answer> {
        let mut url = ask.url.clone();
        ensure!(
            self.allows(&url),
            "it is plain HTTP, which only loopback addresses may be asked by (or with --insecure)"
        );
        let first = Origin::of(&url).ok_or_else(|| anyhow!("it is no URL of a place"))?;
        for _ in 0..=REDIRECTS_MAX {
            let response = self.send(&ask, &url, &first).await?;
            let is_redirect = response.status().is_redirection() && response.headers().contains_key(LOCATION);
            if !is_redirect || (ask.method != Method::GET && ask.method != Method::HEAD) {
                return read(response, ask.most, &ask.method).await;
            }
            let next = response.headers()[LOCATION].to_str().ok().and_then(|location| resolve(&url, location));
            let next = next.ok_or_else(|| anyhow!("it redirects to what is no URL"))?;
            ensure!(
                next.scheme_str() == Some("https") || (url.scheme_str() == Some("http") && self.allows(&next)),
                "it redirects to {}, which is plain HTTP",
                shown(&next)
            );
            url = next;
        }
        bail!("it redirects more than {REDIRECTS_MAX} times")
    }

    async fn send(&self, ask: &Ask<'_>, url: &Uri, first: &Origin) -> anyhow::Result<Response<Incoming>> {
        let body = Pieces::new([ask.body.clone()]);
        let mut request = Request::builder().method(ask.method.clone()).uri(url.clone()).body(body)?;
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
        for (name, value) in ask.headers {
            request.headers_mut().insert(name, HeaderValue::try_from(*value)?);
        }
        if let Some(authorization) = ask.authorization
            && Origin::of(url).as_ref() == Some(first)
        {
            let value = HeaderValue::try_from(authorization.reveal());
            let mut value = value.map_err(|_| anyhow!("the login cannot be sent in a header"))?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
            first.bind(&mut request);
        }
        self.client.send(request, &SentAt::default()).await.map_err(|unsent| anyhow!(unsent.text))
    }

    fn allows(&self, url: &Uri) -> bool {
        match url.scheme_str() {
            Some("https") => true,
            Some("http") => self.insecure || url.host().is_some_and(is_loopback),
            _ => false,
        }
    }
}

/// Is this host this machine?
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A URL without what may be secret in it.
pub fn shown(url: &Uri) -> String {
    let (scheme, host) = (url.scheme_str().unwrap_or_default(), url.host().unwrap_or_default());
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}://{host}{port}{}", url.path())
}

/// Where a `location` leads from here.
pub fn resolve(from: &Uri, location: &str) -> Option<Uri> {
    let absolute = match location.starts_with('/') && !location.starts_with("//") {
        true => format!("{}://{}{location}", from.scheme_str()?, from.authority()?),
        false => location.to_owned(),
    };
    let url: Uri = absolute.parse().ok()?;
    let is_place = url.scheme().is_some() && !url.authority()?.as_str().contains('@');
    is_place.then_some(url)
}

async fn read(response: Response<Incoming>, most: usize, method: &Method) -> anyhow::Result<Answer> {
    let (head, mut body) = response.into_parts();
    let well = head.status.is_success();
    let most = if well { most } else { REFUSAL_BYTES_MAX };
    let announced = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let too_long = || anyhow!("its answer is longer than {most} bytes");
    let mut bytes = BytesMut::new();
    let mut cut = *method != Method::HEAD && announced.is_some_and(|length| length > most as u64);
    while !cut {
        let piece = timeout(PIECE_TIMEOUT, body.frame()).await;
        let piece = piece.map_err(|_| anyhow!("nothing came for {} s", PIECE_TIMEOUT.as_secs()))?;
        let Some(piece) = piece else { break };
        let piece = piece.map_err(|error| anyhow!("its answer broke off: {error}"))?;
        let Some(data) = piece.data_ref() else { continue };
        cut = bytes.len() + data.len() > most;
        if !cut {
            bytes.extend_from_slice(data);
        }
    }
    if cut && well {
        return Err(too_long());
    }
    let body = if cut { Bytes::new() } else { bytes.freeze() };
    Ok(Answer { status: head.status, headers: head.headers, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_location_leads() {
        let from: Uri = "https://registry.example:444/v2/a/blobs/x?y=1".parse().expect("a URL");
        for (location, to) in [
            ("/v2/b", Some("https://registry.example:444/v2/b")),
            ("https://storage.example/b?sign=1", Some("https://storage.example/b?sign=1")),
            ("http://storage.example/b", Some("http://storage.example/b")),
            ("//storage.example/b", None),
            ("b", None),
            ("https://user@storage.example/b", None),
            ("", None),
        ] {
            assert_eq!(resolve(&from, location), to.map(|to| to.parse().expect("a URL")), "{location}");
        }
    }

    #[test]
    fn only_this_machine_is_asked_in_plain() {
        let transport = Transport::new(false).expect("certificates");
        for (authority, scheme) in [
            ("127.0.0.1:5000", "http"),
            ("localhost", "http"),
            ("[::1]:5000", "http"),
            ("registry.example", "https"),
            ("127.0.0.1.evil.example", "https"),
            ("localhost.evil.example:80", "https"),
            ("10.0.0.1:5000", "https"),
        ] {
            assert_eq!(transport.scheme(authority), scheme, "{authority}");
        }
        assert_eq!(Transport::new(true).expect("certificates").scheme("10.0.0.1:5000"), "http");
    }

    #[test]
    fn a_url_is_shown_without_its_query() {
        let url: Uri = "https://host.example:1/a.wasm?token=secret".parse().expect("a URL");
        assert_eq!(shown(&url), "https://host.example:1/a.wasm");
    }
}
