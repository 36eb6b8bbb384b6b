//! The streams of HTTP/2, each a task: one whose caller does not make room for its reply is reset, while the others of its
//! connection go on. Under HTTP/1 the connection itself is what stalls, see `patient.rs`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use hyper::rt::Executor;
use tokio::time::{Instant, sleep, sleep_until};

use super::passed;
use crate::config::defaults::READ_RATE;
use crate::gateway::Body;

tokio::task_local! {
    /// Of the stream whose task this is.
    static WAITING: Arc<Waiting>;
}

/// How a stream's caller makes room for its reply.
struct Waiting(Mutex<State>);

#[derive(Clone, Copy)]
struct State {
    /// Since when it leaves no room for more.
    since: Option<Instant>,
    /// How long it may still do so. What it reads gives time back.
    patience: Duration,
    /// When the stream must have ended.
    deadline: Option<Instant>,
}

/// Runs streams.
#[derive(Clone, Copy)]
pub struct Streams {
    stall: Duration,
}

impl Streams {
    pub fn new(stall: Duration) -> Streams {
        Streams { stall }
    }
}

impl<F: Future + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let (waiting, stall) = (Arc::new(Waiting::new(self.stall)), self.stall);
        tokio::spawn(async move {
            let running = WAITING.scope(Arc::clone(&waiting), stream);
            tokio::select! {
                _ = running => {}
                // Dropping the stream resets it, and ends what runs for it.
                () = waiting.too_long(stall) => {}
            }
        });
    }
}

impl Waiting {
    fn new(stall: Duration) -> Waiting {
        Waiting(Mutex::new(State { since: None, patience: stall, deadline: None }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is room; a frame of so many bytes goes there, or none is ready.
    fn note(&self, bytes: Option<usize>, stall: Duration, now: Instant) {
        let mut state = self.lock();
        let waited = state.since.take().map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        state.patience = state.patience.saturating_sub(waited);
        if let Some(bytes) = bytes {
            let paid = Duration::from_secs(1).saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX)) / READ_RATE;
            state.patience = state.patience.saturating_add(paid).min(stall);
            state.since = Some(now);
        }
    }

    async fn too_long(&self, stall: Duration) {
        loop {
            let State { since, patience, deadline } = *self.lock();
            let until = since.map(|since| since + patience);
            let until = until.into_iter().chain(deadline).min();
            match until {
                Some(until) if Instant::now() >= until => return,
                Some(until) => sleep_until(until.min(Instant::now() + stall)).await,
                None => sleep(stall).await,
            }
        }
    }
}

/// A reply's body that notices when its caller makes no room, for `stall` or until the deadline. Outside of a stream's task it is the
/// same body.
pub fn watched(body: Body, stall: Duration, deadline: Option<Instant>) -> Body {
    let Ok(waiting) = WAITING.try_with(Arc::clone) else { return body };
    waiting.lock().deadline = deadline;
    // hyper asks for the next piece of a body when there is room for it.
    passed::watched(body, move |polled| {
        let bytes = match polled {
            Poll::Ready(Some(Ok(frame))) => Some(frame.data_ref().map_or(0, Bytes::len)),
            Poll::Ready(_) => Some(0),
            Poll::Pending => None,
        };
        waiting.note(bytes, stall, Instant::now());
    })
}
