//! A codec that is fit to serve, but for one flaw, which stands in its bytes: a test puts it there. Its protocol is that of
//! `examples/adapters`.

mod client;
mod provider;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

pub struct Codec;

/// What the test writes over.
static FLAW: [u8; 40] = *b"pointsman-flaw:none.....................";

/// Does it have this flaw?
pub fn has(flaw: &str) -> bool {
    let told = String::from_utf8_lossy(std::hint::black_box(&FLAW)).replace("pointsman-flaw:", "");
    told.trim_end_matches('.') == flaw
}

/// How many calls came before, in this instance.
pub fn calls_before() -> usize {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    CALLS.fetch_add(1, Ordering::Relaxed)
}

/// What the first call in this instance was about.
pub fn first(words: &str) -> &'static str {
    static FIRST: OnceLock<String> = OnceLock::new();
    FIRST.get_or_init(|| words.to_owned())
}

pointsman_sdk::codec!(Codec);
