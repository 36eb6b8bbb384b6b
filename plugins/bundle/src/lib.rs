//! The built-in plugins as bytes: components built from `plugins/policies` and `plugins/adapters` by this crate's build
//! script, or handed in prebuilt by a packager (see `build.rs`). And the contract, and the SDK that plugins are written with,
//! as text.

/// A built-in plugin.
#[derive(Debug)]
pub struct Bundled {
    /// The folder's name, such as `failover`.
    pub name: &'static str,
    /// SHA-256 of `bytes`, in hexadecimal.
    pub sha256: &'static str,
    /// A WebAssembly component.
    pub bytes: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/bundled.rs"));
