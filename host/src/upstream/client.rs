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

use super::Pieces;
use super::dialer::Dialer;
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
            Network::System => system(connect_timeout)?,
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
    /// A text for people: which part of the way to the provider failed.
    pub async fn send(&self, request: Request<Pieces>) -> Result<Response<Incoming>, String> {
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

fn system(connect_timeout: Duration) -> anyhow::Result<Dialer> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect_timeout));
    tcp.set_keepalive(Some(Duration::from_secs(30)));
    let connector = HttpsConnectorBuilder::new()
        .try_with_platform_verifier()
        .context("reading the platform's certificates")?
        .https_or_http()
        .enable_http1()
        .enable_http2()
        .wrap_connector(tcp);
    Ok(Dialer::System(connector))
}
