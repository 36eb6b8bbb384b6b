//! The contract as Rust types, generated from `wit/`. One imaginary world exports everything, so that the types of a
//! fault or an event are the same whichever world a component was written for; what a component really exports is found
//! out when it is loaded (`load.rs`). The previous version's interfaces stand beside the current ones, for `previous.rs`.

wasmtime::component::bindgen!({
    path: ["../wit", "src/plugin/previous.wit"],
    inline: "
        package pointsman:host;
        world everything {
            export pointsman:plugin/policy@0.2.0;
            export pointsman:plugin/about@0.2.0;
            export pointsman:plugin/provider@0.2.0;
            export pointsman:plugin/client-protocol@0.2.0;
            export pointsman:plugin/policy@0.1.0;
            export pointsman:plugin/provider@0.1.0;
            export pointsman:plugin/client-protocol@0.1.0;
        }
    ",
    world: "pointsman:host/everything",
    exports: { default: async },
    additional_derives: [PartialEq, serde::Serialize, serde::Deserialize],
});

pub use self::exports::pointsman::plugin0_1_0 as previous;
pub use self::exports::pointsman::plugin0_2_0::{about, client_protocol, policy, provider};
pub use self::pointsman::plugin0_2_0::{chat, faults};

impl faults::FaultKind {
    /// In the order of the contract.
    pub const ALL: [Self; 19] = [
        Self::Overloaded,
        Self::RateLimited,
        Self::QuotaExhausted,
        Self::ServerError,
        Self::Unavailable,
        Self::TimedOut,
        Self::Connection,
        Self::MalformedReply,
        Self::Truncated,
        Self::Authentication,
        Self::Permission,
        Self::ModelNotFound,
        Self::InvalidRequest,
        Self::ContextTooLong,
        Self::ContentPolicy,
        Self::TooLarge,
        Self::Unsupported,
        Self::Busy,
        Self::AdapterFailed,
    ];

    /// As the contract spells it, such as `rate-limited`.
    pub fn word(self) -> String {
        let told = format!("{self:?}");
        let name = told.rsplit("::").next().unwrap_or_default();
        let mut word = String::new();
        for letter in name.chars() {
            if letter.is_ascii_uppercase() && !word.is_empty() {
                word.push('-');
            }
            word.push(letter.to_ascii_lowercase());
        }
        word
    }
}

#[cfg(test)]
mod tests {
    use super::faults::FaultKind;

    #[test]
    fn faults_are_spelt_as_in_the_contract() {
        for (kind, word) in [(FaultKind::RateLimited, "rate-limited"), (FaultKind::Busy, "busy")] {
            assert_eq!(kind.word(), word);
        }
        let contract = include_str!("../../../wit/faults.wit");
        let kinds =
            contract.split_once("enum fault-kind {").and_then(|(_, kinds)| kinds.split_once('}')).expect("kinds").0;
        let words = kinds.lines().filter_map(|line| line.trim().strip_suffix(','));
        assert_eq!(words.collect::<Vec<_>>(), FaultKind::ALL.map(FaultKind::word));
    }
}
