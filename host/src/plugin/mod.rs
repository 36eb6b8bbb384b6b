//! WebAssembly: how plugins are loaded, called and bounded. Everything else in the host sees a [`Plugin`], and calls it
//! through [`Policy`] or [`Codec`].

pub mod bindings;
mod cache;
mod codec;
mod compile;
mod contract;
mod describe;
pub mod engine;
mod fault;
mod instance;
mod load;
mod nonsense;
mod package;
mod policy;
mod previous;
pub mod signature;
mod tally;
mod text;

pub use cache::Cache;
pub use codec::{Codec, written_bytes};
pub use compile::{CompileLimits, Compiler, precompile};
pub use contract::Contract;
pub use describe::About;
pub use fault::PluginFault;
pub use instance::Isolation;
pub use load::{COMPONENT_BYTES_MAX, Kind, Plugin, bundled, bundled_by, hex};
pub use nonsense::nonsense;
pub use package::{Cases, Package};
pub use policy::{Policy, RouteTarget};
pub use tally::{Counts, Tally};
pub use text::{kept, shown, shown_lines};
