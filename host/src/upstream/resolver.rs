//! From a provider's name to its addresses: the system's resolver, after a few names of our own.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

/// Names that no resolver is asked for, and their addresses.
pub type Hosts = BTreeMap<String, Vec<IpAddr>>;

/// See the module.
#[derive(Clone)]
pub struct Resolver {
    hosts: Arc<Hosts>,
    system: GaiResolver,
}

impl Resolver {
    pub fn new(hosts: Arc<Hosts>) -> Resolver {
        Resolver { hosts, system: GaiResolver::new() }
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.system.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        // The connector sets the port.
        if let Some(addresses) = self.hosts.get(name.as_str()) {
            let addresses: Vec<_> = addresses.iter().map(|address| SocketAddr::new(*address, 0)).collect();
            return Box::pin(async move { Ok(addresses.into_iter()) });
        }
        let resolving = self.system.call(name);
        Box::pin(async move { Ok(resolving.await?.collect::<Vec<_>>().into_iter()) })
    }
}
