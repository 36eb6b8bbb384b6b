//! What a request that is given up without a reply says of its connection: if the other side sent nothing at all meanwhile, it may
//! have vanished, and a kernel that gets no answer goes on sending for a quarter of an hour before it says so.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::Origin;
use super::http2::Http2;
use super::pool::Shared;

/// A request that was given up sooner says nothing of its connection.
const SILENCE_MIN: Duration = Duration::from_secs(1);
/// One whose caller has left, or that another target was faster than, says little even then: a healthy provider may think for as
/// long. So many, one after the other and without any byte in all that time, say enough.
const SILENCES: usize = 3;

/// Requests that were given up without a word from the other side, one after the other.
#[derive(Debug, Default)]
pub struct Silences {
    count: usize,
    last: Option<Instant>,
}

impl Silences {
    /// One more, which was sent then. True: they are enough.
    pub fn note(&mut self, sent: Instant, now: Instant) -> bool {
        // Requests that waited at the same time saw the same silence.
        if self.last.is_none_or(|last| sent >= last) {
            (self.count, self.last) = (self.count + 1, Some(now));
        }
        self.count >= SILENCES
    }
}

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

/// What is doubted when a request is given up without a word.
pub struct Doubts {
    pub home: Weak<Shared>,
    pub origin: Arc<Origin>,
    /// The connection was idle before, as others may be that died with it.
    pub is_reused: bool,
    /// When the reply's head is late. Whoever gives the request up sooner does so for reasons of their own.
    pub due: Option<Instant>,
}

/// A request that waits for the head of its reply. Dropped before that, it makes the pool doubt connections that may be dead.
pub struct Unanswered {
    sent: Instant,
    received: Received,
    before: usize,
    /// None for HTTP/1.1, where the connection ends with the request.
    http2: Option<Arc<Http2>>,
    /// None once the request has its reply, or an error that speaks for itself.
    doubts: Option<Doubts>,
}

impl Unanswered {
    pub fn new(received: Received, http2: Option<Arc<Http2>>, doubts: Doubts) -> Unanswered {
        Unanswered { sent: Instant::now(), before: received.bytes(), received, http2, doubts: Some(doubts) }
    }

    /// The connection has shown what it is. Gives back what came of the request.
    pub fn settled<T>(mut self, outcome: T) -> T {
        self.doubts = None;
        outcome
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        let Some(Doubts { home, origin, is_reused, due }) = self.doubts.take() else { return };
        let (Some(home), now) = (home.upgrade(), Instant::now()) else { return };
        let silence = now.saturating_duration_since(self.sent);
        if silence < SILENCE_MIN || self.received.bytes() != self.before {
            return;
        }
        let is_late = due.is_some_and(|due| now >= due);
        let is_doubtful = is_late
            || match &self.http2 {
                Some(http2) => http2.note_silence(self.sent, now),
                None => is_reused && home.note_silence(&origin, self.sent, now),
            };
        if !is_doubtful {
            return;
        }
        // Requests that run on it may still be answered; new ones go elsewhere.
        if let Some(http2) = &self.http2 {
            http2.drain();
        }
        if is_reused {
            home.drop_idle_since(&origin, self.sent);
        }
    }
}
