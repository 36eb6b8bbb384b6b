//! When a request really left. What it spends before that, on name lookup, on connecting and in our own queue for a free
//! connection, is not the provider's time.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// A cell that `Client::send` fills: when it begins to get a connection, when it hands the request to it, and again when it has to
/// send it anew. Clones are of the same request.
#[derive(Clone, Debug, Default)]
pub struct SentAt {
    cell: Arc<watch::Sender<Progress>>,
    due: Arc<OnceLock<(Duration, Instant)>>,
}

/// How far the request is.
#[derive(Clone, Copy, Debug, Default)]
enum Progress {
    /// It is being prepared.
    #[default]
    Here,
    /// It has waited for a connection since then.
    Connecting(Instant),
    Sent(Instant),
}

/// The time has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut;

impl SentAt {
    /// None if the request has not left: it is still waiting for a connection, or never got one.
    pub fn get(&self) -> Option<Instant> {
        match *self.cell.borrow() {
            Progress::Sent(at) => Some(at),
            Progress::Here | Progress::Connecting(_) => None,
        }
    }

    /// Say when the reply's head is late: so long after the request left, and at the deadline. Who gives the request up sooner does
    /// so for reasons of their own.
    pub fn expect_head(&self, within: Duration, deadline: Instant) {
        // The first word counts; an attempt sends one request.
        let _ = self.due.set((within, deadline));
    }

    /// None if nobody said, or if the request has not left.
    pub(super) fn due(&self) -> Option<Instant> {
        let (within, deadline) = self.due.get()?;
        Some((self.get()? + *within).min(*deadline))
    }

    /// Since when the request has waited for a connection. None if it has one, or does not want one yet.
    pub fn connecting_since(&self) -> Option<Instant> {
        match *self.cell.borrow() {
            Progress::Connecting(since) => Some(since),
            Progress::Here | Progress::Sent(_) => None,
        }
    }

    pub fn note_connecting(&self, now: Instant) {
        self.cell.send_replace(Progress::Connecting(now));
    }

    pub fn note(&self, now: Instant) {
        self.cell.send_replace(Progress::Sent(now));
    }

    /// Run the future, and give it up when `within` has passed since the request left. Before it leaves, no time counts.
    ///
    /// # Errors
    /// The time has passed.
    pub async fn within<F: Future>(&self, within: Duration, future: F) -> Result<F::Output, TimedOut> {
        let mut sent = self.cell.subscribe();
        tokio::pin!(future);
        loop {
            let until = match *sent.borrow_and_update() {
                Progress::Sent(at) => Some(at + within),
                Progress::Here | Progress::Connecting(_) => None,
            };
            let expired = async {
                match until {
                    Some(until) => sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                output = &mut future => return Ok(output),
                // `self` holds the sender, so this cannot fail.
                _ = sent.changed() => {}
                () = expired => return Err(TimedOut),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_time_after_leaving_counts() {
        let sent_at = SentAt::default();
        let call = |answer_ms: u64| {
            let sent_at = &sent_at;
            async move {
                assert!(sent_at.get().is_none_or(|sent| sent <= Instant::now()));
                sleep(Duration::from_secs(100)).await;
                sent_at.note(Instant::now());
                sleep(Duration::from_millis(900)).await;
                // Its connection had died: it leaves again, and the clock starts again.
                sent_at.note_connecting(Instant::now());
                sleep(Duration::from_secs(100)).await;
                sent_at.note(Instant::now());
                sleep(Duration::from_millis(answer_ms)).await;
            }
        };
        assert!(sent_at.within(Duration::from_secs(1), call(900)).await.is_ok());
        let sent = sent_at.get().expect("it left");
        assert_eq!(sent.elapsed(), Duration::from_millis(900));
        let other = SentAt::default();
        assert_eq!((other.get(), other.connecting_since()), (None, None));
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_after_leaving_is_bounded() {
        let sent_at = SentAt::default();
        let began = Instant::now();
        let silent = async {
            sleep(Duration::from_secs(100)).await;
            sent_at.note(Instant::now());
            std::future::pending::<()>().await;
        };
        assert!(sent_at.within(Duration::from_secs(1), silent).await.is_err());
        assert_eq!(began.elapsed().as_secs(), 101);
    }
}
