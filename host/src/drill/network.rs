//! The simulated network: providers by the hosts of their base URLs, some of which cannot be reached.
//!
//! They stand in memory; or, where the simulation itself is compared with the world, behind real sockets.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::incident::Unreachable;
use super::provider::Provider;
use crate::net::{Dial, Dialling, Door, Wire};

#[derive(Default)]
pub struct Network(HashMap<String, (Arc<Provider>, Way)>);

/// To a provider.
#[derive(Clone)]
pub enum Way {
    Door(Door),
    Tcp(SocketAddr),
}

impl Network {
    pub fn add(&mut self, provider: &Arc<Provider>, way: Way) {
        self.0.insert(provider.place.host.clone(), (Arc::clone(provider), way));
    }
}

impl Way {
    async fn go(self) -> io::Result<Box<dyn Wire>> {
        Ok(match self {
            Way::Door(door) => Box::new(door.knock()?),
            Way::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
        })
    }
}

impl Dial for Network {
    fn dial(&self, host: &str, _: u16) -> Dialling {
        let found = self.0.get(host).cloned();
        Box::pin(async move {
            let (provider, way) = found.ok_or(io::ErrorKind::NotFound)?;
            match provider.unreachable() {
                Some(Unreachable::Refused) => Err(io::ErrorKind::ConnectionRefused.into()),
                Some(Unreachable::Vanished) => std::future::pending().await,
                None => way.go().await,
            }
        })
    }
}
