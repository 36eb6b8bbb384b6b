//! Bytes in: listeners, connections, and their orderly end.

mod activity;
mod admin;
mod connection;
mod control_frames;
mod cors;
mod crowd;
mod descriptors;
mod edge;
mod faults;
mod head;
mod hosts;
mod keys;
mod models;
mod passed;
mod patient;
mod streams;
mod tls;
mod unread;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hyper::{Request, Response};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

use self::activity::Activity;
use self::crowd::Crowd;
use self::unread::Unread;
use crate::config::{Edge, Secret};
use crate::gateway::{Body, Gateway};
use crate::net::{Door, Listener};

pub use admin::{LoadReply, TOKEN_HELP};
pub use descriptors::{connections_that_fit, raise as raise_open_files};
pub use faults::{AddedReply, FaultsReply, RemovedReply};

/// After an error of `accept` (no file descriptors are left, say), wait for some to come back.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// A port of the gateway, bound but not serving yet.
pub struct Port {
    listener: Listener,
    certificate: Option<Arc<tls::Certificate>>,
    connections_max: usize,
}

impl Port {
    /// # Errors
    /// When the address is taken or the certificate cannot be read.
    pub async fn bind(address: SocketAddr, tls: Option<&crate::config::Tls>) -> anyhow::Result<Port> {
        let certificate = tls.map(tls::Certificate::read).transpose()?.map(Arc::new);
        let listener = TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?;
        Ok(Port { listener: Listener::Tcp(listener), certificate, connections_max: usize::MAX })
    }

    /// A port that is reached through memory.
    pub fn memory() -> (Port, Door) {
        let (listener, door) = Listener::memory();
        (Port { listener, certificate: None, connections_max: usize::MAX }, door)
    }

    /// With no more connections at once, whatever the configuration allows.
    #[must_use]
    pub fn limited_to(self, connections_max: usize) -> Port {
        Port { connections_max, ..self }
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
        let shared = Arc::clone(&gateway);
        let edge = move || shared.table().config.server.edge;
        let handle = move |request| edge::answer(Arc::clone(&gateway), request);
        self.run(edge, handle, stop, drain).await;
    }

    /// Serve operators until `stop`.
    pub async fn serve_admin(self, gateway: Arc<Gateway>, token: Secret, stop: impl Future<Output = ()>) {
        let shared = Arc::clone(&gateway);
        let edge = move || shared.table().config.server.edge;
        let own = self.address().ok().map(|address| address.ip());
        let handle = move |request| admin::answer(Arc::clone(&gateway), token.clone(), own, request);
        self.run(edge, handle, stop, Duration::from_secs(5)).await;
    }

    /// `edge` says which limits hold now: a connection keeps those that it began with.
    async fn run<H, F>(mut self, edge: impl Fn() -> Edge, handle: H, stop: impl Future<Output = ()>, drain: Duration)
    where
        H: Fn(Request<Unread>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let stopping = watch::Sender::new(false);
        if let Some(certificate) = &self.certificate {
            // It ends with this port.
            tokio::spawn(tls::keep_fresh(Arc::downgrade(certificate)));
        }
        let crowd = Crowd::new(edge().connections.min(self.connections_max));
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = async { (crowd.room_for_one_more().await, self.listener.accept().await) };
            let (permit, accepted) = tokio::select! {
                biased;
                () = &mut stop => break,
                accepted = accepted => accepted,
            };
            match accepted {
                Ok((wire, from)) => {
                    let edge = edge();
                    let activity = Activity::new(Instant::now());
                    let place = crowd.seat(permit, from, edge.connections_per_ip, &activity);
                    let Some(place) = place else { continue };
                    let acceptor = self.certificate.as_ref().map(|certificate| certificate.acceptor());
                    let (handle, stopped) = (handle.clone(), stopping.subscribe());
                    tokio::spawn(async move {
                        connection::serve(wire, acceptor, edge, handle, activity, stopped).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!("accepting a connection: {error}");
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
        }
        drop(self.listener);
        stopping.send_replace(true);
        if tokio::time::timeout(drain, stopping.closed()).await.is_err() {
            tracing::warn!(drain_ms = drain.as_millis(), "some replies were still running and are cut");
        }
    }
}
