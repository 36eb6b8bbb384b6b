//! What providers mark as their own and want back unchanged: signatures of thoughts, encrypted reasoning.
//!
//! A fake remembers nothing, so its marks say themselves what they belong to: they are the base64 of
//! `fake/<protocol>/<what it belongs to>`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Protocol;
use super::gemini::shape;

pub fn seal(protocol: Protocol, what: &str) -> String {
    STANDARD.encode(format!("fake/{protocol}/{what}"))
}

/// What a mark of this protocol belongs to.
pub fn opened(protocol: Protocol, sealed: &str) -> Option<String> {
    let decoded = match protocol {
        // Google's SDKs send bytes in the URL's alphabet, and its API takes both.
        Protocol::Gemini => shape::decoded(sealed)?,
        _ => STANDARD.decode(sealed).ok()?,
    };
    let text = String::from_utf8(decoded).ok()?;
    Some(text.strip_prefix(&format!("fake/{protocol}/"))?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ones_own_marks_open() {
        let mark = seal(Protocol::Gemini, "get");
        assert_eq!(opened(Protocol::Gemini, &mark).as_deref(), Some("get"));
        assert_eq!(opened(Protocol::Bedrock, &mark), None);
        assert_eq!(opened(Protocol::Gemini, "c2lnbmF0dXJl"), None);
    }

    #[test]
    fn gemini_takes_either_alphabet() {
        for what in ["get", "a?>", "~~?", "größe"] {
            for protocol in [Protocol::Gemini, Protocol::AnthropicMessages] {
                let mark = seal(protocol, what);
                let of_url = mark.replace('+', "-").replace('/', "_");
                let is_taken = protocol == Protocol::Gemini || of_url == mark;
                assert_eq!(opened(protocol, &of_url).as_deref(), Some(what).filter(|_| is_taken), "{of_url}");
                let bare = of_url.trim_end_matches('=');
                assert_eq!(opened(Protocol::Gemini, bare).is_some(), protocol == Protocol::Gemini, "{bare}");
            }
        }
        assert!(seal(Protocol::Gemini, "a?>").contains(['+', '/']), "it shows the difference");
    }
}
