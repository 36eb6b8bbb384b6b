//! Pointsman: an HTTP gateway that keeps callers answered when an AI provider fails.
pub mod clock;
pub mod config;
pub mod gateway;
pub mod health;
pub mod plugin;
pub mod upstream;
