//! How many are connected, all in all and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::activity::Activity;

/// Where all places are taken, how long until another idle connection is sent away.
const SEND_AWAY_REST: Duration = Duration::from_millis(100);
/// A connection that was used a moment ago is about to be used again.
const IDLE_MIN: Duration = Duration::from_secs(1);

/// See the module.
pub struct Crowd {
    places: Arc<Semaphore>,
    by_address: Mutex<HashMap<IpAddr, usize>>,
    /// All connections, by the number that each has.
    connections: Mutex<(u64, HashMap<u64, Activity>)>,
}

/// A connection's place. Dropped, another may have it.
pub struct Place {
    crowd: Arc<Crowd>,
    address: Option<IpAddr>,
    number: u64,
    _permit: OwnedSemaphorePermit,
}

impl Crowd {
    pub fn new(most: usize) -> Arc<Crowd> {
        Arc::new(Crowd {
            places: Arc::new(Semaphore::new(most)),
            by_address: Mutex::default(),
            connections: Mutex::default(),
        })
    }

    /// Wait until one more may be accepted.
    pub async fn room(&self) -> OwnedSemaphorePermit {
        match Arc::clone(&self.places).acquire_owned().await {
            Ok(permit) => permit,
            // Nobody closes it.
            Err(_) => std::future::pending().await,
        }
    }

    /// The same; where all places are taken, the connection that has been idle for the longest time goes.
    pub async fn room_for_one_more(&self) -> OwnedSemaphorePermit {
        loop {
            if self.places.available_permits() == 0 {
                self.send_one_away(Instant::now());
            }
            if let Ok(permit) = timeout(SEND_AWAY_REST, self.room()).await {
                return permit;
            }
        }
    }

    fn send_one_away(&self, now: Instant) {
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = connections.1.values().filter_map(|activity| Some((activity.idle_since()?, activity)));
        let idle = idle.filter(|(since, _)| now.saturating_duration_since(*since) >= IDLE_MIN);
        if let Some((_, longest)) = idle.min_by_key(|(since, _)| *since) {
            longest.send_away();
        }
    }

    /// Absent: there are as many as may be from its address.
    pub fn seat(
        self: &Arc<Self>,
        permit: OwnedSemaphorePermit,
        from: Option<IpAddr>,
        most: Option<usize>,
        activity: &Activity,
    ) -> Option<Place> {
        let address = most.and(from).map(network);
        if let (Some(address), Some(most)) = (address, most) {
            let mut by_address = self.lock();
            let there = by_address.entry(address).or_default();
            if *there >= most {
                return None;
            }
            *there += 1;
        }
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.0 += 1;
        let number = connections.0;
        connections.1.insert(number, activity.clone());
        Some(Place { crowd: Arc::clone(self), address, number, _permit: permit })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.connections.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&self.number);
        let Some(address) = self.address else { return };
        let mut by_address = self.crowd.lock();
        if let Some(there) = by_address.get_mut(&address) {
            *there -= 1;
            if *there == 0 {
                by_address.remove(&address);
            }
        }
    }
}

/// Whoever has one address of IPv6 has the 2^64 beside it as well.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_are_counted_by_network_and_come_back() {
        let crowd = Crowd::new(9);
        let ip = |text: &str| Some(text.parse().expect("an address"));
        let activity = Activity::new(Instant::now());
        let seat = async |from| crowd.seat(crowd.room().await, from, Some(2), &activity);
        let first = seat(ip("10.0.0.1")).await.expect("room");
        let second = seat(ip("::ffff:10.0.0.1")).await.expect("room");
        assert!(seat(ip("10.0.0.1")).await.is_none());
        let third = seat(ip("10.0.0.2")).await.expect("another's");
        let mine = (seat(ip("2001:db8::1")).await, seat(ip("2001:db8::2")).await, seat(ip("2001:db8::3")).await);
        assert!(mine.0.is_some() && mine.1.is_some() && mine.2.is_none());
        drop((first, second, third, mine));
        assert!(crowd.lock().is_empty());
        assert_eq!(crowd.places.available_permits(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn where_all_places_are_taken_the_longest_idle_goes() {
        let crowd = Crowd::new(2);
        let (first, second) = (Activity::new(Instant::now()), Activity::new(Instant::now()));
        let busy = first.begin();
        let seats = [&first, &second].map(|activity| {
            let permit = Arc::clone(&crowd.places).try_acquire_owned().expect("room");
            crowd.seat(permit, None, None, activity).expect("room")
        });
        let waiting = tokio::spawn({
            let crowd = Arc::clone(&crowd);
            async move { crowd.room_for_one_more().await }
        });
        assert_eq!(second.over(Duration::from_secs(75)).await, super::super::activity::Over::Idle);
        assert!(first.idle_since().is_none() && !waiting.is_finished());
        drop(seats);
        drop(waiting.await.expect("room"));
        drop(busy);
        assert!(first.idle_since().is_some(), "it was not sent away");
    }
}
