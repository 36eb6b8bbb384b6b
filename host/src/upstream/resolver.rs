//! From a provider's name to its addresses: the system's resolver, after a few names of our own.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::time::Instant;

use super::lookups::Lookups;

/// Names that no resolver is asked for, and their addresses.
pub type Hosts = BTreeMap<String, Vec<IpAddr>>;

/// Looks names up.
#[derive(Clone)]
pub struct Resolver {
    hosts: Arc<Hosts>,
    lookups: Arc<Lookups>,
}

impl Resolver {
    pub fn new(hosts: Arc<Hosts>) -> Resolver {
        Resolver { hosts, lookups: Arc::default() }
    }

    /// `host` is as a URL spells it: IPv6 addresses stand in brackets.
    ///
    /// # Errors
    /// What the system's resolver says.
    pub async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if let Some(addresses) = self.hosts.get(host) {
            return Ok(addresses.iter().map(|address| SocketAddr::new(*address, port)).collect());
        }
        // An address is its own answer; it takes no thread of the blocking pool.
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let look = |host: String, port| async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) };
        self.lookups.find(host, port, Instant::now(), look).await
    }
}
