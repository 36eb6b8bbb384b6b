//! What can go wrong in a call into a plugin. Never the caller's problem: the request goes on without that call.

use std::fmt;

use wasmtime::{Store, Trap};

use super::engine::{Exceeded, Guest};
use super::text::kept_error;

/// Why a plugin's answer cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PluginFault {
    /// It ran longer than its limit.
    Time,
    /// It wanted more memory than its limit.
    Memory,
    /// All plugins together use as much memory as they may: not this one's fault.
    Full,
    /// It trapped, or handed back more than its limit; the text says what wasmtime saw.
    Trap(String),
    /// It answered, but with something no correct plugin says.
    Nonsense(String),
    /// A fresh instance answered the same call otherwise.
    Impure,
}

impl PluginFault {
    /// A short, fixed word for counters.
    pub fn label(&self) -> &'static str {
        match self {
            PluginFault::Time => "time",
            PluginFault::Memory => "memory",
            PluginFault::Full => "full",
            PluginFault::Trap(_) => "trap",
            PluginFault::Nonsense(_) => "nonsense",
            PluginFault::Impure => "impure",
        }
    }

    pub(super) fn of(error: &wasmtime::Error, store: &Store<Guest>) -> PluginFault {
        match store.data().exceeded {
            Some(Exceeded::Time) => PluginFault::Time,
            Some(Exceeded::Memory) => PluginFault::Memory,
            Some(Exceeded::AllMemory) => PluginFault::Full,
            None if error.downcast_ref() == Some(&Trap::OutOfFuel) => PluginFault::Time,
            None => PluginFault::Trap(error.root_cause().to_string()),
        }
    }
}

impl fmt::Display for PluginFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PluginFault::Time => formatter.write_str("it ran longer than a call may"),
            PluginFault::Memory => formatter.write_str("it wanted more memory than a plugin may have"),
            PluginFault::Full => formatter.write_str("all plugins together use as much memory as they may: try again"),
            PluginFault::Trap(text) => write!(formatter, "it trapped: {}", kept_error(text.clone())),
            PluginFault::Nonsense(text) => write!(formatter, "its answer makes no sense: {}", kept_error(text.clone())),
            PluginFault::Impure => {
                formatter.write_str("a fresh instance answers otherwise: it remembers something between calls")
            }
        }
    }
}

impl std::error::Error for PluginFault {}
