//! Where connections come from and go to: the machine's own network, or one in memory, so that a whole gateway can run in
//! virtual time. Everything above is the same code for both.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

pub use crate::upstream::Hosts;

/// Bytes that one side of a connection in memory may be ahead of the other.
const BUFFER_BYTES: usize = 64 << 10;
/// Connections in memory that wait to be accepted.
const BACKLOG: usize = 1024;

/// A connection.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {
    /// Its end shall be a reset, where there is such a thing.
    fn reset_when_dropped(&mut self) {}
}

impl Wire for DuplexStream {}

impl Wire for TcpStream {
    fn reset_when_dropped(&mut self) {
        // If it cannot be set, a polite end is the next best thing.
        let _ = self.set_zero_linger();
    }
}

/// What dialling gives.
pub type Dialling = Pin<Box<dyn Future<Output = io::Result<Box<dyn Wire>>> + Send>>;

/// A network in which providers are reached.
pub trait Dial: Send + Sync {
    /// Connect to a provider. `host` is as the configuration's base URL names it.
    fn dial(&self, host: &str, port: u16) -> Dialling;
}

/// Where providers are.
#[derive(Clone, Default)]
pub enum Network {
    /// Name lookup, TCP and TLS.
    #[default]
    System,
    /// The same, but these names are known without asking a resolver.
    Hosts(Arc<Hosts>),
    /// No TLS, and no names but those that it knows.
    Simulated(Arc<dyn Dial>),
}

impl fmt::Debug for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Network::System | Network::Hosts(_) => "the machine's network",
            Network::Simulated(_) => "a network in memory",
        })
    }
}

/// Where callers arrive.
pub enum Listener {
    Tcp(TcpListener),
    Memory(mpsc::Receiver<DuplexStream>),
}

/// Where callers of a listener in memory knock.
#[derive(Clone, Debug)]
pub struct Door(mpsc::Sender<DuplexStream>);

impl Listener {
    pub fn memory() -> (Listener, Door) {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        (Listener::Memory(receiver), Door(sender))
    }

    /// The connection, and where it comes from.
    ///
    /// # Errors
    /// What the system says; accepting again may go well.
    pub async fn accept(&mut self) -> io::Result<(Box<dyn Wire>, Option<IpAddr>)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, from) = listener.accept().await?;
                // Without this a chunk can wait 40 ms for the acknowledgement of the one before.
                let _ = stream.set_nodelay(true);
                Ok((Box::new(stream), Some(from.ip())))
            }
            Listener::Memory(receiver) => match receiver.recv().await {
                Some(stream) => Ok((Box::new(stream), None)),
                // Nobody can knock any more.
                None => std::future::pending().await,
            },
        }
    }

    /// # Errors
    /// When there is none.
    pub fn address(&self) -> io::Result<SocketAddr> {
        match self {
            Listener::Tcp(listener) => listener.local_addr(),
            Listener::Memory(_) => {
                Err(io::Error::new(io::ErrorKind::Unsupported, "a listener in memory has no address"))
            }
        }
    }
}

impl Door {
    /// # Errors
    /// When the listener is gone, or too many wait.
    pub fn knock(&self) -> io::Result<DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(BUFFER_BYTES);
        self.0.try_send(theirs).map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(ours)
    }
}
