//! Connections to providers, kept and shared: one request at a time on those of HTTP/1.1, many on those of HTTP/2, of which
//! there may be several to one origin.
//!
//! Everybody who wants to send waits in one queue per origin. `settle` runs whenever something has changed: it hands out what is
//! free, in order, and dials as many connections as those still waiting need. When one of them leaves, what is dialled for nobody
//! is given up.

mod lease;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

use super::Origin;
use super::connection::{Connection, Http1};
use super::dialer::Dialer;
use super::http2::Http2;
use super::shortage::Unsent;
use super::unanswered::Silences;
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// Idle connections to one origin that are kept, and for how long: providers' front ends close theirs after a minute or more.
const IDLE_MAX: usize = 256;
const IDLE: Duration = Duration::from_secs(60);
/// Connections of HTTP/2 to one origin: at a hundred requests each three times what the gateway takes at once, and enough for it
/// at a provider that allows thirty.
const HTTP2_CONNECTIONS_MAX: usize = 64;
/// Where a further connection of HTTP/2 cannot be made, those that are there must do for this time.
const HTTP2_REDIAL_REST: Duration = Duration::from_secs(1);

const LATE: &str = "no connection within the time that connecting may take";

/// Connections to all origins, and the requests that wait for one.
pub struct Pool {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    dialer: Dialer,
    /// What getting a connection may take.
    connect_timeout: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    origins: HashMap<Arc<Origin>, Connections>,
    /// Counts events, so that "before" and "after" are known even where no time passes between them.
    events: u64,
    /// A task looks for connections that were idle for too long.
    is_reaping: bool,
}

/// To one origin.
#[derive(Default)]
struct Connections {
    /// The one that was used last stands last, and is used first: those that are not needed grow old.
    idle: Vec<Http1>,
    multiplexed: Vec<Arc<Http2>>,
    waiting: VecDeque<Waiting>,
    /// Connections that are being made, by the events with which that began.
    dialling: Vec<(u64, AbortHandle)>,
    /// What was spoken last; absent if nobody knows yet.
    speaks: Option<Speaks>,
    no_more_until: Option<Instant>,
    /// Requests on connections of HTTP/1.1 that were given up without a word from the provider, since it last answered one.
    silences: Silences,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaks {
    Http1,
    /// With so many requests on one connection.
    Http2(usize),
}

struct Waiting {
    since: u64,
    /// Only a connection that is made from now on will do.
    fresh: bool,
    to: oneshot::Sender<Result<Lease, Unsent>>,
}

/// Which connection a request is sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Any,
    Fresh,
}

/// A connection, or a place on one, for one request.
pub struct Lease {
    /// It was there before the request came: its other end may have closed it long ago.
    pub is_reused: bool,
    on: On,
    home: Weak<Shared>,
    origin: Arc<Origin>,
}

enum On {
    Http1(Http1),
    Http2(StreamPlace),
}

/// A place among the requests of a connection. Dropping it frees the place for the next.
pub struct StreamPlace {
    http2: Arc<Http2>,
    home: Weak<Shared>,
    origin: Arc<Origin>,
}

impl Pool {
    pub fn new(dialer: Dialer, connect_timeout: Duration) -> Pool {
        Pool { shared: Arc::new(Shared { dialer, connect_timeout, state: Mutex::default() }) }
    }

    /// Wait for a connection, for no longer than connecting may take.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn lease(&self, origin: &Arc<Origin>, wanted: Wanted) -> Result<Lease, Unsent> {
        let (to, from) = oneshot::channel();
        {
            let mut state = self.shared.lock();
            state.events += 1;
            let waiting = Waiting { since: state.events, fresh: wanted == Wanted::Fresh, to };
            state.origins.entry(Arc::clone(origin)).or_default().waiting.push_back(waiting);
            self.shared.settle(&mut state, origin);
        }
        let mut place = PlaceInQueue { shared: &self.shared, origin, from: Some(from) };
        let Some(from) = &mut place.from else { return Err(LATE.into()) };
        let leased = timeout(self.shared.connect_timeout, from).await.map_err(|_| LATE)?;
        // It has left the queue, and there is nothing to give up.
        place.from = None;
        leased.unwrap_or_else(|_| Err("the pool is gone".into()))
    }

    /// One connection to this origin turned out to be dead: the others that are idle may be just as dead.
    pub fn drop_idle(&self, origin: &Arc<Origin>) {
        let mut state = self.shared.lock();
        if let Some(connections) = state.origins.get_mut(origin) {
            connections.idle.clear();
            connections.multiplexed.retain(|http2| http2.idle_since().is_none());
        }
    }
}

/// Of one that waits. Dropping it before anything came gives up what is dialled for nobody else.
struct PlaceInQueue<'a> {
    shared: &'a Shared,
    origin: &'a Origin,
    from: Option<oneshot::Receiver<Result<Lease, Unsent>>>,
}

