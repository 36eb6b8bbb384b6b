//! Thought signatures between the contract and Gemini's wire, where they are Base64 of bytes that nobody reads. What
//! another provider sealed is text with a mark, so it is wrapped in Base64 once more; the host finds it by the mark's
//! own Base64.

use crate::PROTOCOL;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD};
use pointsman_sdk::codec::chat::Sealed;
use pointsman_sdk::sealed::{self, MARK};

/// Stands in for a signature that is not there, so that Gemini 3 takes calls of another model:
/// <https://ai.google.dev/gemini-api/docs/thought-signatures>. It goes over the wire as it is, not in Base64.
pub const PLACEHOLDER: &str = "skip_thought_signature_validator";

/// Behind the maker's name: what it sealed is a whole thought, not the signature of one. Gemini's wire has one field
/// for both.
const REDACTED: &str = "#redacted";

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Either alphabet, with or without padding: Google's SDKs write the URL-safe one, its API takes both.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    let standard: String = text
        .chars()
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            c => c,
        })
        .collect();
    LENIENT.decode(standard).ok()
}

/// What a caller gave back.
pub enum Returned {
    Signature(Sealed),
    Redacted(Sealed),
}

/// None for the placeholder, and for what nobody signed.
pub fn unpack(text: String) -> Option<Returned> {
    let decoded = base64(&text).and_then(|bytes| String::from_utf8(bytes).ok());
    if text.is_empty() || text == PLACEHOLDER || decoded.as_deref() == Some(PLACEHOLDER) {
        return None;
    }
    let sealed = match decoded.filter(|decoded| decoded.starts_with(MARK)) {
        Some(packed) => sealed::unpack(packed, PROTOCOL),
        // Gemini's own stays byte for byte what it was.
        None => Sealed { maker: PROTOCOL.into(), data: text },
    };
    if sealed.data.is_empty() {
        return None;
    }
    Some(match sealed.maker.strip_suffix(REDACTED) {
        Some(maker) => Returned::Redacted(Sealed { maker: maker.to_owned(), ..sealed }),
        None => Returned::Signature(sealed),
    })
}

pub fn pack(signature: &Sealed) -> String {
    let packed = sealed::pack(signature, PROTOCOL);
    if signature.maker == PROTOCOL { packed } else { STANDARD.encode(packed) }
}

/// For a call that nobody signed.
pub fn unsigned() -> String {
    pack(&Sealed { maker: "unknown".to_owned(), data: String::new() })
}

pub fn pack_redacted(redacted: Sealed) -> String {
    pack(&Sealed { maker: redacted.maker + REDACTED, data: redacted.data })
}
