//! How many attempts run at one target at once: as many as its configuration allows, and no sudden multiple of what it
//! carried before. After a trouble its load rises step by step. Who comes too many waits in a queue; who finds that full is sent
//! away.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::sync::{Mutex, MutexGuard, PoisonError};

/// The load of so many seconds is remembered.
const SECONDS: usize = 30;
/// After a trouble a target gets this part of what it carried before, and no less than so many attempts at once; each second
/// twice as many.
const RAMP_PART: u32 = 8;
const RAMP_MIN: u32 = 2;
/// By then everything is allowed that ever was.
const RAMP_SECONDS: u64 = 12;

/// How many may run, and wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionSettings {
    /// Attempts at once. Absent: as many as come.
    pub max_in_flight: Option<u32>,
    pub queue: u32,
    pub queue_wait: Duration,
    /// So many at once are never a sudden rise; above it the load of the last half minute may double each second. 0: no matter.
    pub slow_start: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Admission {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    in_flight: u32,
    waiting: VecDeque<oneshot::Sender<Permit>>,
    /// The highest load of each of the last seconds.
    peaks: [u32; SECONDS],
    began: Option<Instant>,
    newest: u64,
    /// The highest load before the trouble.
    carried: u32,
    /// From when it may carry a little again, and then more.
    ramp_from: Option<Instant>,
}

/// The right to run an attempt. Dropped, it goes to who waits longest.
#[derive(Debug)]
pub struct Permit {
    /// Absent: it was taken back.
    admission: Option<Arc<Admission>>,
    settings: AdmissionSettings,
}

/// So many are waiting already, or it took too long.
#[derive(Debug, PartialEq, Eq)]
pub struct Busy;

/// One's turn: it has come, or will come through the channel. Dropping that leaves the queue.
pub(super) enum Turn {
    Now(Permit),
    Later(oneshot::Receiver<Permit>),
}

impl Admission {
    /// Wait for one's turn, `until` at the latest. Dropping the future leaves the queue.
    pub async fn admit(self: &Arc<Self>, settings: AdmissionSettings, until: Instant) -> Result<Permit, Busy> {
        let until = until.min(Instant::now() + settings.queue_wait);
        let mut turn = match self.ask(settings)? {
            Turn::Now(permit) => return Ok(permit),
            Turn::Later(turn) => turn,
        };
        loop {
            // The slow start allows more each second, though nobody leaves.
            let now = Instant::now();
            if now >= until {
                return Err(Busy);
            }
            let look = until.min(now + Duration::from_secs(1));
            match timeout_at(look, &mut turn).await {
                Ok(permit) => return permit.map_err(|_| Busy),
                Err(_) => self.let_in(settings),
            }
        }
    }

    /// Go in, or into the queue.
    pub(super) fn ask(self: &Arc<Self>, settings: AdmissionSettings) -> Result<Turn, Busy> {
        let mut state = self.lock();
        let now = Instant::now();
        if state.waiting.is_empty() && state.in_flight < state.allowed(settings, now) {
            return Ok(Turn::Now(self.permit(&mut state, settings, now)));
        }
        // Who has left may still stand in it.
        state.waiting.retain(|waiting| !waiting.is_closed());
        if state.waiting.len() >= settings.queue as usize {
            return Err(Busy);
        }
        let (sender, receiver) = oneshot::channel();
        state.waiting.push_back(sender);
        Ok(Turn::Later(receiver))
    }

    /// How many run now.
    pub fn in_flight(&self) -> u32 {
        self.lock().in_flight
    }

    /// How many more may begin at once; absent where there is no limit.
    pub fn room(&self, settings: AdmissionSettings, now: Instant) -> Option<u32> {
        let mut state = self.lock();
        let allowed = state.allowed(settings, now);
        (allowed < u32::MAX).then(|| allowed.saturating_sub(state.in_flight))
    }

    /// A trouble begins: what it carried until now is what it can carry again.
    pub fn in_trouble(&self, now: Instant) {
        let mut state = self.lock();
        state.second(now);
        state.carried = state.peaks.iter().copied().max().unwrap_or(0);
    }

    /// It is over then: those who wait for it come one after the other.
    pub fn ramp_from(&self, then: Instant) {
        self.lock().ramp_from = Some(then);
    }

    fn let_in(self: &Arc<Self>, settings: AdmissionSettings) {
        let now = Instant::now();
        let mut state = self.lock();
        while state.in_flight < state.allowed(settings, now) {
            let Some(first) = state.waiting.pop_front() else { break };
            let permit = self.permit(&mut state, settings, now);
            if let Err(mut permit) = first.send(permit) {
                // Its owner has left. Dropping it would want the lock that is held here.
                permit.admission = None;
                state.in_flight -= 1;
            }
        }
    }

