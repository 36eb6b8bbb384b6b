//! Ids of tool calls: Anthropic takes only `[a-zA-Z0-9_-]+`, other providers make up what they like.

/// An id that Anthropic takes. The same id always gives the same result, so that a call and its result still match;
/// two ids that differ only in illegal characters stay different.
pub fn legal(id: &str) -> String {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !id.is_empty() && id.chars().all(is_legal) {
        return id.to_owned();
    }
    let kept: String = id.chars().map(|c| if is_legal(c) { c } else { '_' }).collect();
    format!("{kept}_{:016x}", fnv1a(id.as_bytes()))
}

/// The id of a message, which callers expect to begin with `msg_`.
pub fn message(id: &str) -> String {
    if id.starts_with("msg_") { legal(id) } else { format!("msg_{}", legal(id)) }
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
