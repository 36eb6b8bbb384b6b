//! Names that OpenAI limits: tool call ids (40 characters) and the caller's user (64). Whatever does not fit is hashed,
//! so that the same name in gives the same name out, in every turn of a conversation and with no memory.

use sha2::{Digest, Sha256};
use std::fmt::Write;

const CALL_ID_CHARS_MAX: usize = 40;
const USER_CHARS_MAX: usize = 64;
/// `call_` and this make 40.
const CALL_HASH_CHARS: usize = 35;

/// A tool call's id as OpenAI takes it: its own if that fits.
pub fn call(id: &str) -> String {
    let plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if plain && id.len() <= CALL_ID_CHARS_MAX { id.into() } else { format!("call_{}", hash(&[id], CALL_HASH_CHARS)) }
}

/// An id for the call number `ordinal` of a reply whose provider gave it none.
pub fn made(reply_id: &str, ordinal: usize) -> String {
    format!("call_{}", hash(&[reply_id, &ordinal.to_string()], 24))
}

/// The caller's user as OpenAI takes it.
pub fn user(name: &str) -> String {
    if name.chars().count() <= USER_CHARS_MAX { name.into() } else { hash(&[name], USER_CHARS_MAX) }
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
