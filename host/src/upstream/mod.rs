//! Bytes out: connections to providers, who they think we are, and the cutting of their replies into frames.

mod addresses;
mod aws;
mod client;
mod clients;
mod connection;
mod dialer;
pub mod fetch;
pub mod frame;
mod http2;
pub mod identity;
mod incoming;
mod lines;
mod lookups;
mod origin;
mod pieces;
mod pool;
mod resolver;
mod sent_at;
mod shortage;
pub mod sign;
pub mod sse;
mod unanswered;
mod way;

pub use client::Client;
pub use clients::{Clients, check};
pub use frame::{Frame, FrameError, Framer};
pub use incoming::Incoming;
pub use origin::Origin;
pub use pieces::Pieces;
pub use resolver::Hosts;
pub use sent_at::{SentAt, TimedOut};
pub use shortage::Unsent;
pub use shortage::is_ours as is_shortage;
