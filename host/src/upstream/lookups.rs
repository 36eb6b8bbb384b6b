//! Lookups of names that run. Each takes a thread until the system's resolver answers, and requests that wait for the same name wait
//! for the same lookup: one name that hangs takes one thread, and the others are left for other names.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;

use crate::sync::{Mutex, MutexGuard, PoisonError};

type Place = (String, u16);

/// See the module.
#[derive(Default)]
pub struct Lookups {
    running: Mutex<HashMap<Place, watch::Receiver<Option<Found>>>>,
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
    /// What `look` finds, or a lookup of the same place that runs already. `look` goes on when nobody waits for it any more.
    ///
    /// # Errors
    /// What the lookup ended with.
    pub async fn find<F>(
        self: &Arc<Self>,
        host: &str,
        port: u16,
        look: impl FnOnce(String, u16) -> F,
    ) -> io::Result<Vec<SocketAddr>>
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        let place = (host.to_owned(), port);
        let mut found = self.join(&place).unwrap_or_else(|| self.begin(place, look));
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

    fn join(&self, place: &Place) -> Option<watch::Receiver<Option<Found>>> {
        self.lock().get(place).cloned()
    }

    fn begin<F>(self: &Arc<Self>, place: Place, look: impl FnOnce(String, u16) -> F) -> watch::Receiver<Option<Found>>
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        let (sender, found) = watch::channel(None);
        self.lock().insert(place.clone(), found.clone());
        let (looking, ended) = (look(place.0.clone(), place.1), Ended { lookups: Arc::clone(self), place });
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

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, watch::Receiver<Option<Found>>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Dropped, the lookup runs no more.
struct Ended {
    lookups: Arc<Lookups>,
    place: Place,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.lookups.lock().remove(&self.place);
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
    async fn a_name_that_hangs_is_looked_up_once_however_many_wait() {
        let (lookups, looked) = (Arc::new(Lookups::default()), &AtomicUsize::new(0));
        let find = |host: &'static str, seconds: u64| {
            lookups.find(host, 443, move |_, port| {
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
        assert_eq!(looked.load(Ordering::Relaxed), 2);
        assert!(find("slow", 1).await.is_ok());
        assert_eq!((looked.load(Ordering::Relaxed), lookups.lock().len()), (3, 0), "and looked up anew after that");
        assert!(find("lacking", 1).await.is_err_and(|error| shortage::is_ours(&error)));
        assert!(find("unknown", 1).await.is_err_and(|error| error.to_string().contains("no such name")));
    }
}
