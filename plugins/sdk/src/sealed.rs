//! What only its maker understands, on its way through the history of a caller who speaks another protocol.
//!
//! A thought's signature made by Gemini reaches an Anthropic caller as `pointsman:gemini:…`, in the place where Anthropic's
//! own signatures stand; when the caller sends its history back, it is found again by that mark.

use crate::codec::chat::Sealed;

/// What begins a text that another provider sealed.
pub const MARK: &str = "pointsman:";

/// As a caller of the protocol `own` gets it: the bare data when its own provider made it, marked otherwise.
pub fn pack(sealed: &Sealed, own: &str) -> String {
    if sealed.maker == own { sealed.data.clone() } else { format!("{MARK}{}:{}", sealed.maker, sealed.data) }
}

/// As a caller of the protocol `own` sent it. Text without a mark was made by that protocol's own provider.
pub fn unpack(text: String, own: &str) -> Sealed {
    match text.strip_prefix(MARK).and_then(|rest| rest.split_once(':')) {
        Some((maker, data)) => Sealed { maker: maker.to_owned(), data: data.to_owned() },
        None => Sealed { maker: own.to_owned(), data: text },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for maker in ["gemini", "anthropic-messages"] {
            for data in ["", "abc=", "a:b:c"] {
                let sealed = Sealed { maker: maker.into(), data: data.into() };
                let packed = pack(&sealed, "anthropic-messages");
                assert_eq!(packed.starts_with(MARK), maker == "gemini");
                assert_eq!(unpack(packed, "anthropic-messages"), sealed);
            }
        }
    }
}
