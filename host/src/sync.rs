//! The locks around what threads share. With the feature `shuttle` a scheduler stands behind them that tries orders in which
//! threads could take them: see `health/interleavings.rs`.

#[cfg(feature = "shuttle")]
pub use shuttle::sync::{Mutex, MutexGuard};
#[cfg(not(feature = "shuttle"))]
pub use std::sync::{Mutex, MutexGuard};

pub use std::sync::PoisonError;
