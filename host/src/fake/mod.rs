//! Providers that need no key and break on purpose. They speak the real protocols, refuse what the real ones refuse, and
//! serve the demo, the tests, and people who want to try a configuration (`pointsman fake`). A game day borrows their words for
//! errors, and never an answer.

mod answer;
mod anthropic;
mod bedrock;
mod behaviour;
mod faults;
mod functions;
mod gemini;
mod kind;
mod ollama;
mod openai;
mod prefill;
mod protocol;
mod reply;
mod responses;
mod schema;
mod seal;
mod server;
mod socket;
mod state;
#[cfg(test)]
mod tests;
mod vector;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use self::state::State;
use crate::net::{Door, Listener};

pub use self::behaviour::{Behaviour, Continuing, Fault, Speech};
pub use self::kind::Kind;
pub use self::protocol::Protocol;
pub use self::reply::Sent;
pub use self::state::{Director, Seen};
pub use self::wire::Wire;

/// A fake that is running. Dropping it stops it and cuts its connections.
pub struct Fake {
    protocol: Protocol,
    address: SocketAddr,
    state: Arc<State>,
    serving: JoinHandle<()>,
}

impl Fake {
    /// On a free port of the loopback interface.
    ///
    /// # Errors
    /// When no port is to be had.
    pub async fn start(protocol: Protocol) -> anyhow::Result<Fake> {
        Self::start_on(protocol, ([127, 0, 0, 1], 0).into()).await
    }

    /// # Errors
    /// When the address is taken.
    pub async fn start_on(protocol: Protocol, address: SocketAddr) -> anyhow::Result<Fake> {
        Self::listening(protocol, address, None).await
    }

    /// On a free port of the loopback interface, treating requests as its director says.
    ///
    /// # Errors
    /// When no port is to be had.
    pub async fn start_directed(protocol: Protocol, director: Arc<dyn Director>) -> anyhow::Result<Fake> {
        Self::listening(protocol, ([127, 0, 0, 1], 0).into(), Some(director)).await
    }

    async fn listening(
        protocol: Protocol,
        address: SocketAddr,
        director: Option<Arc<dyn Director>>,
    ) -> anyhow::Result<Fake> {
        let listener = TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?;
        let address = listener.local_addr().context("asking for the port")?;
        let state = Arc::new(State::new(protocol, director));
        let serving = tokio::spawn(server::serve(Listener::Tcp(listener), Arc::clone(&state)));
        Ok(Fake { protocol, address, state, serving })
    }

    /// One that is reached through the door: for simulations.
    pub fn in_memory(protocol: Protocol) -> (Fake, Door) {
        Self::behind_a_door(protocol, None)
    }

    /// The same, treating requests as its director says.
    pub fn directed(protocol: Protocol, director: Arc<dyn Director>) -> (Fake, Door) {
        Self::behind_a_door(protocol, Some(director))
    }

    fn behind_a_door(protocol: Protocol, director: Option<Arc<dyn Director>>) -> (Fake, Door) {
        let (listener, door) = Listener::memory();
        let state = Arc::new(State::new(protocol, director));
        let serving = tokio::spawn(server::serve(listener, Arc::clone(&state)));
        (Fake { protocol, address: ([0, 0, 0, 0], 0).into(), state, serving }, door)
    }

    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Of one in memory it says nothing.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a configuration gives as `base_url`.
    pub fn base_url(&self) -> String {
        self.protocol.base_url(self.address)
    }

    /// From the next request on, for every model that has no behaviour of its own.
    pub fn behave(&self, behaviour: Behaviour) {
        self.state.behave(None, behaviour);
    }

    /// From the next request on, for one model.
    pub fn behave_for(&self, model: &str, behaviour: Behaviour) {
        self.state.behave(Some(model), behaviour);
    }

    /// The requests received, oldest first; of very many, the newest.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen()
    }

    /// What was received so far is remembered no longer.
    pub fn forget(&self) {
        self.state.forget();
    }

    /// Replies whose connection the client closed before they were complete.
    pub fn cancelled(&self) -> usize {
        self.state.cancelled()
    }

    /// Requests that are being answered now.
    pub fn open(&self) -> usize {
        self.state.open()
    }

    /// Run until the process ends.
    pub async fn closed(mut self) {
        // An error means that the task was aborted, which only dropping does.
        let _ = (&mut self.serving).await;
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
