//! What an adapter is written with that is one side of a [`codec`](pointsman_sdk::codec) only: an API that no caller speaks,
//! or ([`client`]) one that no provider does.
//! A crate of its own, because two worlds that export the same interface cannot be generated in one.

#[doc(hidden)]
#[allow(unsafe_code, reason = "generated: the canonical ABI passes pointers")]
#[allow(clippy::all, clippy::pedantic, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit",
        world: "provider-adapter",
        pub_export_macro: true,
        default_bindings_module: "pointsman_adapter_sdk::bindings",
        additional_derives: [PartialEq],
        with: {
            "pointsman:plugin/chat@0.2.0": pointsman_sdk::codec::bindings::pointsman::plugin::chat,
            "pointsman:plugin/faults@0.2.0": pointsman_sdk::codec::bindings::pointsman::plugin::faults,
        },
    });
}

pub mod client;

pub use bindings::exports::pointsman::plugin::provider;
pub use bindings::exports::pointsman::plugin::provider::Guest as Provider;

pub use pointsman_sdk::{embeddings, errors, extras, json, names, schema};

pub use pointsman_sdk::codec::{Fault, FaultKind, chat, fault, fault_at, recall, remember};

/// Exports a type that implements [`Provider`] as a component of the `provider-adapter` world.
#[macro_export]
macro_rules! adapter {
    ($adapter:ident) => {
        #[allow(unsafe_code, reason = "generated: the canonical ABI passes pointers")]
        // Natively (unit tests) there is nobody to export to, and linkers refuse such symbol names.
        #[cfg(target_arch = "wasm32")]
        const _: () = {
    $crate::bindings::export!($adapter with_types_in $crate::bindings);
        };
    };
}
