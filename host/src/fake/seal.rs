//! What providers mark as their own and want back unchanged: signatures of thoughts, encrypted reasoning.
//!
//! A fake remembers nothing, so its marks say themselves what they belong to: they are the base64 of
//! `fake/<protocol>/<what it belongs to>`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Protocol;

pub fn seal(protocol: Protocol, what: &str) -> String {
    STANDARD.encode(format!("fake/{protocol}/{what}"))
}

/// What a mark of this protocol belongs to.
pub fn opened(protocol: Protocol, sealed: &str) -> Option<String> {
    let text = String::from_utf8(STANDARD.decode(sealed).ok()?).ok()?;
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
}
