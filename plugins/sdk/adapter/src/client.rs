//! A protocol that callers speak and no provider does: its types, and [`client!`](crate::client!), which exports one.

#[doc(hidden)]
#[allow(unsafe_code, reason = "generated: the canonical ABI passes pointers")]
#[allow(clippy::all, clippy::pedantic, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit",
        world: "client-adapter",
        pub_export_macro: true,
        default_bindings_module: "pointsman_adapter_sdk::client::bindings",
        additional_derives: [PartialEq],
        with: {
            "pointsman:plugin/chat@0.2.0": pointsman_sdk::codec::bindings::pointsman::plugin::chat,
            "pointsman:plugin/faults@0.2.0": pointsman_sdk::codec::bindings::pointsman::plugin::faults,
        },
    });
}

pub use bindings::exports::pointsman::plugin::client_protocol::Guest as ClientProtocol;
pub use bindings::exports::pointsman::plugin::client_protocol::*;

/// Exports a type that implements [`ClientProtocol`] as a component of the `client-adapter` world.
#[macro_export]
macro_rules! client {
    ($client:ident) => {
        #[allow(unsafe_code, reason = "generated: the canonical ABI passes pointers")]
        // As for `adapter!`.
        #[cfg(target_arch = "wasm32")]
        const _: () = {
    $crate::client::bindings::export!($client with_types_in $crate::client::bindings);
        };
    };
}
