//! Pointsman: an HTTP gateway that keeps callers answered when an AI provider fails.
//!
//! The modules, in the order in which a request meets them: [`server`] (bytes in), [`gateway`] (the line it takes),
//! [`plugin`] (WebAssembly: who decides, who translates), [`upstream`] (bytes out), [`health`] (what is remembered of
//! targets), [`journal`] (of requests), [`store`] (what outlives the process). Beside them: [`config`] and [`watch`], [`callers`] (what each may use), [`facts`] (of models), [`clock`], [`net`] (the machine's network, or one in memory), [`ship`] (where plugins come from and go to), [`cli`] (one file a verb), [`conformance`] (is a plugin fit to serve?), [`drill`] (outages rehearsed in virtual time), and [`fake`] (providers that break
//! on purpose, for the demo, the tests and trying things out).

pub mod callers;
pub mod cli;
pub mod clock;
pub mod coding;
pub mod config;
pub mod conformance;
pub mod drill;
pub mod facts;
pub mod fake;
pub mod gateway;
pub mod health;
pub mod journal;
mod log;
pub mod net;
pub mod plugin;
pub mod server;
pub mod ship;
pub mod store;
mod sync;
pub mod upstream;
pub mod watch;
