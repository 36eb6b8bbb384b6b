//! One client for each way to providers: those that share a way share its connections.

use std::time::Duration;

use super::{Client, way};
use crate::config::Way;
use crate::net::Network;
use crate::sync::{Mutex, PoisonError};

/// The clients that were needed so far.
pub struct Clients {
    network: Network,
    connect_timeout: Duration,
    made: Mutex<Vec<(Way, Client)>>,
}

impl Clients {
    pub fn new(network: &Network, connect_timeout: Duration) -> Clients {
        Clients { network: network.clone(), connect_timeout, made: Mutex::new(Vec::new()) }
    }

    /// # Errors
    /// A text for people: which certificates cannot be read.
    pub fn of(&self, way: &Way) -> Result<Client, String> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = made.iter().find(|(known, _)| known == way) {
            return Ok(client.clone());
        }
        let client = Client::new(&self.network, self.connect_timeout, way).map_err(|error| format!("{error:#}"))?;
        made.push((way.clone(), client.clone()));
        Ok(client)
    }

    /// Let go of the connections of ways that nobody goes any more.
    pub fn keep<'a>(&self, ways: impl Iterator<Item = &'a Way> + Clone) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.retain(|(known, _)| ways.clone().any(|way| way == known));
    }
}

/// # Errors
/// Which certificates of the way cannot be read.
pub fn check(way: &Way) -> anyhow::Result<()> {
    // The platform's are read with the first client.
    match (&way.ca_file, &way.client_certificate) {
        (None, None) => Ok(()),
        _ => way::tls(way).map(drop),
    }
}