    fn permit(self: &Arc<Self>, state: &mut State, settings: AdmissionSettings, now: Instant) -> Permit {
        state.in_flight += 1;
        let in_flight = state.in_flight;
        let peak = state.second(now);
        *peak = in_flight.max(*peak);
        Permit { admission: Some(Arc::clone(self)), settings }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn allowed(&mut self, settings: AdmissionSettings, now: Instant) -> u32 {
        let most = settings.max_in_flight.unwrap_or(u32::MAX).min(self.ramp(now));
        if settings.slow_start == 0 {
            return most;
        }
        self.second(now);
        let newest = self.newest as usize % SECONDS;
        let before = self.peaks.iter().enumerate().filter(|(second, _)| *second != newest).map(|(_, peak)| *peak);
        most.min(before.max().unwrap_or(0).saturating_mul(2).max(settings.slow_start))
    }

    /// How many at once, after a trouble.
    fn ramp(&mut self, now: Instant) -> u32 {
        let Some(from) = self.ramp_from.filter(|from| *from <= now) else { return u32::MAX };
        let seconds = now.saturating_duration_since(from).as_secs();
        if seconds >= RAMP_SECONDS {
            self.ramp_from = None;
            return u32::MAX;
        }
        (self.carried / RAMP_PART).max(RAMP_MIN).saturating_mul(1 << seconds)
    }

    /// The newest second, after those that have passed were emptied. Who runs on counts in each of them.
    fn second(&mut self, now: Instant) -> &mut u32 {
        let began = *self.began.get_or_insert(now);
        let newest = now.saturating_duration_since(began).as_secs();
        let passed = newest.saturating_sub(self.newest).min(SECONDS as u64);
        for number in newest - passed.min(newest)..newest {
            self.peaks[(number + 1) as usize % SECONDS] = self.in_flight;
        }
        self.newest = self.newest.max(newest);
        &mut self.peaks[self.newest as usize % SECONDS]
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(admission) = self.admission.take() else { return };
        admission.lock().in_flight -= 1;
        admission.let_in(self.settings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(max_in_flight: u32, queue: u32) -> AdmissionSettings {
        let queue_wait = Duration::from_secs(5);
        AdmissionSettings { max_in_flight: Some(max_in_flight), queue, queue_wait, slow_start: 0 }
    }

    async fn polled<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
        std::future::poll_fn(|context| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context))).await
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(3600)
    }

    #[tokio::test(start_paused = true)]
    async fn first_come_first_served_and_who_leaves_leaves_no_trace() {
        let (admission, settings) = (Arc::new(Admission::default()), settings(1, 2));
        let first = admission.admit(settings, later()).await.expect("room");
        let mut second = Box::pin(admission.admit(settings, later()));
        let mut third = Box::pin(admission.admit(settings, later()));
        assert!(polled(&mut second).await.is_pending() && polled(&mut third).await.is_pending());
        assert_eq!(admission.admit(settings, later()).await.err(), Some(Busy), "the queue is full");
        drop(second);
        drop(first);
        let third = third.await.expect("its turn");
        assert_eq!(admission.room(settings, Instant::now()), Some(0));
        let began = Instant::now();
        assert_eq!(admission.admit(settings, later()).await.err(), Some(Busy), "it took too long");
        assert_eq!(began.elapsed(), settings.queue_wait);
        drop(third);
        assert_eq!(admission.room(settings, Instant::now()), Some(1));
        assert!(admission.admit(settings, Instant::now()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_comes_while_its_owner_leaves_goes_on_to_the_next() {
        let (admission, settings) = (Arc::new(Admission::default()), settings(1, 9));
        let first = admission.admit(settings, later()).await.expect("room");
        let mut second = Box::pin(admission.admit(settings, later()));
        let mut third = Box::pin(admission.admit(settings, later()));
        assert!(polled(&mut second).await.is_pending() && polled(&mut third).await.is_pending());
        drop(first);
        // The permit lies in its channel, and nobody will take it out.
        drop(second);
        assert!(third.await.is_ok());
        assert_eq!(admission.room(settings, Instant::now()), Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_sudden_rise_doubles_each_second() {
        let admission = Arc::new(Admission::default());
        let settings = AdmissionSettings {
            max_in_flight: None,
            queue: 10_000,
            queue_wait: Duration::from_secs(60),
            slow_start: 8,
        };
        let mut carried = Vec::new();
        let mut waiting: Vec<_> = (0..60).map(|_| Box::pin(admission.admit(settings, later()))).collect();
        let began = Instant::now();
        let mut seen = Vec::new();
        while !waiting.is_empty() {
            for mut one in std::mem::take(&mut waiting) {
                match polled(&mut one).await {
                    std::task::Poll::Ready(permit) => carried.push(permit.expect("in time")),
                    std::task::Poll::Pending => waiting.push(one),
                }
            }
            seen.push((began.elapsed().as_secs(), carried.len()));
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let most = |second: u64| seen.iter().filter(|(at, _)| *at <= second).map(|(_, count)| *count).max();
        assert_eq!(most(0), Some(8), "{seen:?}");
        assert!(most(1) <= Some(16) && most(2) <= Some(32) && most(5) == Some(60), "{seen:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_trouble_the_load_rises_step_by_step() {
        let admission = Arc::new(Admission::default());
        let settings = AdmissionSettings { max_in_flight: None, slow_start: 200, ..settings(0, 0) };
        let carried: Vec<_> = (0..40).map(|_| admission.ask(settings)).collect();
        admission.in_trouble(Instant::now());
        drop(carried);
        admission.ramp_from(Instant::now());
        let mut room = Vec::new();
        for _ in 0..=RAMP_SECONDS {
            room.push(admission.room(settings, Instant::now()).unwrap_or(u32::MAX));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(room[..5], [5, 10, 20, 40, 80]);
        assert_eq!(room[RAMP_SECONDS as usize], 200);
    }

    /// Many threads, and never more inside than are allowed; at the end none is left.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn permits_do_not_leak_between_threads() {
        let (admission, settings) = (Arc::new(Admission::default()), settings(3, 1_000));
        let inside = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let tasks = (0..200).map(|number: u64| {
            let (admission, inside) = (Arc::clone(&admission), Arc::clone(&inside));
            tokio::spawn(async move {
                let admitted = admission.admit(settings, later());
                let patience = Duration::from_micros(number * 37 % 2_000 + 1);
                let Ok(Ok(permit)) = tokio::time::timeout(patience, admitted).await else { return };
                let now = inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
                assert!(now <= 3, "{now} at once");
                tokio::task::yield_now().await;
                inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                drop(permit);
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.expect("no panic");
        }
        assert_eq!(admission.room(settings, Instant::now()), Some(3));
    }
}
