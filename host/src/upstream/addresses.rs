//! Which of a name's addresses a connection is made to: RFC 8305 ("Happy Eyeballs"), within one address family, too. Attempts
//! start one after the other without waiting for each other's timeouts, and the first that succeeds wins. An address that
//! failed, or was overtaken, is tried last for a while, so that only one connection pays for finding out.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout};

use super::shortage;
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// The next address is tried after this time: RFC 8305's recommendation, and longer than most round trips.
const STAGGER: Duration = Duration::from_millis(250);
/// An address that failed is tried last for this long: RFC 8305's ten minutes, within which dead addresses leave the DNS.
const FAILED_REST: Duration = Duration::from_secs(600);
/// Addresses that are remembered: providers have a dozen each, and the oldest is forgotten first.
const FAILED_MAX: usize = 1024;

/// The addresses that failed lately.
#[derive(Default)]
pub struct FailedAddresses {
    since: Mutex<HashMap<SocketAddr, Instant>>,
}

impl fmt::Debug for FailedAddresses {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} failed addresses", self.lock().len())
    }
}

impl FailedAddresses {
    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Instant>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_failure(&self, address: SocketAddr, now: Instant) {
        let mut since = self.lock();
        since.retain(|_, since| now.saturating_duration_since(*since) < FAILED_REST);
        if since.len() >= FAILED_MAX
            && let Some(oldest) = since.iter().min_by_key(|(_, since)| **since).map(|(address, _)| *address)
        {
            since.remove(&oldest);
        }
        since.insert(address, now);
    }

    fn note_success(&self, address: SocketAddr) {
        self.lock().remove(&address);
    }

    /// The resolver's order with its two families in turns, and what failed lately at the end.
    fn order(&self, addresses: Vec<SocketAddr>, now: Instant) -> Vec<SocketAddr> {
        let Some(first) = addresses.first().map(SocketAddr::is_ipv6) else { return addresses };
        let (preferred, other): (Vec<_>, Vec<_>) =
            addresses.into_iter().partition(|address| address.is_ipv6() == first);
        let longest = preferred.len().max(other.len());
        let in_turns =
            (0..longest).flat_map(|at| [preferred.get(at), other.get(at)]).flatten().copied().collect::<Vec<_>>();
        let since = self.lock();
        let has_failed = |address: &SocketAddr| {
            since.get(address).is_some_and(|since| now.saturating_duration_since(*since) < FAILED_REST)
        };
        let (failed, well): (Vec<_>, Vec<_>) = in_turns.into_iter().partition(has_failed);
        well.into_iter().chain(failed).collect()
    }

    /// Connect to whichever address answers first. Dropping the future drops all attempts.
    ///
    /// # Errors
    /// There is no address, or the last attempt failed so.
    pub async fn connect<S, C: Future<Output = io::Result<S>>>(
        &self,
        addresses: Vec<SocketAddr>,
        connect: impl Fn(SocketAddr) -> C,
    ) -> io::Result<S> {
        let mut untried = self.order(addresses, Instant::now()).into_iter();
        let mut started: HashMap<SocketAddr, Instant> = HashMap::new();
        let mut running = FuturesUnordered::new();
        let mut error = None;
        loop {
            if let Some(address) = untried.next() {
                started.insert(address, Instant::now());
                let connecting = connect(address);
                running.push(async move { (address, connecting.await) });
            }
            let finished = match untried.len() {
                0 => running.next().await,
                _ => match timeout(STAGGER, running.next()).await {
                    Ok(finished) => finished,
                    Err(_) => continue,
                },
            };
            match finished {
                Some((address, Ok(stream))) => {
                    self.note_success(address);
                    started.remove(&address);
                    self.note_overtaken(&started);
                    return Ok(stream);
                }
                Some((address, Err(failure))) => {
                    let is_ours = shortage::is_ours(&failure);
                    if !is_ours || shortage::is_of_address(&failure) {
                        self.note_failure(address, Instant::now());
                    }
                    started.remove(&address);
                    // What an address answered says more than what this machine lacked for another.
                    if !is_ours || error.is_none() {
                        error = Some(failure);
                    }
                }
                None => {
                    let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
                    return Err(error.unwrap_or_else(none));
                }
            }
        }
    }

