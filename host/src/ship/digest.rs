//! SHA-256 of what is shipped: a package is what its digest says, wherever it came from.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::plugin::hex;

/// SHA-256, shown as registries write it: `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest(String);

impl Digest {
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(hex(&Sha256::digest(bytes)))
    }

    /// 64 hexadecimal digits, with `sha256:` before them or without.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Digest, &'static str> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        match digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Ok(Digest(digits.to_ascii_lowercase())),
            false => Err("a sha256 digest has 64 hexadecimal digits"),
        }
    }

    /// The digits alone.
    pub fn hex(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256:{}", self.0)
    }
}
