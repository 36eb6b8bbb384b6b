//! How the HTTP client gets its connections.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

use super::resolver::Resolver;
use crate::net::{Dial, Wire};

/// See the module.
#[derive(Clone)]
pub enum Dialer {
    /// With the time that name lookup, TCP and TLS may take together.
    System(HttpsConnector<HttpConnector<Resolver>>, Duration),
    Simulated(Arc<dyn Dial>, Duration),
}

/// A connection to a provider.
pub enum Link {
    System(Box<MaybeHttpsStream<TokioIo<TcpStream>>>),
    Simulated(TokioIo<Box<dyn Wire>>),
}

const LATE: &str = "no connection within the time that connecting may take";

type Failure = Box<dyn Error + Send + Sync>;

impl Service<Uri> for Dialer {
    type Response = Link;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Link, Failure>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        match self {
            Dialer::System(connector, _) => connector.poll_ready(context),
            Dialer::Simulated(..) => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        match self {
            Dialer::System(connector, within) => {
                let connecting = timeout(*within, connector.call(uri));
                Box::pin(async move { Ok(Link::System(Box::new(connecting.await.map_err(|_| LATE)??))) })
            }
            Dialer::Simulated(network, within) => {
                let port = uri.port_u16().unwrap_or(80);
                let dialling = timeout(*within, network.dial(uri.host().unwrap_or_default(), port));
                Box::pin(async move { Ok(Link::Simulated(TokioIo::new(dialling.await.map_err(|_| LATE)??))) })
            }
        }
    }
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        match self {
            Link::System(stream) => stream.connected(),
            Link::Simulated(_) => Connected::new(),
        }
    }
}

impl Read for Link {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, to: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Link::System(stream) => Pin::new(stream.as_mut()).poll_read(context, to),
            Link::Simulated(stream) => Pin::new(stream).poll_read(context, to),
        }
    }
}

impl Write for Link {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Link::System(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
            Link::Simulated(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Link::System(stream) => Pin::new(stream.as_mut()).poll_flush(context),
            Link::Simulated(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Link::System(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
            Link::Simulated(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Link::System(stream) => stream.is_write_vectored(),
            Link::Simulated(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Link::System(stream) => Pin::new(stream.as_mut()).poll_write_vectored(context, pieces),
            Link::Simulated(stream) => Pin::new(stream).poll_write_vectored(context, pieces),
        }
    }
}
