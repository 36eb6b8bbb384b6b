//! The way to a provider: through a company's proxy or straight, and which certificates count on it. The tunnel is hyper-util's,
//! the reading of `NO_PROXY` too.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use anyhow::{Context as _, ensure};
use hyper::Uri;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tower_service::Service;

use super::dialer::Tcp;
use crate::config;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Connects to where a URL says, or to a proxy that does so.
#[derive(Clone)]
pub struct Via {
    tcp: Tcp,
    /// To a proxy that itself speaks TLS.
    to_proxy: HttpsConnector<Tcp>,
    matcher: Arc<Matcher>,
}

impl Via {
    /// # Errors
    /// When the platform's certificates cannot be read.
    pub fn new(tcp: Tcp, way: &config::Way) -> anyhow::Result<Via> {
        let to_proxy = HttpsConnectorBuilder::new()
            .try_with_platform_verifier()
            .context("reading the platform's certificates")?
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp.clone());
        let matcher = match &way.proxy {
            config::Proxy::None => Matcher::builder().build(),
            config::Proxy::At(url) => Matcher::builder().all(url.reveal().to_owned()).build(),
            config::Proxy::Usual { https, except } => {
                let url = https.as_ref().map(|url| url.reveal().to_owned()).unwrap_or_default();
                Matcher::builder().https(url).no(except.clone()).build()
            }
        };
        Ok(Via { tcp, to_proxy, matcher: Arc::new(matcher) })
    }

    async fn connect(self, to: Uri) -> Result<MaybeHttpsStream<TokioIo<TcpStream>>, Failure> {
        let Some(proxy) = self.matcher.intercept(&to) else {
            return Ok(MaybeHttpsStream::Http(self.tcp.connect(to).await?));
        };
        let mut tunnel = Tunnel::new(proxy.uri().clone(), self.to_proxy);
        if let Some(auth) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(auth.clone());
        }
        // What is said of the proxy names its host and never who we are there.
        let host = proxy.uri().host().unwrap_or_default().to_owned();
        let through = |error: &(dyn std::error::Error + 'static)| {
            io::Error::other(format!("through the proxy {host}: {}", super::dialer::chain(error)))
        };
        std::future::poll_fn(|context| tunnel.poll_ready(context)).await.map_err(|error| through(&error))?;
        Ok(tunnel.call(to).await.map_err(|error| through(&error))?)
    }
}

impl Service<Uri> for Via {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Failure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// Whose certificates count, and who we are.
///
/// # Errors
/// Which file cannot be read, or the platform's certificates.
pub fn tls(way: &config::Way) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .context("choosing TLS versions")?;
    let builder = match &way.ca_file {
        None => builder.try_with_platform_verifier().context("reading the platform's certificates")?,
        Some(file) => {
            // Those of the platform count besides.
            let verifier = Verifier::new_with_extra_roots(certificates(file)?, provider);
            let verifier = verifier.with_context(|| format!("the certificates in {}", file.display()))?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
    };
    let Some(identity) = &way.client_certificate else { return Ok(builder.with_no_client_auth()) };
    let (certificate, key) = (identity.certificate.display(), identity.key.display());
    let private = PrivateKeyDer::from_pem_file(&identity.key).with_context(|| format!("reading the key {key}"))?;
    let config = builder.with_client_auth_cert(certificates(&identity.certificate)?, private);
    config.with_context(|| format!("{certificate} and {key} do not belong together"))
}

fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let read: Vec<_> = read.with_context(|| format!("reading the certificates {}", file.display()))?;
    ensure!(!read.is_empty(), "{} holds no certificate: it must be PEM", file.display());
    Ok(read)
}
