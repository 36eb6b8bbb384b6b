//! Bytes out: connections to providers, who they think we are, and the cutting of their replies into frames.

mod aws;
mod client;
mod dialer;
pub mod fetch;
pub mod frame;
mod google;
mod lines;
mod origin;
mod pieces;
mod resolver;
pub mod sign;
pub mod sse;

pub use client::Client;
pub use frame::{Frame, Framer};
pub use google::Tokens;
pub use origin::Origin;
pub use pieces::Pieces;
pub use resolver::Hosts;