impl Drop for PlaceInQueue<'_> {
    fn drop(&mut self) {
        let Some(from) = self.from.take() else { return };
        // What came in this moment goes back by itself, for which the pool must not be locked.
        drop(from);
        let mut state = self.shared.lock();
        if let Some(connections) = state.origins.get_mut(self.origin) {
            connections.give_up_dialling(self.origin.is_https());
            if connections.is_empty() {
                state.origins.remove(self.origin);
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection to this origin may have died while a request waited on it: those that have been idle since before then may be
    /// just as dead.
    pub(super) fn drop_idle_since(&self, origin: &Origin, sent: Instant) {
        let mut state = self.lock();
        if let Some(connections) = state.origins.get_mut(origin) {
            connections.idle.retain(|http1| http1.idle_since > sent);
            connections.multiplexed.retain(|http2| http2.idle_since().is_none_or(|since| since > sent));
        }
    }

    /// A request on a reused connection of HTTP/1.1 was given up without a word. True: it is no longer by chance.
    pub(super) fn note_silence(&self, origin: &Origin, sent: Instant, now: Instant) -> bool {
        self.lock().origins.get_mut(origin).is_some_and(|connections| connections.silences.note(sent, now))
    }

    /// Give free connections to the requests that wait, and dial for those that are left.
    fn settle(self: &Arc<Self>, state: &mut State, origin: &Arc<Origin>) {
        let Some(connections) = state.origins.get_mut(origin) else { return };
        connections.hand_out(&|on, is_reused| Lease {
            is_reused,
            on: match on {
                Free::Http1(http1) => On::Http1(http1),
                Free::Http2(http2) => {
                    On::Http2(StreamPlace { http2, home: Arc::downgrade(self), origin: Arc::clone(origin) })
                }
            },
            home: Arc::downgrade(self),
            origin: Arc::clone(origin),
        });
        for _ in 0..connections.lacking(origin.is_https(), Instant::now()) {
            state.events += 1;
            let dialling = tokio::spawn(Arc::clone(self).dial(Arc::clone(origin), state.events));
            connections.dialling.push((state.events, dialling.abort_handle()));
        }
        if connections.is_empty() {
            state.origins.remove(origin);
        }
        if !state.is_reaping && !state.origins.is_empty() {
            state.is_reaping = true;
            tokio::spawn(reap(Arc::downgrade(self)));
        }
    }

    async fn dial(self: Arc<Self>, origin: Arc<Origin>, begun: u64) {
        let making = async {
            let link = self.dialer.dial_with_patience(&origin, || self.give_up_idle()).await?;
            Connection::handshake(link, Instant::now()).await.map_err(Unsent::from)
        };
        let made = timeout(self.connect_timeout, making).await.unwrap_or_else(|_| Err(LATE.into()));
        let mut state = self.lock();
        state.events += 1;
        let born = state.events;
        let connections = state.origins.entry(Arc::clone(&origin)).or_default();
        connections.dialling.retain(|(event, _)| *event != begun);
        match made {
            Ok(made) => connections.add(made, born),
            Err(unsent) => connections.fail(&unsent, begun, Instant::now()),
        }
        self.settle(&mut state, &origin);
    }

    /// Idle connections to all origins hold what a new one needs.
    fn give_up_idle(&self) {
        self.lock().origins.values_mut().for_each(|connections| connections.idle.clear());
    }

    /// A connection whose reply was read to its end.
    fn take_back(self: &Arc<Self>, mut http1: Http1, origin: &Arc<Origin>) {
        http1.idle_since = Instant::now();
        http1.has_served = true;
        let mut state = self.lock();
        let connections = state.origins.entry(Arc::clone(origin)).or_default();
        connections.silences = Silences::default();
        connections.keep(http1);
        self.settle(&mut state, origin);
    }
}

/// What can be handed out.
enum Free {
    Http1(Http1),
    /// A place on it was taken.
    Http2(Arc<Http2>),
}

impl Connections {
    fn is_empty(&self) -> bool {
        self.idle.is_empty() && self.multiplexed.is_empty() && self.waiting.is_empty() && self.dialling.is_empty()
    }

    fn add(&mut self, made: Connection, born: u64) {
        match made {
            Connection::Http1(mut http1) => {
                http1.born = born;
                self.speaks = Some(Speaks::Http1);
                self.keep(http1);
            }
            Connection::Http2(http2) => {
                http2.note_born(born);
                self.speaks = Some(Speaks::Http2(http2.streams_max().max(1)));
                self.multiplexed.push(Arc::new(http2));
            }
        }
    }

    fn keep(&mut self, http1: Http1) {
        if self.idle.len() >= IDLE_MAX {
            self.idle.remove(0);
        }
        self.idle.push(http1);
    }

    /// Requests that a connection which is being made will carry.
    fn carried_by_each(&self, is_https: bool) -> usize {
        match self.speaks {
            Some(Speaks::Http1) => 1,
            Some(Speaks::Http2(streams)) => streams,
            // It may turn out to carry many, so one is made first.
            None if is_https => usize::MAX,
            None => 1,
        }
    }

    /// How many connections to make, beside those that are being made.
    fn lacking(&mut self, is_https: bool, now: Instant) -> usize {
        self.waiting.retain(|waiting| !waiting.to.is_closed());
        self.multiplexed.retain(|http2| http2.is_usable());
        let needed = self.waiting.len().div_ceil(self.carried_by_each(is_https)).saturating_sub(self.dialling.len());
        if self.multiplexed.is_empty() && !matches!(self.speaks, Some(Speaks::Http2(_))) {
            return needed;
        }
        if !self.multiplexed.is_empty() && self.no_more_until.is_some_and(|until| now < until) {
            return 0;
        }
        needed.min(HTTP2_CONNECTIONS_MAX.saturating_sub(self.multiplexed.len() + self.dialling.len()))
    }

    /// One that waited has left.
    fn give_up_dialling(&mut self, is_https: bool) {
        self.waiting.retain(|waiting| !waiting.to.is_closed());
        let needed = self.waiting.len().div_ceil(self.carried_by_each(is_https));
        let surplus = self.dialling.split_off(needed.min(self.dialling.len()));
        surplus.iter().for_each(|(_, dialling)| dialling.abort());
    }

    /// A connection could not be made. Who had waited for it, and cannot be served by others that are being made, is told.
    fn fail(&mut self, unsent: &Unsent, begun: u64, now: Instant) {
        self.multiplexed.retain(|http2| http2.is_usable());
        if !self.multiplexed.is_empty() {
            self.no_more_until = Some(now + HTTP2_REDIAL_REST);
            return;
        }
        self.waiting.retain(|waiting| !waiting.to.is_closed());
        let carried = match self.speaks {
            Some(Speaks::Http2(streams)) => self.dialling.len().saturating_mul(streams),
            Some(Speaks::Http1) | None => self.dialling.len(),
        };
        while self.waiting.len() > carried && self.waiting.front().is_some_and(|waiting| waiting.since < begun) {
            let Some(waiting) = self.waiting.pop_front() else { return };
            // Who has gone meanwhile needs no word.
            let _ = waiting.to.send(Err(unsent.clone()));
        }
    }

    /// Give what is free to those that wait, in their order.
    fn hand_out(&mut self, lease: &dyn Fn(Free, bool) -> Lease) {
        let mut at = 0;
        while let Some(Waiting { since, fresh, to }) = self.waiting.get(at) {
            let (since, fresh) = (*since, *fresh);
            if to.is_closed() {
                self.waiting.remove(at);
                continue;
            }
            let Some((free, is_reused)) = self.take(since, fresh) else {
                // What is of no use for one who needs a fresh connection may be for the next.
                if fresh {
                    at += 1;
                    continue;
                }
                return;
            };
            let Some(waiting) = self.waiting.remove(at) else { return };
            if let Err(Ok(lease)) = waiting.to.send(Ok(lease(free, is_reused))) {
                self.undo(lease);
            }
        }
    }

    fn take(&mut self, since: u64, fresh: bool) -> Option<(Free, bool)> {
        let fits = |born: u64, has_served: bool| !fresh || (born > since && !has_served);
        while let Some(at) = self.idle.iter().rposition(|http1| fits(http1.born, http1.has_served)) {
            let http1 = self.idle.remove(at);
            if http1.is_ready() {
                let is_reused = http1.has_served || http1.born < since;
                return Some((Free::Http1(http1), is_reused));
            }
        }
        let mut fitting = self.multiplexed.iter().filter(|http2| fits(http2.born(), http2.has_served()));
        let http2 = fitting.find(|http2| http2.take_stream())?;
        let is_reused = http2.has_served() || http2.born() < since;
        Some((Free::Http2(Arc::clone(http2)), is_reused))
    }

    /// The receiver went away in this moment. The pool is locked, so nothing may come back by being dropped.
    fn undo(&mut self, lease: Lease) {
        match lease.on {
            On::Http1(http1) => self.keep(http1),
            On::Http2(mut place) => place.home = Weak::new(),
        }
    }

    /// Close what was idle for too long. Gives the time until there is more to close.
    fn reap(&mut self, now: Instant) -> Duration {
        let is_young = |since: Instant| now.saturating_duration_since(since) < IDLE;
        self.idle.retain(|http1| http1.is_ready() && is_young(http1.idle_since));
        self.multiplexed.retain(|http2| http2.is_usable() && http2.idle_since().is_none_or(is_young));
        let idle = self.idle.iter().map(|http1| http1.idle_since);
        let since = idle.chain(self.multiplexed.iter().filter_map(|http2| http2.idle_since())).min();
        since.map_or(IDLE, |since| IDLE.saturating_sub(now.saturating_duration_since(since)))
    }
}

/// Until nothing is left.
async fn reap(shared: Weak<Shared>) {
    while let Some(shared_now) = shared.upgrade() {
        let next = {
            let mut state = shared_now.lock();
            let now = Instant::now();
            let next = state.origins.values_mut().map(|connections| connections.reap(now)).min();
            state.origins.retain(|_, connections| !connections.is_empty());
            state.is_reaping = !state.origins.is_empty();
            if !state.is_reaping {
                return;
            }
            next.unwrap_or(IDLE)
        };
        drop(shared_now);
        sleep(next.max(Duration::from_millis(1))).await;
    }
}

#[cfg(test)]
mod tests;
