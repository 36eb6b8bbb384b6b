//! What a request that is given up without a reply says of its connection: if the other side sent nothing at all meanwhile, it may
//! have vanished, and a kernel that gets no answer goes on sending for a quarter of an hour before it says so.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::Origin;
use super::http2::Http2;
use super::pool::Shared;

/// A request that was given up sooner says nothing: its caller has left, or another target was faster.
const SILENCE_MIN: Duration = Duration::from_secs(1);

/// Bytes that a connection has received so far, and may receive at most.
#[derive(Clone, Debug)]
pub struct Received(Arc<Counter>);

#[derive(Debug)]
struct Counter {
    bytes: AtomicUsize,
    bytes_max: AtomicUsize,
}

impl Default for Received {
    fn default() -> Received {
        Received(Arc::new(Counter { bytes: AtomicUsize::new(0), bytes_max: AtomicUsize::new(usize::MAX) }))
    }
}

impl Received {
    pub fn bytes(&self) -> usize {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// So many came. False: they are too many.
    pub fn add(&self, bytes: usize) -> bool {
        let before = self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        before.saturating_add(bytes) <= self.0.bytes_max.load(Ordering::Relaxed)
    }

    /// No more than so many may come from now on. None: as many as will.
    pub fn limit(&self, bytes: Option<usize>) {
        let most = bytes.map_or(usize::MAX, |bytes| self.bytes().saturating_add(bytes));
        self.0.bytes_max.store(most, Ordering::Relaxed);
    }
}

/// A request that waits for the head of its reply. Dropped before that, it makes the pool doubt connections that may be dead.
pub struct Unanswered {
    sent: Instant,
    received: Received,
    before: usize,
    /// None once the request has its reply, or an error that speaks for itself.
    home: Option<Weak<Shared>>,
    origin: Arc<Origin>,
    /// None for HTTP/1.1, where the connection ends with the request.
    http2: Option<Arc<Http2>>,
    /// The connection was idle before, as others may be that died with it.
    is_reused: bool,
}

impl Unanswered {
    pub fn new(
        received: Received,
        home: &Weak<Shared>,
        origin: &Arc<Origin>,
        http2: Option<Arc<Http2>>,
        is_reused: bool,
    ) -> Unanswered {
        Unanswered {
            sent: Instant::now(),
            before: received.bytes(),
            received,
            home: Some(Weak::clone(home)),
            origin: Arc::clone(origin),
            http2,
            is_reused,
        }
    }

    /// The connection has shown what it is. Gives back what came of the request.
    pub fn settled<T>(mut self, outcome: T) -> T {
        self.home = None;
        outcome
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        let Some(home) = self.home.take().and_then(|home| home.upgrade()) else { return };
        if self.sent.elapsed() < SILENCE_MIN || self.received.bytes() != self.before {
            return;
        }
        // Requests that run on it may still be answered; new ones go elsewhere.
        if let Some(http2) = &self.http2 {
            http2.drain();
        }
        if self.is_reused {
            home.drop_idle_since(&self.origin, self.sent);
        }
    }
}
