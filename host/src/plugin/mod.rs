//! WebAssembly: how plugins are loaded, called and bounded. Everything else in the host sees a [`Plugin`], and calls it
//! through [`Policy`] or [`Codec`].

pub mod bindings;
mod codec;
mod contract;
mod describe;
pub mod engine;
mod fault;
mod instance;
mod load;
mod nonsense;
mod policy;
mod previous;
mod tally;

pub use codec::Codec;
pub use contract::Contract;
pub use describe::About;
pub use fault::PluginFault;
pub use load::{Kind, Plugin, bundled, hex};
pub use nonsense::nonsense;
pub use policy::{Policy, RouteTarget};
pub use tally::{Counts, Tally};
