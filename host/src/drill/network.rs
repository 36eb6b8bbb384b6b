//! The simulated network: providers by the hosts of their base URLs, some of which cannot be reached.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use super::incident::Unreachable;
use super::provider::Provider;
use crate::net::{Dial, Dialling, Door, Wire};

#[derive(Default)]
pub struct Network(HashMap<String, (Arc<Provider>, Door)>);

impl Network {
    pub fn add(&mut self, provider: &Arc<Provider>, door: Door) {
        self.0.insert(provider.place.host.clone(), (Arc::clone(provider), door));
    }
}

impl Dial for Network {
    fn dial(&self, host: &str, _: u16) -> Dialling {
        let found = self.0.get(host).cloned();
        Box::pin(async move {
            let (provider, door) = found.ok_or(io::ErrorKind::NotFound)?;
            match provider.unreachable() {
                Some(Unreachable::Refused) => Err(io::ErrorKind::ConnectionRefused.into()),
                Some(Unreachable::Vanished) => std::future::pending().await,
                None => Ok(Box::new(door.knock()?) as Box<dyn Wire>),
            }
        })
    }
}
