//! The attempts of one request that run at once: one, or two when the first is late and the policy hedges.

use std::future::Future;
use std::pin::Pin;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::begun::Failed;
use super::commit::HeldBack;
use super::decide::Step;
use super::spent::Told;

/// How an attempt ends, as far as its caller is concerned: content is here, or none will come.
pub type Outcome = Result<HeldBack, Box<Failed>>;

type Attempt<'a> = Pin<Box<dyn Future<Output = (usize, Outcome)> + Send + 'a>>;

/// See the module. Dropping it cancels upstream what still runs.
#[derive(Default)]
pub struct Race<'a> {
    attempts: FuturesUnordered<Attempt<'a>>,
    running: Vec<Runner>,
}

/// An attempt that runs.
pub struct Runner {
    /// Position in the route's targets; of one target there runs one attempt at most.
    pub target: usize,
    /// When it is sent, or was.
    pub starts: Instant,
    /// When to ask the policy again.
    hedge_at: Option<Instant>,
    pub told: Told,
}

/// What the policy wants to hear of.
pub enum News {
    Content(HeldBack),
    Failed(Failed),
    /// An attempt is late.
    Late,
}

impl<'a> Race<'a> {
    /// Begin an attempt after the step's wait. A future does nothing before it is first polled, so nothing is sent sooner.
    pub fn start(&mut self, step: &Step, attempt: impl Future<Output = Outcome> + Send + 'a) {
        let (target, starts) = (step.target, Instant::now() + step.after);
        let hedge_at = step.hedge_after.map(|after| starts + after);
        self.running.push(Runner { target, starts, hedge_at, told: step.told.clone() });
        let waits = !step.after.is_zero();
        self.attempts.push(Box::pin(async move {
            // Even a sleep of nothing lasts until the timer's next millisecond.
            if waits {
                sleep_until(starts).await;
            }
            (target, attempt.await)
        }));
    }

    pub fn running(&self) -> &[Runner] {
        &self.running
    }

    /// The next thing that happens; nothing where nothing runs.
    pub async fn news(&mut self) -> Option<News> {
        loop {
            // Whose first content is here is not late, though what is held back of it may take a while.
            let is_waiting = |runner: &Runner| !runner.told.has_content();
            let late_at =
                self.running.iter().filter(|runner| is_waiting(runner)).filter_map(|runner| runner.hedge_at).min();
            let late = async {
                match late_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                ended = self.attempts.next() => {
                    let (target, outcome) = ended?;
                    self.running.retain(|runner| runner.target != target);
                    return Some(match outcome {
                        Ok(held_back) => News::Content(held_back),
                        Err(failed) => News::Failed(*failed),
                    });
                }
                () = late => {
                    let mut is_late = false;
                    for runner in self.running.iter_mut().filter(|runner| runner.hedge_at <= late_at) {
                        is_late |= runner.hedge_at.take().is_some() && is_waiting(runner);
                    }
                    if is_late {
                        return Some(News::Late);
                    }
                }
            }
        }
    }
}