    /// Attempts that are still open although they had a head start have lost badly.
    fn note_overtaken(&self, open: &HashMap<SocketAddr, Instant>) {
        let now = Instant::now();
        let overtaken = open.iter().filter(|(_, started)| now.saturating_duration_since(**started) >= STAGGER);
        overtaken.for_each(|(address, _)| self.note_failure(*address, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn addresses<const N: usize>(hosts: [&str; N]) -> Vec<SocketAddr> {
        hosts.iter().map(|host| address(&format!("{host}:443"))).collect()
    }

    /// `10.0.0.N` refuses at once, `10.0.1.N` never answers, all others answer after 20 ms.
    async fn dial(address: SocketAddr) -> io::Result<SocketAddr> {
        let text = address.to_string();
        if text.starts_with("10.0.0.") {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        if text.starts_with("10.0.1.") {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(address)
    }

    async fn time(failed: &FailedAddresses, addresses: Vec<SocketAddr>) -> (Duration, io::Result<SocketAddr>) {
        let began = Instant::now();
        let connected = failed.connect(addresses, dial).await;
        (began.elapsed(), connected)
    }

    #[test]
    fn families_take_turns_and_what_failed_comes_last() {
        let (failed, now) = (FailedAddresses::default(), Instant::now());
        let all = addresses(["[2001:db8::1]", "[2001:db8::2]", "[2001:db8::3]", "192.0.2.1"]);
        let in_turns = addresses(["[2001:db8::1]", "192.0.2.1", "[2001:db8::2]", "[2001:db8::3]"]);
        assert_eq!(failed.order(all.clone(), now), in_turns);
        failed.note_failure(address("[2001:db8::1]:443"), now);
        let later = addresses(["192.0.2.1", "[2001:db8::2]", "[2001:db8::3]", "[2001:db8::1]"]);
        assert_eq!(failed.order(all.clone(), now), later);
        assert_eq!(failed.order(all, now + FAILED_REST), in_turns, "it is forgotten");
        assert_eq!(failed.order(Vec::new(), now), []);
    }

    /// Faults: F08
    #[tokio::test(start_paused = true)]
    async fn a_silent_address_costs_a_stagger_once() {
        let failed = FailedAddresses::default();
        let all = || addresses(["10.0.1.1", "192.0.2.1"]);
        let (took, connected) = time(&failed, all()).await;
        assert_eq!(connected.expect("the second address answers"), address("192.0.2.1:443"));
        assert!((STAGGER..STAGGER * 2).contains(&took), "{took:?}");
        let (took, connected) = time(&failed, all()).await;
        assert!(connected.is_ok() && took < STAGGER, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_refuses_costs_nothing() {
        let failed = FailedAddresses::default();
        let (took, connected) = time(&failed, addresses(["10.0.0.1", "10.0.0.2", "192.0.2.1"])).await;
        assert!(connected.is_ok() && took < STAGGER, "{took:?}");
        let (_, connected) = time(&failed, addresses(["10.0.0.1", "10.0.0.2"])).await;
        assert_eq!(connected.expect_err("nobody answers").kind(), io::ErrorKind::ConnectionRefused);
        assert!(time(&failed, Vec::new()).await.1.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_is_only_a_little_slower_is_not_remembered() {
        let failed = FailedAddresses::default();
        let (_, connected) = time(&failed, addresses(["192.0.2.1", "192.0.2.2"])).await;
        assert!(connected.is_ok());
        assert!(failed.lock().is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (failed, now) = (FailedAddresses::default(), Instant::now());
        for port in 1..=2000 {
            failed.note_failure(SocketAddr::from(([192, 0, 2, 1], port)), now + Duration::from_millis(u64::from(port)));
        }
        let kept = failed.lock();
        assert!(kept.len() == FAILED_MAX && kept.contains_key(&address("192.0.2.1:2000")), "{}", kept.len());
    }
}
