//! Bytes out: connections to providers, and the cutting of their streamed replies into events.

mod client;
mod pieces;
pub mod sse;

pub use client::Client;
pub use pieces::Pieces;
