//! How much each caller uses, by its key's name: counted in this process, through all changes of the configuration.

mod window;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use self::window::{Part, Window};
use crate::config::{Caller, CallerLimits};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// When one of a caller's requests ends, nobody knows. Soon enough for a limit on requests at once.
const IN_FLIGHT_WAIT: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub struct Callers {
    counters: Mutex<HashMap<String, Counter>>,
}

#[derive(Debug)]
struct Counter {
    in_flight: u64,
    requests: Window,
    minute: Window,
    day: Window,
}

/// A request that fits its caller's limits. Dropped, it is over.
#[derive(Debug)]
pub struct Admitted {
    callers: Arc<Callers>,
    name: String,
    limits: CallerLimits,
    /// In the windows of tokens: how many, and where.
    tokens: u64,
    minute: Part,
    day: Part,
}

/// A limit is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Over {
    pub limit: &'static str,
    pub most: u64,
    /// Until the request would fit.
    pub wait: Duration,
}

impl Callers {
    /// Count a request that may need so many tokens.
    ///
    /// # Errors
    /// Which limit does not allow it; nothing is counted.
    pub fn admit(self: &Arc<Self>, caller: &Caller, tokens: u64, now: Instant) -> Result<Admitted, Over> {
        let limits = caller.limits;
        let mut counters = self.lock();
        let counter = counters.entry(caller.name.clone()).or_default();
        if let Some(most) = limits.max_in_flight.filter(|most| counter.in_flight >= *most) {
            return Err(Over { limit: "max_in_flight", most, wait: IN_FLIGHT_WAIT });
        }
        fits(&mut counter.requests, 1, "requests_per_minute", limits.requests_per_minute, now)?;
        counter.fits(tokens, limits, now)?;
        counter.in_flight += 1;
        counter.requests.add(1, now);
        let (minute, day) = (counter.minute.add(tokens, now), counter.day.add(tokens, now));
        Ok(Admitted { callers: Arc::clone(self), name: caller.name.clone(), limits, tokens, minute, day })
    }

    /// A panic elsewhere leaves nothing half-written behind this lock.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Counter>> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admitted {
    /// The request turned out to be of this size.
    ///
    /// # Errors
    /// As above: then it needs no tokens, because it will not be sent.
    pub fn resize(&mut self, tokens: u64, now: Instant) -> Result<(), Over> {
        if tokens == self.tokens {
            return Ok(());
        }
        self.settle(0, now);
        let mut counters = self.callers.lock();
        let Some(counter) = counters.get_mut(&self.name) else { return Ok(()) };
        counter.fits(tokens, self.limits, now)?;
        (self.minute, self.day) = (counter.minute.add(tokens, now), counter.day.add(tokens, now));
        self.tokens = tokens;
        Ok(())
    }

    /// The tokens that are counted for it now.
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// So many tokens it was.
    pub fn settle(&mut self, tokens: u64, now: Instant) {
        let mut counters = self.callers.lock();
        let Some(counter) = counters.get_mut(&self.name) else { return };
        counter.minute.correct(self.minute, self.tokens, tokens, now);
        counter.day.correct(self.day, self.tokens, tokens, now);
        self.tokens = tokens;
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if let Some(counter) = self.callers.lock().get_mut(&self.name) {
            counter.in_flight = counter.in_flight.saturating_sub(1);
        }
    }
}

impl Counter {
    fn fits(&mut self, tokens: u64, limits: CallerLimits, now: Instant) -> Result<(), Over> {
        // Whose size is not known yet needs at least one.
        let tokens = tokens.max(1);
        let day = fits(&mut self.day, tokens, "tokens_per_day", limits.tokens_per_day, now);
        let minute = fits(&mut self.minute, tokens, "tokens_per_minute", limits.tokens_per_minute, now);
        match (day, minute) {
            // The longer wait is the true one.
            (Err(day), Err(minute)) => Err(if day.wait >= minute.wait { day } else { minute }),
            (day, minute) => day.and(minute),
        }
    }
}

impl Default for Counter {
    fn default() -> Self {
        Counter { in_flight: 0, requests: Window::new(MINUTE), minute: Window::new(MINUTE), day: Window::new(DAY) }
    }
}

fn fits(window: &mut Window, amount: u64, limit: &'static str, most: Option<u64>, now: Instant) -> Result<(), Over> {
    match most {
        Some(most) => window.fits(amount, most, now).map_err(|wait| Over { limit, most, wait }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(limits: CallerLimits) -> Caller {
        Caller { name: "team-one".to_owned(), digest: [0; 32], models: None, limits }
    }

    fn limit(admitted: Result<Admitted, Over>) -> (&'static str, u64) {
        let over = admitted.expect_err("a limit");
        (over.limit, over.wait.as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_counted_by_the_minute_and_at_once() {
        let callers = Arc::new(Callers::default());
        let limits = CallerLimits { requests_per_minute: Some(3), max_in_flight: Some(2), ..CallerLimits::default() };
        let one = caller(limits);
        let first = callers.admit(&one, 9, Instant::now()).expect("room");
        tokio::time::advance(Duration::from_secs(10)).await;
        let second = callers.admit(&one, 9, Instant::now()).expect("room");
        assert_eq!(limit(callers.admit(&one, 9, Instant::now())), ("max_in_flight", 1));
        drop((first, second));
        drop(callers.admit(&one, 9, Instant::now()).expect("what is over makes room"));
        assert_eq!(limit(callers.admit(&one, 9, Instant::now())), ("requests_per_minute", 51));
        let other = Caller { name: "team-two".to_owned(), ..one.clone() };
        drop(callers.admit(&other, 9, Instant::now()).expect("another's requests are not ours"));
        tokio::time::advance(Duration::from_secs(51)).await;
        drop(callers.admit(&one, 9, Instant::now()).expect("as was said"));
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_are_reserved_and_corrected_by_what_it_was() {
        let callers = Arc::new(Callers::default());
        let limits =
            CallerLimits { tokens_per_minute: Some(100), tokens_per_day: Some(250), ..CallerLimits::default() };
        let one = caller(limits);
        let mut first = callers.admit(&one, 90, Instant::now()).expect("room");
        assert_eq!(limit(callers.admit(&one, 90, Instant::now())), ("tokens_per_minute", 61));
        first.settle(10, Instant::now());
        let mut second = callers.admit(&one, 90, Instant::now()).expect("it was less than thought");
        second.settle(190, Instant::now());
        drop((first, second));
        tokio::time::advance(Duration::from_secs(61)).await;
        let mut third = callers.admit(&one, 0, Instant::now()).expect("its size is not known yet");
        let over = third.resize(60, Instant::now()).expect_err("more than the day has left");
        assert_eq!(over.limit, "tokens_per_day");
        assert_eq!(third.resize(50, Instant::now()), Ok(()));
        drop(third);
        assert_eq!(limit(callers.admit(&one, 0, Instant::now())).0, "tokens_per_day");
        tokio::time::advance(over.wait).await;
        drop(callers.admit(&one, 60, Instant::now()).expect("as was said"));
    }
}
