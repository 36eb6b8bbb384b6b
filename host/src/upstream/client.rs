//! The HTTP client: pooled connections, HTTP/1.1 and HTTP/2, TLS with the platform's roots.
//!
//! What its own connections do is no fault of the provider: a request that met a dead one is sent again here, and nobody counts
//! it.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Request, Response};
use tokio::time::Instant;

use super::connection::FailureKind;
use super::dialer::Dialer;
use super::pool::{Pool, Wanted};
use super::sent_at::SentAt;
use super::shortage::Unsent;
use super::{Incoming, Origin, Pieces, origin};
use crate::config::Way;
use crate::net::Network;

/// How often a request is sent anew that the provider did not process. More of it is no bad luck: the provider does not want it.
const RESENDS_MAX: usize = 3;

/// Who asks, where no caller's own word for it goes along. Filters in front of providers refuse requests that do not say it
/// (Cloudflare's error 1010).
pub(super) const AGENT: &str = concat!("pointsman/", env!("CARGO_PKG_VERSION"));

/// Sends requests to providers. Redirects are never followed: a key goes to the configured origin only.
#[derive(Clone)]
pub struct Client {
    pool: Arc<Pool>,
}

impl Client {
    /// # Errors
    /// When certificates cannot be read, the platform's or those of the way.
    pub fn new(network: &Network, connect_timeout: Duration, way: &Way) -> anyhow::Result<Client> {
        let dialer = match network {
            Network::System => Dialer::system(Arc::default(), way)?,
            Network::Hosts(hosts) => Dialer::system(Arc::clone(hosts), way)?,
            Network::Simulated(network) => Dialer::Simulated(Arc::clone(network)),
        };
        Ok(Client { pool: Arc::new(Pool::new(dialer, connect_timeout)) })
    }

    /// Resolves when the reply's head is here. Dropping the future, or the reply's body, cancels the call upstream. Getting a
    /// connection takes no longer than connecting may; `sent_at` is told when that begins, and when the request leaves. A body that was compressed
    /// although nobody asked for it is read as what it stands for.
    ///
    /// # Errors
    /// Which part of the way to the provider failed, or that a secret is for another place.
    pub async fn send(&self, mut request: Request<Pieces>, sent_at: &SentAt) -> Result<Response<Incoming>, Unsent> {
        origin::check(&request)?;
        introduce(request.headers_mut());
        let origin = Arc::new(Origin::of(request.uri()).ok_or("its URL is not one of HTTP")?);
        let (mut wanted, mut resends_left) = (Wanted::Any, RESENDS_MAX);
        loop {
            sent_at.note_connecting(Instant::now());
            let lease = self.pool.lease(&origin, wanted).await?;
            let is_reused = lease.is_reused;
            sent_at.note(Instant::now());
            let failure = match lease.send(request.clone(), sent_at.due()).await {
                Ok(response) => return Ok(super::incoming::decoded(response)),
                Err(failure) => failure,
            };
            match failure.kind {
                FailureKind::NotProcessed if resends_left > 0 => resends_left -= 1,
                // It cannot happen twice: a fresh connection is not a reused one.
                FailureKind::ConnectionLost if is_reused => {
                    self.pool.drop_idle(&origin);
                    wanted = Wanted::Fresh;
                }
                FailureKind::NotProcessed | FailureKind::ConnectionLost | FailureKind::Fault => {
                    return Err(failure.text.into());
                }
            }
            tracing::debug!(host = origin.host(), kind = ?failure.kind, "sent again: {}", failure.text);
        }
    }
}

/// Headers that every request has. Without the second one any coding would be welcome (RFC 9110, 12.5.3), and events that
/// a network compresses come late.
fn introduce(headers: &mut HeaderMap) {
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::config::Secret;
    use crate::net::{Dial, Dialling};
    use crate::plugin::bindings::provider::HeaderAuth;
    use crate::upstream::{Origin, sign};

    /// Counts who would be called.
    #[derive(Default)]
    struct Nowhere(AtomicUsize);

    impl Dial for Nowhere {
        fn dial(&self, _: &str, _: u16) -> Dialling {
            self.0.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) })
        }
    }

    /// Whatever an adapter makes of the path, and even if nobody had looked at it before.
    #[tokio::test]
    async fn a_key_leaves_for_its_own_place_only() {
        let nowhere = Arc::new(Nowhere::default());
        let network = Network::Simulated(Arc::clone(&nowhere) as Arc<dyn Dial>);
        let client = Client::new(&network, Duration::from_secs(1), &Way::default()).expect("a client");
        let base = "https://api.example";
        let origin = Origin::of(&base.parse().expect("a URL")).expect("a place");
        let auth = HeaderAuth { name: "x-api-key".to_owned(), prefix: String::new() };
        let request = |url: &str| Request::post(url).body(Pieces::new(["{}".into()])).expect("a request");
        for (path, own) in [
            ("/v1/messages", true),
            ("//evil.example/", true),
            ("/@evil.example/", true),
            ("/../../evil.example", true),
            (":443/", true),
            ("@evil.example/", false),
            (":key@evil.example/", false),
            (".evil.example/", false),
            (":444/", false),
        ] {
            let mut signed = request(&format!("{base}{path}"));
            sign::with_header(&mut signed, &auth, &Secret::new("k"), &origin).expect("signed");
            let before = nowhere.0.load(Ordering::Relaxed);
            let sent_at = SentAt::default();
            let error = client.send(signed, &sent_at).await.expect_err("nobody answers");
            assert_eq!(sent_at.get(), None, "{path}: it never left");
            assert_eq!(nowhere.0.load(Ordering::Relaxed) - before, usize::from(own), "{path}: {error}");
            assert_eq!(error.text.contains("for https://api.example:443 only"), !own, "{path}: {error}");
        }
        let mut plain = request("http://api.example/");
        sign::with_header(&mut plain, &auth, &Secret::new("k"), &origin).expect("signed");
        assert!(client.send(plain, &SentAt::default()).await.expect_err("without TLS").text.contains("was not sent"));
        let mut unbound = request(base);
        let mut value = hyper::header::HeaderValue::from_static("k");
        value.set_sensitive(true);
        unbound.headers_mut().insert("x-api-key", value);
        assert!(
            client.send(unbound, &SentAt::default()).await.expect_err("for no place").text.contains("was not sent")
        );
    }
}
