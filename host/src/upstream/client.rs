//! The HTTP client: pooled connections, HTTP/1.1 and HTTP/2, TLS with the platform's roots.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::dialer::Dialer;
use super::resolver::{Hosts, Resolver};
use super::{Pieces, origin};
use crate::net::Network;

/// Idle connections to one provider that are kept, and for how long.
const IDLE_MAX: usize = 256;
const IDLE: Duration = Duration::from_secs(60);

/// Sends requests to providers. Redirects are never followed: a key goes to the configured origin only.
#[derive(Clone)]
pub struct Client {
    pooled: Pooled<Dialer, Pieces>,
}

impl Client {
    /// # Errors
    /// When the platform's certificates cannot be read.
    pub fn new(network: &Network, connect_timeout: Duration) -> anyhow::Result<Client> {
        let dialer = match network {
            Network::System => system(Arc::default(), connect_timeout)?,
            Network::Hosts(hosts) => system(Arc::clone(hosts), connect_timeout)?,
            Network::Simulated(network) => Dialer::Simulated(Arc::clone(network), connect_timeout),
        };
        let pooled = Pooled::builder(TokioExecutor::new())
            .pool_max_idle_per_host(IDLE_MAX)
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .build(dialer);
        Ok(Client { pooled })
    }

    /// Resolves when the reply's head is here. Dropping the future, or the reply's body, cancels the call upstream.
    ///
    /// # Errors
    /// A text for people: which part of the way to the provider failed, or that a secret is for another place.
    pub async fn send(&self, request: Request<Pieces>) -> Result<Response<Incoming>, String> {
        origin::check(&request)?;
        self.pooled.request(request).await.map_err(|error| {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                text.push_str(": ");
                text.push_str(&error.to_string());
                cause = error.source();
            }
            text
        })
    }
}

fn system(hosts: Arc<Hosts>, connect_timeout: Duration) -> anyhow::Result<Dialer> {
    let mut tcp = HttpConnector::new_with_resolver(Resolver::new(hosts));
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    // Of all addresses of a name together: one that is dead leaves time for the next.
    tcp.set_connect_timeout(Some(connect_timeout));
    tcp.set_keepalive(Some(Duration::from_secs(30)));
    let connector = HttpsConnectorBuilder::new()
        .try_with_platform_verifier()
        .context("reading the platform's certificates")?
        .https_or_http()
        .enable_http1()
        .enable_http2()
        .wrap_connector(tcp);
    Ok(Dialer::System(connector, connect_timeout))
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
        let client = Client::new(&network, Duration::from_secs(1)).expect("a client");
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
            let error = client.send(signed).await.expect_err("nobody answers");
            assert_eq!(nowhere.0.load(Ordering::Relaxed) - before, usize::from(own), "{path}: {error}");
            assert_eq!(error.contains("for https://api.example:443 only"), !own, "{path}: {error}");
        }
        let mut plain = request("http://api.example/");
        sign::with_header(&mut plain, &auth, &Secret::new("k"), &origin).expect("signed");
        assert!(client.send(plain).await.expect_err("without TLS").contains("was not sent"));
        let mut unbound = request(base);
        let mut value = hyper::header::HeaderValue::from_static("k");
        value.set_sensitive(true);
        unbound.headers_mut().insert("x-api-key", value);
        assert!(client.send(unbound).await.expect_err("for no place").contains("was not sent"));
    }
}
