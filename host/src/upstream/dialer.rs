//! How the pool gets its connections: name lookup, TCP and TLS; or a network in memory.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::Connection as _;
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tower_service::Service;

use super::Origin;
use super::addresses::FailedAddresses;
use super::resolver::{Hosts, Resolver};
use super::shortage::{self, Unsent};
use super::unanswered::Received;
use super::way::{self, Via};
use crate::config;
use crate::net::Dial;

/// A connection on which nothing is said is probed by the kernel after this time, so that middleboxes do not forget it.
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);
/// Between the first of these probes and the next.
const TCP_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// What was sent must be acknowledged within this time, or the connection ends: the system's own limit is a quarter of an hour. On a
/// connection on which nothing is said it replaces the number of probes (tcp(7)), so six of them fit in: a provider that thinks for
/// minutes is not lost with one packet.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(90);

/// After a connection could not be made because this machine lacked something for it, and how often that is tried again.
const SHORTAGE_REST: Duration = Duration::from_millis(50);
const SHORTAGE_RETRIES_MAX: usize = 5;

/// Makes connections to providers.
pub enum Dialer {
    System(HttpsConnector<Via>),
    Simulated(Arc<dyn Dial>),
}

/// A connection to a provider. It counts the bytes that were received.
pub struct Link {
    stream: Box<dyn Stream>,
    received: Received,
    /// What was agreed on in the TLS handshake.
    pub is_http2: bool,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

type Failure = Box<dyn Error + Send + Sync>;

impl Dialer {
    /// # Errors
    /// When certificates cannot be read, the platform's or those of the way.
    pub fn system(hosts: Arc<Hosts>, way: &config::Way) -> anyhow::Result<Dialer> {
        let tcp = Tcp { resolver: Resolver::new(hosts), failed: Arc::default() };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(way::tls(way)?)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(Via::new(tcp, way)?);
        Ok(Dialer::System(connector))
    }

    /// What this machine lacks for a connection may come back in a moment, sooner if `give_up_idle` closes those that hold it.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn dial_with_patience(&self, origin: &Origin, give_up_idle: impl Fn()) -> Result<Link, Unsent> {
        for _ in 0..SHORTAGE_RETRIES_MAX {
            match self.dial(origin).await {
                Err(unsent) if unsent.others_hold_it => give_up_idle(),
                Err(unsent) if unsent.is_ours => {}
                dialled => return dialled,
            }
            sleep(SHORTAGE_REST).await;
        }
        self.dial(origin).await.inspect_err(|unsent| {
            if unsent.is_ours {
                tracing::warn!(host = origin.host(), "no connection, for want of something on this machine: {unsent}");
            }
        })
    }

    /// # Errors
    /// Why there is no connection.
    pub async fn dial(&self, origin: &Origin) -> Result<Link, Unsent> {
        let dialled = match self {
            Dialer::System(connector) => secured(connector.clone(), origin).await,
            Dialer::Simulated(network) => {
                let dialled = network.dial(origin.host(), origin.port()).await;
                dialled.map(|stream| Link::new(stream, false)).map_err(Failure::from)
            }
        };
        dialled.map_err(|error| Unsent::because(&*error, format!("connecting: {}", chain(&*error))))
    }
}

async fn secured(mut connector: HttpsConnector<Via>, origin: &Origin) -> Result<Link, Failure> {
    poll_fn(|context| connector.poll_ready(context)).await?;
    let stream = connector.call(origin.uri().ok_or("its URL names no host")?).await?;
    let is_http2 = stream.connected().is_negotiated_h2();
    Ok(Link::new(TokioIo::new(stream), is_http2))
}

/// An error with all its causes.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Some print their cause themselves.
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

/// Name lookup and TCP.
#[derive(Clone)]
pub struct Tcp {
    resolver: Resolver,
    failed: Arc<FailedAddresses>,
}

impl Tcp {
    pub(super) async fn connect(self, uri: Uri) -> io::Result<TokioIo<TcpStream>> {
        let host = uri.host().unwrap_or_default();
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let addresses = self.resolver.addresses(host, port).await;
        let addresses = addresses.map_err(|error| match shortage::is_ours(&error) {
            true => error,
            false => io::Error::new(error.kind(), format!("name lookup: {error}")),
        })?;
        let stream = self.failed.connect(addresses, TcpStream::connect).await?;
        // Without it a piece of a request can wait 40 ms for the acknowledgement of the one before.
        stream.set_nodelay(true)?;
        // A connection without it is still a connection.
        let keepalive = TcpKeepalive::new().with_time(TCP_KEEPALIVE).with_interval(TCP_KEEPALIVE_INTERVAL);
        let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
        #[cfg(target_os = "linux")]
        let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(TCP_USER_TIMEOUT));
        Ok(TokioIo::new(stream))
    }
}

impl Service<Uri> for Tcp {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

impl Link {
    pub fn new(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, is_http2: bool) -> Link {
        Link { stream: Box::new(stream), received: Received::default(), is_http2 }
    }

    /// The count of received bytes, which goes on while the connection lives.
    pub fn received(&self) -> Received {
        self.received.clone()
    }
}

impl AsyncRead for Link {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = to.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, to);
        match self.received.add(to.filled().len().saturating_sub(before)) {
            true => polled,
            false => Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the head of the reply has no end"))),
        }
    }
}

impl AsyncWrite for Link {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }
}
