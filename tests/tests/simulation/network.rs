//! A network in memory, whose connections break as the plan says.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use pointsman::net::{Dial, Dialling, Door, Wire};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::plan::Break;

/// Providers by the host names of their base URLs.
#[derive(Default)]
pub struct Network {
    links: HashMap<String, Arc<Link>>,
}

/// The way to one provider.
pub struct Link {
    door: Door,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    fault: Option<Break>,
    /// Counts the changes: a connection that was there before one is hit by it.
    epoch: u64,
    /// Who waits for a byte or for a change.
    waiting: Vec<Waker>,
}

impl Network {
    pub fn add(&mut self, host: String, door: Door) -> Arc<Link> {
        let link = Arc::new(Link { door, state: Mutex::default() });
        self.links.insert(host, Arc::clone(&link));
        link
    }
}

impl Link {
    pub fn set(&self, fault: Option<Break>) {
        let mut state = self.state.lock().expect("no panic");
        (state.fault, state.epoch) = (fault, state.epoch + 1);
        state.waiting.drain(..).for_each(Waker::wake);
    }
}

impl Dial for Network {
    fn dial(&self, host: &str, _: u16) -> Dialling {
        let link = self.links.get(host).cloned();
        Box::pin(async move {
            let link = link.ok_or(io::ErrorKind::NotFound)?;
            let (fault, epoch) = {
                let state = link.state.lock().expect("no panic");
                (state.fault, state.epoch)
            };
            match fault {
                Some(Break::Refused) => Err(io::ErrorKind::ConnectionRefused.into()),
                Some(Break::NoDescriptor) => Err(io::Error::from_raw_os_error(24)),
                Some(Break::NoRoute) => Err(io::ErrorKind::HostUnreachable.into()),
                Some(Break::Vanished) => std::future::pending().await,
                Some(Break::ResetAfter(_) | Break::EndAfter(_) | Break::StallAfter(_)) | None => {
                    let stream = link.door.knock()?;
                    Ok(Box::new(Cable { stream, link, fault, epoch, read: 0 }) as Box<dyn Wire>)
                }
            }
        })
    }
}

/// The gateway's side of a connection.
struct Cable {
    stream: DuplexStream,
    link: Arc<Link>,
    /// As it was made.
    fault: Option<Break>,
    epoch: u64,
    read: usize,
}

/// What happens to a connection now.
enum Fate {
    Lives,
    Reset,
    Ended,
    Silent,
}

impl Cable {
    fn fate(&self) -> Fate {
        let state = self.link.state.lock().expect("no panic");
        let is_new = state.epoch == self.epoch;
        match (self.fault, state.fault) {
            (Some(Break::ResetAfter(bytes)), _) if is_new && self.read >= bytes => Fate::Reset,
            (Some(Break::EndAfter(bytes)), _) if is_new && self.read >= bytes => Fate::Ended,
            (Some(Break::StallAfter(bytes)), _) if is_new && self.read >= bytes => Fate::Silent,
            _ if is_new => Fate::Lives,
            (_, Some(Break::Vanished | Break::NoRoute | Break::NoDescriptor)) => Fate::Silent,
            (_, Some(Break::Refused | Break::ResetAfter(_) | Break::EndAfter(_))) => Fate::Reset,
            (_, Some(Break::StallAfter(_)) | None) => Fate::Lives,
        }
    }

    fn wait(&self, context: &Context<'_>) {
        self.link.state.lock().expect("no panic").waiting.push(context.waker().clone());
    }

    /// Bytes until the fault that it was made with, for as long as that lasts.
    fn left(&self) -> usize {
        let is_new = self.link.state.lock().expect("no panic").epoch == self.epoch;
        match self.fault {
            Some(Break::ResetAfter(bytes) | Break::EndAfter(bytes) | Break::StallAfter(bytes)) if is_new => {
                bytes - self.read
            }
            _ => usize::MAX,
        }
    }
}

impl Wire for Cable {}

impl AsyncRead for Cable {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.wait(context);
        match self.fate() {
            Fate::Reset => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            Fate::Ended => Poll::Ready(Ok(())),
            Fate::Silent => Poll::Pending,
            Fate::Lives => {
                let mut some = vec![0; self.left().min(to.remaining())];
                let mut some = ReadBuf::new(&mut some);
                let polled = Pin::new(&mut self.stream).poll_read(context, &mut some);
                to.put_slice(some.filled());
                self.read += some.filled().len();
                polled
            }
        }
    }
}

impl AsyncWrite for Cable {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.fate() {
            Fate::Reset => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            // It goes nowhere, but nobody can tell.
            Fate::Silent | Fate::Ended => Poll::Ready(Ok(bytes.len())),
            Fate::Lives => Pin::new(&mut self.stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
