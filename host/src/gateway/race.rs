//! The attempts of one request that run at once: one, or more when the first is late and the policy tries another target
//! besides.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::begun::Failed;
use super::commit::HeldBack;
use super::decide::Step;
use super::spent::Told;
use crate::clock::Clock;
use crate::health::{BreakerSettings, Health};
use crate::upstream::SentAt;

/// How often those who wait look whether their target has fallen silent.
const LOOK: Duration = Duration::from_millis(250);
/// Getting a connection is late after this: a lost packet costs a second, and two are trouble. It is nothing that is learned of
/// replies.
const CONNECTING_LATE: Duration = Duration::from_secs(2);
/// An attempt that stays late: how long until its policy is asked again, at first.
const LATE_AGAIN: Duration = Duration::from_secs(1);

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
    /// When to ask the policy again, because it wants to.
    hedge_at: Option<Instant>,
    /// When to ask it, because the attempt takes longer than is usual. `None` if nobody waits for that.
    late: Option<Late>,
    pub told: Told,
    sent_at: SentAt,
}

/// When an attempt is late.
struct Late {
    /// From the moment its request is sent.
    after: Duration,
    /// When to ask once more. `None` before it was late.
    next: Option<Instant>,
    /// How long until the policy is asked once more, if nothing has changed by then.
    again: Duration,
    is_late: bool,
    /// The policy was asked because the target's circuit opened meanwhile.
    is_out: bool,
    health: Arc<Health>,
}

impl Late {
    /// `None` while the request is being prepared.
    fn at(&self, sent_at: &SentAt) -> Option<Instant> {
        let connecting = || Some(sent_at.connecting_since()? + CONNECTING_LATE);
        self.next.or_else(|| Some(sent_at.get()? + self.after)).or_else(connecting)
    }
}

impl Runner {
    /// It takes longer than is usual, or its target has fallen silent.
    pub fn is_late(&self) -> bool {
        self.late.as_ref().is_some_and(|late| late.is_late)
    }

    /// When to look at it next.
    fn wakes_at(&self, now: Instant) -> Option<Instant> {
        // Whose first content is here is not late, though what is held back of it may take a while.
        if self.told.has_content() {
            return None;
        }
        let late = self.late.as_ref().map(|late| {
            let look = (now + LOOK).max(self.starts + LOOK);
            late.at(&self.sent_at).map_or(look, |at| at.min(look))
        });
        [self.hedge_at, late].into_iter().flatten().min()
    }

    /// Shall the policy be asked about it?
    fn is_due(&mut self, settings: &BreakerSettings, clock: &Clock, now: Instant) -> bool {
        if self.told.has_content() {
            return false;
        }
        let is_hedge_due = self.hedge_at.take_if(|at| *at <= now).is_some();
        let Some(late) = &mut self.late else { return is_hedge_due };
        let mut is_due = false;
        if now >= self.starts && late.health.look(settings, clock.random(), now) && !late.is_out {
            (late.is_out, is_due) = (true, true);
        }
        if late.at(&self.sent_at).is_some_and(|at| now >= at) {
            (late.next, late.again, is_due) = (Some(now + late.again), late.again * 2, true);
        }
        late.is_late |= is_due;
        is_hedge_due || is_due
    }
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
        let late = step.late.as_ref().map(|(after, health)| Late {
            after: *after,
            next: None,
            again: LATE_AGAIN,
            is_late: false,
            // Who was asked though it is out, such as by a probe, is given its time.
            is_out: health.is_out(Instant::now()),
            health: Arc::clone(health),
        });
        self.running.push(Runner {
            target,
            starts,
            hedge_at,
            late,
            told: step.told.clone(),
            sent_at: step.sent_at.clone(),
        });
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

    /// The next thing that happens; nothing where nothing runs. `settings` are those of a target, by its position.
    pub async fn news(&mut self, settings: impl Fn(usize) -> BreakerSettings, clock: &Clock) -> Option<News> {
        loop {
            let now = Instant::now();
            let wakes_at = self.running.iter().filter_map(|runner| runner.wakes_at(now)).min();
            let wake = async {
                match wakes_at {
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
                () = wake => {
                    let now = Instant::now();
                    let mut due = 0;
                    for runner in &mut self.running {
                        due += usize::from(runner.is_due(&settings(runner.target), clock, now));
                    }
                    if due > 0 {
                        return Some(News::Late);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BREAKER;

    /// After how many milliseconds the policy is asked about an attempt that waits for its connection so long and then for ever.
    async fn late_after(connecting: Duration) -> u128 {
        let (sent_at, began) = (SentAt::default(), Instant::now());
        let step = Step {
            target: 0,
            after: Duration::ZERO,
            first_token: Duration::from_secs(60),
            idle: Duration::from_secs(60),
            hedge_after: None,
            late: Some((Duration::from_secs(1), Arc::default())),
            is_first: true,
            is_probe: false,
            reason: String::new(),
            told: Told::default(),
            sent_at: sent_at.clone(),
        };
        let mut race = Race::default();
        race.start(&step, async move {
            sleep_until(began + Duration::from_millis(100)).await;
            sent_at.note_connecting(Instant::now());
            sleep_until(Instant::now() + connecting).await;
            sent_at.note(Instant::now());
            std::future::pending().await
        });
        let news = race.news(|_| BREAKER, &Clock::seeded(Duration::ZERO, 1)).await;
        assert!(matches!(news, Some(News::Late)));
        began.elapsed().as_millis()
    }

    /// Faults: F160
    #[tokio::test(start_paused = true)]
    async fn an_attempt_is_late_from_the_moment_it_is_sent() {
        let within = async |connecting: u64, from: u128| {
            let late = late_after(Duration::from_millis(connecting)).await;
            assert!((from..from + 20).contains(&late), "connecting for {connecting} ms: {late}");
        };
        within(0, 1_100).await;
        within(1_500, 2_600).await;
        // So long takes no connection that is well; nothing is learned of it.
        within(4_000, 2_100).await;
    }
}
