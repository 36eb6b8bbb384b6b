//! Lookups of names that run. Each takes a thread until the system's resolver answers, and requests that wait for the same name wait
//! for the same lookup while it is young: a lookup that hangs costs those who come later nothing, and a name whose lookups all hang
//! takes a few threads, so that the others are left for other names.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::sync::{Mutex, MutexGuard, PoisonError};

/// A lookup that has run for longer may hang: who comes then begins another one.
const YOUNG: Duration = Duration::from_secs(1);
/// Lookups of one name at a time. Each takes a thread.
const LOOKUPS_OF_A_NAME_MAX: usize = 4;

type Place = (String, u16);

/// See the module.
#[derive(Default)]
pub struct Lookups {
    /// Of each place in the order in which they began.
    running: Mutex<HashMap<Place, Vec<Lookup>>>,
}

/// A lookup that runs.
struct Lookup {
    began: Instant,
    found: watch::Receiver<Option<Found>>,
}

/// What came of a lookup, for all who wait for it.
#[derive(Clone)]
enum Found {
    Addresses(Vec<SocketAddr>),
    /// Of the system, if it gave a number.
    Failed {
        code: Option<i32>,
        kind: io::ErrorKind,
        text: String,
    },
}

impl Lookups {
    /// What `look` finds, or a young lookup of the same place that runs already. `look` goes on when nobody waits for it any more.
    ///
    /// # Errors
    /// What the lookup ended with.
    pub async fn find<F>(
        self: &Arc<Self>,
        host: &str,
        port: u16,
        now: Instant,
        look: impl FnOnce(String, u16) -> F,
    ) -> io::Result<Vec<SocketAddr>>
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        let place = (host.to_owned(), port);
        let mut found = self.join_or_begin(place, now, look);
        // An error means that its task broke down.
        let broken = |_| io::Error::other("the lookup broke down");
        let found = found.wait_for(Option::is_some).await.map_err(broken)?.clone();
        match found {
            Some(Found::Addresses(addresses)) => Ok(addresses),
            Some(Found::Failed { code: Some(code), .. }) => Err(io::Error::from_raw_os_error(code)),
            Some(Found::Failed { kind, text, .. }) => Err(io::Error::new(kind, text)),
            None => Err(io::Error::other("the lookup broke down")),
        }
    }

    fn join_or_begin<F>(
        self: &Arc<Self>,
        place: Place,
        now: Instant,
        look: impl FnOnce(String, u16) -> F,
    ) -> watch::Receiver<Option<Found>>
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        let (sender, found) = watch::channel(None);
        {
            let mut running = self.lock();
            let of_place = running.entry(place.clone()).or_default();
            if let Some(youngest) = of_place.last()
                && (now.saturating_duration_since(youngest.began) < YOUNG || of_place.len() >= LOOKUPS_OF_A_NAME_MAX)
            {
                return youngest.found.clone();
            }
            of_place.push(Lookup { began: now, found: found.clone() });
        }
        let ended = Ended { lookups: Arc::clone(self), place: place.clone(), found: found.clone() };
        let looking = look(place.0, place.1);
        tokio::spawn(async move {
            let found = match looking.await {
                Ok(addresses) => Found::Addresses(addresses),
                Err(error) => Found::Failed { code: error.raw_os_error(), kind: error.kind(), text: error.to_string() },
            };
            // Who comes from now on looks again.
            drop(ended);
            sender.send_replace(Some(found));
        });
        found
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Vec<Lookup>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Dropped, the lookup runs no more.
struct Ended {
    lookups: Arc<Lookups>,
    place: Place,
    found: watch::Receiver<Option<Found>>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        let mut running = self.lookups.lock();
        let Some(of_place) = running.get_mut(&self.place) else { return };
        of_place.retain(|lookup| !lookup.found.same_channel(&self.found));
        if of_place.is_empty() {
            running.remove(&self.place);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use rustix::io::Errno;
    use tokio::time::{sleep, timeout};

    use super::super::shortage;
    use super::*;

    /// Faults: F188
    #[tokio::test(start_paused = true)]
    async fn a_name_that_hangs_takes_a_few_threads_however_many_wait() {
        let (lookups, looked) = (Arc::new(Lookups::default()), &AtomicUsize::new(0));
        let find = |host: &'static str, seconds: u64| {
            lookups.find(host, 443, Instant::now(), move |_, port| {
                looked.fetch_add(1, Ordering::Relaxed);
                async move {
                    sleep(Duration::from_secs(seconds)).await;
                    match host {
                        "lacking" => Err(io::Error::from_raw_os_error(Errno::MFILE.raw_os_error())),
                        "unknown" => Err(io::Error::new(io::ErrorKind::NotFound, "no such name")),
                        _ => Ok(vec![SocketAddr::from(([192, 0, 2, 1], port))]),
                    }
                }
            })
        };
        // Those who give up do not begin another one.
        for _ in 0..50 {
            assert!(timeout(Duration::from_millis(100), find("slow", 30)).await.is_err());
        }
        let others = futures_util::future::join_all((0..50).map(|_| find("slow", 30)));
        let (others, quick) = tokio::join!(others, find("quick", 1));
        assert!(quick.is_ok() && others.iter().all(|found| found.as_ref().is_ok_and(|found| found.len() == 1)));
        assert_eq!(looked.load(Ordering::Relaxed), LOOKUPS_OF_A_NAME_MAX + 1);
        sleep(Duration::from_secs(30)).await;
        assert_eq!(lookups.lock().len(), 0);
        assert!(find("slow", 1).await.is_ok());
        let looked_anew = looked.load(Ordering::Relaxed) == LOOKUPS_OF_A_NAME_MAX + 2;
        assert!(looked_anew && lookups.lock().is_empty(), "and looked up anew after that");
        assert!(find("lacking", 1).await.is_err_and(|error| shortage::is_ours(&error)));
        assert!(find("unknown", 1).await.is_err_and(|error| error.to_string().contains("no such name")));
    }
    /// Faults: F210
    #[tokio::test(start_paused = true)]
    async fn a_lookup_that_hangs_is_joined_while_it_is_young_only() {
        let (lookups, looked) = (Arc::new(Lookups::default()), &AtomicUsize::new(0));
        // The first one hangs, as where one packet to the name server was lost.
        let find = || {
            lookups.find("provider", 443, Instant::now(), move |_, port| {
                let is_first = looked.fetch_add(1, Ordering::Relaxed) == 0;
                async move {
                    sleep(Duration::from_secs(if is_first { 3_600 } else { 0 })).await;
                    Ok(vec![SocketAddr::from(([192, 0, 2, 1], port))])
                }
            })
        };
        let in_time = |found| timeout(Duration::from_millis(10), found);
        assert!(in_time(find()).await.is_err() && in_time(find()).await.is_err(), "it may answer yet");
        assert_eq!(looked.load(Ordering::Relaxed), 1);
        sleep(YOUNG).await;
        assert!(in_time(find()).await.is_ok_and(|found| found.is_ok()));
        assert!(in_time(find()).await.is_ok_and(|found| found.is_ok()));
        assert_eq!((looked.load(Ordering::Relaxed), lookups.lock().len()), (3, 1), "the first one still runs");
    }
}
