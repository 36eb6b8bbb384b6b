//! Codecs: one wire protocol, spoken to providers ([`Provider`]) and to callers ([`ClientProtocol`]).

use serde::Serialize;
use serde::de::DeserializeOwned;

#[doc(hidden)]
#[allow(unsafe_code, reason = "generated: the canonical ABI passes pointers")]
#[allow(clippy::all, clippy::pedantic, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "codec",
        pub_export_macro: true,
        default_bindings_module: "pointsman_sdk::codec::bindings",
        additional_derives: [PartialEq],
    });
}

pub use bindings::exports::pointsman::plugin::client_protocol;
pub use bindings::exports::pointsman::plugin::client_protocol::Guest as ClientProtocol;
pub use bindings::exports::pointsman::plugin::provider;
pub use bindings::exports::pointsman::plugin::provider::Guest as Provider;
pub use bindings::pointsman::plugin::chat;
pub use bindings::pointsman::plugin::faults::{Fault, FaultKind};

/// A fault that no reply of a provider stands behind: a request that is wrong, or that cannot be translated.
pub fn fault(kind: FaultKind, message: impl Into<String>) -> Fault {
    Fault { kind, status: 0, message: message.into(), provider_code: None, field: None, retry_after_ms: None }
}

/// The same, naming the request field at fault, such as `messages[2].content`.
pub fn fault_at(kind: FaultKind, field: impl Into<String>, message: impl Into<String>) -> Fault {
    Fault { field: Some(field.into()), ..fault(kind, message) }
}

/// Content came that the contract has no word for: an image, a server tool's piece. To a caller of the same protocol it is
/// content like any other, and it shows that the provider goes on; to others it is lost, and the host tells so.
pub fn other_content() -> chat::Event {
    chat::Event::ToolArgumentsDelta(chat::Delta { index: u32::MAX, text: String::new() })
}

/// What a fold remembers, from the bytes that the host kept. Empty or foreign bytes give the default.
pub fn recall<M: DeserializeOwned + Default>(memory: &[u8]) -> M {
    postcard::from_bytes(memory).unwrap_or_default()
}

/// What a fold remembers, as bytes that the host keeps until the next call.
pub fn remember<M: Serialize>(memory: &M) -> Vec<u8> {
    postcard::to_allocvec(memory).unwrap_or_default()
}

/// Exports a type that implements [`Provider`] and [`ClientProtocol`] as a component of the `codec` world.
#[macro_export]
macro_rules! codec {
    ($codec:ident) => {
        #[allow(unsafe_code, reason = "generated: the canonical ABI passes pointers")]
        // Natively (unit tests) there is nobody to export to, and linkers refuse such symbol names.
        #[cfg(target_arch = "wasm32")]
        const _: () = {
    $crate::codec::bindings::export!($codec with_types_in $crate::codec::bindings);
        };
    };
}
