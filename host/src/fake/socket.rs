//! A connection that can be cut. Providers that die do not say goodbye: a reset is what callers see, and only the owner of
//! the socket can send one.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::Wire;

/// Cuts the connection it was made for.
#[derive(Clone, Debug, Default)]
pub struct Scissors(Arc<AtomicBool>);

impl Scissors {
    /// From now on the connection fails whatever is tried on it. The error is for the caller to pass on to hyper, which then
    /// lets the connection go.
    pub fn cut(&self) -> io::Error {
        self.0.store(true, Ordering::SeqCst);
        io::Error::new(io::ErrorKind::ConnectionReset, "cut on purpose")
    }

    fn check(&self) -> io::Result<()> {
        if self.0.load(Ordering::SeqCst) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

/// A connection that ends with a reset if it was cut.
pub struct Socket {
    stream: Box<dyn Wire>,
    scissors: Scissors,
}

impl Socket {
    pub fn new(stream: Box<dyn Wire>, scissors: Scissors) -> Socket {
        Socket { stream, scissors }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.scissors.check().is_err() {
            self.stream.reset_when_dropped();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.scissors.check()?;
        Pin::new(&mut self.stream).poll_read(context, to)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.scissors.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.scissors.check()?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
