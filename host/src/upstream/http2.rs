//! A connection of HTTP/2: as many requests at once as the provider allows.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use hyper::client::conn::{TrySendError, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::Instant;

use super::Pieces;
use super::connection::{Failure, FailureKind};
use super::dialer::{Link, chain};
use super::unanswered::{Received, Silences};
use crate::sync::{Mutex, PoisonError};

/// Requests at once on one connection, where the provider allows as many: what RFC 9113 recommends as the least limit. More on
/// one connection would wait for each other's lost packets, and fall together.
const STREAMS_MAX: usize = 100;
/// A connection must answer a ping now and then, idle or not, so that a dead one is found before a request is sent on it.
/// As often as callers' connections are asked.
const KEEP_ALIVE_PING: Duration = Duration::from_secs(20);
/// Some round trips, even on a bad line.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

type Driven = http2::Connection<TokioIo<Link>, Pieces, TokioExecutor>;

/// One HTTP/2 connection, shared by many requests.
pub struct Http2 {
    sender: http2::SendRequest<Pieces>,
    /// Its task polls it; here it is asked for the provider's limit. None when it has ended.
    driven: Arc<Mutex<Option<Driven>>>,
    /// The provider takes no new requests on it.
    is_draining: AtomicBool,
    /// Requests that run on it.
    streams: AtomicUsize,
    idle_since: Mutex<Instant>,
    /// When it was made, in the pool's count of events.
    born: AtomicU64,
    has_served: AtomicBool,
    received: Received,
    /// Requests that were given up without a word, and what had been received by then.
    silences: Mutex<(Silences, usize)>,
}

impl Http2 {
    pub async fn handshake(link: Link, now: Instant) -> hyper::Result<Http2> {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .initial_max_send_streams(STREAMS_MAX)
            .keep_alive_interval(KEEP_ALIVE_PING)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        let received = link.received();
        let (sender, connection) = builder.handshake(TokioIo::new(link)).await?;
        let driven = Arc::new(Mutex::new(Some(connection)));
        tokio::spawn(drive(Arc::clone(&driven)));
        Ok(Http2 {
            sender,
            driven,
            is_draining: AtomicBool::new(false),
            streams: AtomicUsize::new(0),
            idle_since: Mutex::new(now),
            born: AtomicU64::new(0),
            has_served: AtomicBool::new(false),
            received,
            silences: Mutex::default(),
        })
    }

    pub fn note_born(&self, born: u64) {
        self.born.store(born, Ordering::Relaxed);
    }

    pub fn born(&self) -> u64 {
        self.born.load(Ordering::Relaxed)
    }

    /// A reply's head has come on it.
    pub fn has_served(&self) -> bool {
        self.has_served.load(Ordering::Relaxed)
    }

    /// May new requests be sent on it, as far as we know?
    pub fn is_usable(&self) -> bool {
        !self.is_draining.load(Ordering::Relaxed) && !self.sender.is_closed()
    }

    /// No new requests are sent on it; those that run go on.
    pub fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// A request on it was given up without a word. True: it is no longer by chance.
    pub fn note_silence(&self, sent: Instant, now: Instant) -> bool {
        let mut silences = self.silences.lock().unwrap_or_else(PoisonError::into_inner);
        let received = self.received.bytes();
        if silences.1 != received {
            *silences = (Silences::default(), received);
        }
        silences.0.note(sent, now)
    }

    /// Its count of received bytes.
    pub fn received(&self) -> Received {
        self.received.clone()
    }

    /// Requests that may run on it at once, by the provider's word and ours.
    pub fn streams_max(&self) -> usize {
        let driven = self.driven.lock().unwrap_or_else(PoisonError::into_inner);
        driven.as_ref().map_or(0, |driven| driven.current_max_send_streams().min(STREAMS_MAX))
    }

    /// Take a place for one more request, if there is one. The pool's lock is held meanwhile.
    pub fn take_stream(&self) -> bool {
        let is_free = self.is_usable() && self.streams.load(Ordering::Relaxed) < self.streams_max();
        if is_free {
            self.streams.fetch_add(1, Ordering::Relaxed);
        }
        is_free
    }

