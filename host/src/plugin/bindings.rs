//! The contract as Rust types, generated from `wit/`. One imaginary world exports everything, so that the types of a
//! fault or an event are the same whichever world a component was written for; what a component really exports is found
//! out when it is loaded (`load.rs`).

wasmtime::component::bindgen!({
    path: "../wit",
    inline: "
        package pointsman:host;
        world everything {
            export pointsman:plugin/policy@0.1.0;
            export pointsman:plugin/provider@0.1.0;
            export pointsman:plugin/client-protocol@0.1.0;
        }
    ",
    world: "pointsman:host/everything",
    exports: { default: async },
    additional_derives: [PartialEq, serde::Serialize, serde::Deserialize],
});

pub use self::exports::pointsman::plugin::{client_protocol, policy, provider};
pub use self::pointsman::plugin::{chat, faults};
