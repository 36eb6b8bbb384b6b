//! What a Pointsman plugin is written with: one module for each world of the contract in `wit/`, each with a trait to
//! implement and a macro that exports it.
//!
//! - [`policy`]: which target gets a request, and what happens after a failed attempt. Start here.
//! - [`codec`]: one wire protocol, on the provider's side and on the caller's. An API that only a provider speaks has a
//!   crate of its own, `pointsman-adapter-sdk`.
//! - [`json`]: reading a request's body field by field, for codecs.
//! - [`embeddings`], [`errors`], [`extras`], [`openai`]: what several adapters read alike.
//! - [`freeform`], [`schema`]: tools that only some providers take as they are.
//! - [`names`]: lists in which each name stands once.
//! - [`sealed`]: signatures and encrypted thoughts in the history of callers of another protocol.

pub mod codec;
pub mod embeddings;
pub mod errors;
pub mod extras;
pub mod freeform;
pub mod json;
pub mod names;
pub mod openai;
pub mod policy;
pub mod schema;
pub mod sealed;

#[doc(hidden)]
pub use wit_bindgen;
