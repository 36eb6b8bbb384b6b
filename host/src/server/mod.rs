//! Bytes in: listeners, connections, and their orderly end.

mod admin;
mod edge;
mod keys;
mod tls;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::config::Secret;
use crate::gateway::{Body, Gateway};
use crate::net::{Door, Listener, Wire};

pub use admin::{LoadReply, TOKEN_HELP};

/// A caller that takes longer to send its headers has stalled.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const TLS_TIMEOUT: Duration = Duration::from_secs(5);
/// After an error of `accept` (no file descriptors are left, say), wait for some to come back.
const ACCEPT_REST: Duration = Duration::from_millis(50);
const HTTP2_STREAMS_MAX: u32 = 200;
const HTTP2_PING: Duration = Duration::from_secs(20);

/// A port of the gateway, bound but not serving yet.
pub struct Port {
    listener: Listener,
    acceptor: Option<TlsAcceptor>,
}

impl Port {
    /// # Errors
    /// When the address is taken or the certificate cannot be read.
    pub async fn bind(address: SocketAddr, tls: Option<&crate::config::Tls>) -> anyhow::Result<Port> {
        let acceptor = tls.map(tls::acceptor).transpose()?;
        let listener = TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?;
        Ok(Port { listener: Listener::Tcp(listener), acceptor })
    }

    /// A port that is reached through memory.
    pub fn memory() -> (Port, Door) {
        let (listener, door) = Listener::memory();
        (Port { listener, acceptor: None }, door)
    }

    /// Where it really listens: port 0 asks for any that is free.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        self.listener.address().context("asking for the port")
    }

    /// Serve callers until `stop`, then let streams run on for `drain`.
    pub async fn serve(self, gateway: Arc<Gateway>, stop: impl Future<Output = ()>, drain: Duration) {
        let handle = move |request| {
            let gateway = Arc::clone(&gateway);
            async move { Ok(edge::answer(gateway, request).await) }
        };
        self.run(handle, stop, drain).await;
    }

    /// Serve operators until `stop`.
    pub async fn serve_admin(self, gateway: Arc<Gateway>, token: Secret, stop: impl Future<Output = ()>) {
        let handle = move |request| {
            let (gateway, token) = (Arc::clone(&gateway), token.clone());
            async move { Ok(admin::answer(gateway, &token, request).await) }
        };
        self.run(handle, stop, Duration::from_secs(5)).await;
    }

    async fn run<H, F>(mut self, handle: H, stop: impl Future<Output = ()>, drain: Duration)
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
    {
        let graceful = GracefulShutdown::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stop => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok(stream) => connection(stream, self.acceptor.clone(), handle.clone(), &graceful),
                Err(error) => {
                    tracing::warn!("accepting a connection: {error}");
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
        }
        drop(self.listener);
        if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
            tracing::warn!(drain_ms = drain.as_millis(), "some replies were still running and are cut");
        }
    }
}

fn connection<H, F>(stream: Box<dyn Wire>, acceptor: Option<TlsAcceptor>, handle: H, graceful: &GracefulShutdown)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    let watcher = graceful.watcher();
    tokio::spawn(async move {
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(HTTP2_STREAMS_MAX)
            .keep_alive_interval(HTTP2_PING);
        let service = service_fn(handle);
        // How a connection ends is the caller's business: it has hung up, or sent what is not HTTP.
        match acceptor {
            None => {
                let serving = builder.serve_connection(TokioIo::new(stream), service).into_owned();
                let _ = watcher.watch(serving).await;
            }
            Some(acceptor) => {
                let Ok(Ok(stream)) = tokio::time::timeout(TLS_TIMEOUT, acceptor.accept(stream)).await else { return };
                let serving = builder.serve_connection(TokioIo::new(stream), service).into_owned();
                let _ = watcher.watch(serving).await;
            }
        }
    });
}
