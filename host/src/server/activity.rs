//! What a caller's connection is doing: how many of its requests run, since when none does, and when the one of HTTP/1.1 must have ended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::passed;
use crate::gateway::Body;

/// Of one connection.
#[derive(Clone)]
pub struct Activity {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
    leave: Arc<Notify>,
}

struct State {
    running: usize,
    /// Requests so far.
    begun: usize,
    idle_since: Instant,
    /// Of the request of HTTP/1.1 that runs.
    deadline: Option<Instant>,
    /// What was said last waits for the caller to read it, though its request has ended: hyper holds it.
    is_writing: bool,
    /// Its place is needed.
    is_sent_away: bool,
}

/// A request that runs. Dropped, it has ended.
pub struct Running(Activity);

/// Why a connection should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// No request has run on it for long, or its place is needed.
    Idle,
    /// The caller still reads a reply that should have ended.
    Late,
}

impl Activity {
    pub fn new(now: Instant) -> Activity {
        let (running, begun, is_writing, is_sent_away) = (0, 0, false, false);
        let state = State { running, begun, idle_since: now, deadline: None, is_writing, is_sent_away };
        Activity { state: Arc::new(Mutex::new(state)), changed: Arc::default(), leave: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn begin(&self) -> Running {
        let mut state = self.lock();
        state.running += 1;
        state.begun += 1;
        Running(self.clone())
    }

    pub fn begun(&self) -> usize {
        self.lock().begun
    }

    /// Since when no request runs. None: one does.
    pub fn idle_since(&self) -> Option<Instant> {
        let state = self.lock();
        (state.is_idle() && !state.is_sent_away).then_some(state.idle_since)
    }

    pub fn is_idle(&self) -> bool {
        self.lock().is_idle()
    }

    /// Something waits for the caller to read it, or does no more.
    pub fn writing(&self, is_writing: bool) {
        let mut state = self.lock();
        state.is_writing = is_writing;
        state.idle_since = Instant::now();
    }

    /// The connection ends unless a request has begun in this moment.
    pub fn send_away(&self) {
        self.lock().is_sent_away = true;
        self.changed.notify_one();
    }

    /// No new requests should come on it.
    pub fn leave(&self) {
        self.leave.notify_one();
    }

    /// Resolves when the caller should be told so.
    pub async fn should_leave(&self) {
        self.leave.notified().await;
    }

    /// Resolves when the connection should end.
    pub async fn over(&self, keep_alive: Duration) -> Over {
        loop {
            let (at, over) = {
                let state = self.lock();
                match state.deadline {
                    _ if state.is_idle() && state.is_sent_away => return Over::Idle,
                    _ if state.is_idle() => (state.idle_since + keep_alive, Some(Over::Idle)),
                    Some(deadline) => (deadline, Some(Over::Late)),
                    None => (Instant::now() + keep_alive, None),
                }
            };
            if let Some(over) = over.filter(|_| Instant::now() >= at) {
                return over;
            }
            tokio::select! {
                () = sleep_until(at) => {}
                () = self.changed.notified() => {}
            }
        }
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.running == 0 && !self.is_writing
    }
}

impl Running {
    /// On a connection of HTTP/1.1 the reply must have been read by then.
    pub fn ends_by(&self, deadline: Instant) {
        self.0.lock().deadline = Some(deadline);
        self.0.changed.notify_one();
    }

    /// The request ends with its reply's body.
    pub fn with(self, body: Body) -> Body {
        // Watching holds `self`, as long as the body lives.
        passed::watched(body, move |_| {
            let _ = &self;
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.running = state.running.saturating_sub(1);
        state.deadline = None;
        state.idle_since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const KEEP: Duration = Duration::from_secs(75);

    /// Faults: F115
    #[tokio::test(start_paused = true)]
    async fn it_is_over_when_nothing_runs_for_long_or_a_reply_is_late() {
        let (activity, began) = (Activity::new(Instant::now()), Instant::now());
        let running = activity.begin();
        let (shared, second) = (activity.clone(), Duration::from_secs(1));
        tokio::spawn(async move {
            sleep(KEEP * 2).await;
            drop(running);
        });
        assert_eq!(activity.over(KEEP).await, Over::Idle);
        assert!(began.elapsed() >= KEEP * 3 && began.elapsed() < KEEP * 4, "{:?}", began.elapsed());
        let running = shared.begin();
        let began = Instant::now();
        running.ends_by(began + 5 * second);
        assert_eq!(shared.over(KEEP).await, Over::Late);
        assert_eq!(began.elapsed(), 5 * second);
        drop(running);
        // Its reply is not read yet.
        shared.writing(true);
        assert!(!shared.is_idle() && shared.idle_since().is_none());
        let (reading, began) = (shared.clone(), Instant::now());
        tokio::spawn(async move {
            sleep(KEEP * 4).await;
            reading.writing(false);
        });
        assert_eq!(shared.over(KEEP).await, Over::Idle);
        assert!(began.elapsed() >= KEEP * 5, "{:?}", began.elapsed());
        shared.send_away();
        assert_eq!((shared.over(KEEP).await, shared.idle_since()), (Over::Idle, None));
    }
}