    pub fn give_stream_back(&self, now: Instant) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
        *self.idle_since.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Since when no request runs on it.
    pub fn idle_since(&self) -> Option<Instant> {
        let is_idle = self.streams.load(Ordering::Relaxed) == 0;
        is_idle.then(|| *self.idle_since.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub async fn send(&self, request: Request<Pieces>) -> Result<Response<hyper::body::Incoming>, Failure> {
        let sent = self.sender.clone().try_send_request(request).await;
        self.has_served.fetch_or(sent.is_ok(), Ordering::Relaxed);
        sent.map_err(|error| {
            let failure = failure(error);
            if failure.kind != FailureKind::Fault && failure.is_of_connection {
                self.drain();
            }
            Failure { kind: failure.kind, text: failure.text }
        })
    }
}

struct Read {
    kind: FailureKind,
    /// Not of the one stream alone.
    is_of_connection: bool,
    text: String,
}

fn failure(error: TrySendError<Request<Pieces>>) -> Read {
    // A message that comes back was never written.
    let was_written = error.message().is_none();
    let error = error.into_error();
    let cause = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    let (kind, is_of_connection) = match cause {
        _ if !was_written => (FailureKind::NotProcessed, true),
        // RFC 9113, 6.8: streams above the last one that it names were not processed, and only those are ended by it.
        Some(cause) if cause.is_go_away() && cause.is_remote() => (FailureKind::NotProcessed, true),
        // RFC 9113, 8.7.
        Some(cause) if cause.is_remote() && cause.reason() == Some(h2::Reason::REFUSED_STREAM) => {
            (FailureKind::NotProcessed, false)
        }
        Some(cause) if cause.is_io() => (FailureKind::ConnectionLost, true),
        Some(_) => (FailureKind::Fault, false),
        // The ping was not answered, or its task has ended.
        None => (FailureKind::ConnectionLost, true),
    };
    Read { kind, is_of_connection, text: chain(&error) }
}

/// Run the connection to its end. Its requests are told what went wrong.
async fn drive(driven: Arc<Mutex<Option<Driven>>>) {
    std::future::poll_fn(|context| {
        let mut driven = driven.lock().unwrap_or_else(PoisonError::into_inner);
        let polled = driven.as_mut().map_or(Poll::Ready(Ok(())), |driven| std::pin::Pin::new(driven).poll(context));
        // Requests that still wait in it come back when it is dropped.
        polled.map(|_| *driven = None)
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::Bytes;
    use http_body_util::Full;
    use hyper::service::service_fn;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::sleep;

    use super::*;

    /// Faults: F110
    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_whose_other_side_vanished_is_noticed() {
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        tokio::spawn(async move {
            // Its settings, and then nothing more, whatever comes.
            let _ = theirs.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
            while theirs.read(&mut [0; 1024]).await.is_ok_and(|count| count > 0) {}
        });
        let http2 = Http2::handshake(Link::new(ours, true), Instant::now()).await.expect("a connection");
        sleep(Duration::from_secs(1)).await;
        assert!(http2.is_usable());
        sleep((KEEP_ALIVE_PING + KEEP_ALIVE_TIMEOUT) * 2).await;
        assert!(!http2.is_usable());
        assert!(!http2.take_stream());
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_that_lives_is_kept_and_its_limit_is_heeded() {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let answer = service_fn(async |_| Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("ok")))));
        let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        server.max_concurrent_streams(3);
        tokio::spawn(server.serve_connection(TokioIo::new(theirs), answer));
        let http2 = Http2::handshake(Link::new(ours, true), Instant::now()).await.expect("a connection");
        sleep(Duration::from_secs(600)).await;
        assert!(http2.is_usable() && http2.idle_since().is_some());
        let taken = (0..10).filter(|_| http2.take_stream()).count();
        assert_eq!((taken, http2.streams_max()), (3, 3));
        assert!(http2.idle_since().is_none());
        http2.give_stream_back(Instant::now());
        assert!(http2.take_stream() && !http2.take_stream());
    }
}
