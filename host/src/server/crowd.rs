//! How many are connected, all in all and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// See the module.
pub struct Crowd {
    places: Arc<Semaphore>,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's place. Dropped, another may have it.
pub struct Place {
    crowd: Arc<Crowd>,
    address: Option<IpAddr>,
    _permit: OwnedSemaphorePermit,
}

impl Crowd {
    pub fn new(most: usize) -> Arc<Crowd> {
        Arc::new(Crowd { places: Arc::new(Semaphore::new(most)), by_address: Mutex::default() })
    }

    /// Wait until one more may be accepted.
    pub async fn room(&self) -> OwnedSemaphorePermit {
        match Arc::clone(&self.places).acquire_owned().await {
            Ok(permit) => permit,
            // Nobody closes it.
            Err(_) => std::future::pending().await,
        }
    }

    /// Absent: there are as many as may be from its address.
    pub fn seat(
        self: &Arc<Self>,
        permit: OwnedSemaphorePermit,
        from: Option<IpAddr>,
        most: Option<usize>,
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
        Some(Place { crowd: Arc::clone(self), address, _permit: permit })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
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
        let seat = async |from| crowd.seat(crowd.room().await, from, Some(2));
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
}
