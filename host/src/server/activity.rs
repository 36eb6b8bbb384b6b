//! What a caller's connection is doing: how many of its requests run, since when none does, and when the one of HTTP/1.1 must have ended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::passed;
use crate::gateway::Body;

/// After the last reply of a connection that is to end: its last bytes go out before the word that it ends.
const LEAVE_QUIET: Duration = Duration::from_millis(100);

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
    /// It is to end when no request runs on it.
    is_leaving: bool,
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
        let (is_writing, is_sent_away, is_leaving) = (false, false, false);
        let state =
            State { running: 0, begun: 0, idle_since: now, deadline: None, is_writing, is_sent_away, is_leaving };
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

    /// No new requests should come on it. Its caller learns that when none runs: some clients lose the streams that run when a
    /// GOAWAY comes (python-hyper/h2#1181).
    pub fn leave(&self) {
        self.lock().is_leaving = true;
    }

    /// Resolves when the caller should learn it.
    pub async fn should_leave(&self) {
        loop {
            self.leave.notified().await;
            // What was said last is on its way to the caller, or a request in that moment to us: its end is waited for.
            sleep(LEAVE_QUIET).await;
            while self.lock().is_writing {
                sleep(LEAVE_QUIET).await;
            }
            if self.is_idle() {
                return;
            }
        }
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
        if state.is_leaving && state.running == 0 {
            self.0.leave.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: Duration = Duration::from_secs(75);

    /// Faults: F192
    #[tokio::test(start_paused = true)]
    async fn its_caller_learns_that_it_is_to_end_when_nothing_runs() {
        let activity = Activity::new(Instant::now());
        let learns = async || tokio::time::timeout(Duration::from_secs(60), activity.should_leave()).await.is_ok();
        let (first, second) = (activity.begin(), activity.begin());
        drop(first);
        activity.leave();
        assert!(!learns().await, "one runs");
        drop(second);
        let third = activity.begin();
        assert!(!learns().await, "one more came in that moment");
        activity.writing(true);
        drop(third);
        assert!(!learns().await, "its last bytes wait for the caller");
        activity.writing(false);
        drop(activity.begin());
        assert!(learns().await);
    }

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
