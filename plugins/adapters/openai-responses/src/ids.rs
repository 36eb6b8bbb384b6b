//! Names that OpenAI limits to 64 characters: ids of calls and items, and the caller's user. Whatever does not fit is
//! hashed, so that the same name in gives the same name out, in every turn of a conversation and with no memory.

use sha2::{Digest, Sha256};
use std::fmt::Write;

const CHARS_MAX: usize = 64;
/// With a prefix such as `call_` this stays within the limit.
const HASH_CHARS: usize = 48;

/// A tool call's id as OpenAI takes it: its own if that fits.
pub fn call(id: &str) -> String {
    let plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if plain && id.len() <= CHARS_MAX { id.into() } else { made("call", &[id]) }
}

/// The caller's user as OpenAI takes it.
pub fn user(name: &str) -> String {
    if name.chars().count() <= CHARS_MAX { name.into() } else { hash(&[name], CHARS_MAX) }
}

/// An id for what its provider gave none: `prefix`, an underscore, and the hash of the words that tell it from others.
pub fn made(prefix: &str, words: &[&str]) -> String {
    format!("{prefix}_{}", hash(words, HASH_CHARS))
}

/// The id of a response, which callers expect to begin with `resp_`.
pub fn response(id: &str) -> String {
    match id {
        "" => "resp_unknown".into(),
        id if id.starts_with("resp_") => id.into(),
        id => format!("resp_{id}"),
    }
}

/// SHA-256 of the words, each ended by a zero byte, as so many hex digits (64 at most).
fn hash(words: &[&str], chars: usize) -> String {
    let mut hasher = Sha256::new();
    for word in words {
        hasher.update(word.as_bytes());
        hasher.update([0]);
    }
    let mut hex = String::with_capacity(64);
    for byte in hasher.finalize() {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex.truncate(chars);
    hex
}
