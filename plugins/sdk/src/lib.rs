//! What a Pointsman plugin is written with: one module for each world of the contract in `wit/`, each with a trait to
//! implement and a macro that exports it.
//!
//! - [`policy`]: which target gets a request, and what happens after a failed attempt. Start here.
//! - [`codec`]: one wire protocol, on the provider's side and on the caller's.
//! - [`json`]: reading a request's body field by field, for codecs.

pub mod codec;
pub mod json;
pub mod policy;

#[doc(hidden)]
pub use wit_bindgen;
