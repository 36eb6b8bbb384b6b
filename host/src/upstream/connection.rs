//! One connection to a provider, once it is there: the HTTP handshake, and what the end of a request without a reply means.

use hyper::client::conn::{TrySendError, http1};
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response, Uri, Version};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::Pieces;
use super::dialer::{Link, chain};
use super::http2::Http2;
use super::unanswered::Received;

/// What comes before the end of a reply's head: a hundred times what heads have, and all of a small reply with it. Interim replies (1xx)
/// without an end would take a core until the head is late.
const HEAD_BYTES_MAX: usize = 1 << 20;

/// Why a request has no head of a reply.
#[derive(Debug)]
pub struct Failure {
    pub kind: FailureKind,
    /// For people.
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The provider said, or cannot but have, that it did not look at the request.
    NotProcessed,
    /// The connection ended before the first byte of a reply. Nobody knows what the provider did.
    ConnectionLost,
    /// The provider did something wrong.
    Fault,
}

/// A connection that was just made.
pub enum Connection {
    Http1(Http1),
    Http2(Http2),
}

impl Connection {
    /// # Errors
    /// A text for people.
    pub async fn handshake(link: Link, now: Instant) -> Result<Connection, String> {
        let shaken = if link.is_http2 {
            Http2::handshake(link, now).await.map(Connection::Http2)
        } else {
            Http1::handshake(link, now).await.map(Connection::Http1)
        };
        let connection = shaken.map_err(|error| format!("the HTTP handshake: {}", chain(&error)))?;
        let is_open = match &connection {
            Connection::Http1(http1) => http1.is_ready(),
            Connection::Http2(http2) => http2.is_usable(),
        };
        // Else it would be made again and again for the request that waits.
        if is_open { Ok(connection) } else { Err("the connection was closed at once".to_owned()) }
    }
}

/// A connection of HTTP/1.1: one request at a time.
pub struct Http1 {
    sender: http1::SendRequest<Pieces>,
    received: Received,
    pub idle_since: Instant,
    /// When it was made, in the pool's count of events.
    pub born: u64,
    /// A reply's head has come on it.
    pub has_served: bool,
}

impl Http1 {
    async fn handshake(link: Link, now: Instant) -> hyper::Result<Http1> {
        let received = link.received();
        let (mut sender, connection) = http1::handshake(TokioIo::new(link)).await?;
        // It ends with its sender; what went wrong on it is told to the request.
        tokio::spawn(connection);
        sender.ready().await?;
        Ok(Http1 { sender, received, idle_since: now, born: 0, has_served: false })
    }

    /// Can a request be sent on it now, as far as we know?
    pub fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// Its count of received bytes.
    pub fn received(&self) -> Received {
        self.received.clone()
    }

    /// The reply was read to its end. False if the connection ended, too.
    pub async fn becomes_ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    pub async fn send(&mut self, request: Request<Pieces>) -> Result<Response<hyper::body::Incoming>, Failure> {
        let received_before = self.received.bytes();
        self.received.limit(Some(HEAD_BYTES_MAX));
        let sent = self.sender.try_send_request(in_origin_form(request)).await;
        self.received.limit(None);
        sent.map_err(|error: TrySendError<_>| {
            let is_silent = self.received.bytes() == received_before;
            // A message that comes back was never written.
            let kind = match error.message().is_some() || is_silent {
                true => FailureKind::ConnectionLost,
                false => FailureKind::Fault,
            };
            Failure { kind, text: chain(&error.into_error()) }
        })
    }
}

/// HTTP/1.1 names the host in a header, and only the path in its first line.
fn in_origin_form(mut request: Request<Pieces>) -> Request<Pieces> {
    *request.version_mut() = Version::HTTP_11;
    let uri = request.uri();
    if !request.headers().contains_key(HOST)
        && let Some(host) = host_header(uri)
    {
        request.headers_mut().insert(HOST, host);
    }
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    request
}

/// The port is named unless it is the scheme's own.
fn host_header(uri: &Uri) -> Option<HeaderValue> {
    let host = uri.host()?;
    let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    match uri.port_u16().filter(|port| *port != default) {
        Some(port) => HeaderValue::from_str(&format!("{host}:{port}")).ok(),
        None => HeaderValue::from_str(host).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_in_origin_form() {
        for (uri, host, path) in [
            ("http://a.example/v1?x=1", "a.example", "/v1?x=1"),
            ("http://a.example:80", "a.example", "/"),
            ("https://a.example:443/v1", "a.example", "/v1"),
            ("https://a.example:80/v1", "a.example:80", "/v1"),
            ("http://key@[::1]:8000/v1", "[::1]:8000", "/v1"),
        ] {
            let request = Request::post(uri).body(Pieces::default()).expect("a request");
            let request = in_origin_form(request);
            assert_eq!((request.headers()[HOST].as_bytes(), request.uri()), (host.as_bytes(), &Uri::from_static(path)));
        }
        let signed = Request::post("http://a.example/").header(HOST, "other").body(Pieces::default());
        assert_eq!(in_origin_form(signed.expect("a request")).headers()[HOST], "other");
    }
}
