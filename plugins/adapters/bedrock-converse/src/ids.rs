//! Names that Bedrock takes only from a small alphabet: of calls, of tools in the history, of models in a path.

use std::fmt::Write;

/// Bytes, for ids of calls and names of tools.
pub const LENGTH_MAX: usize = 64;

/// The id of a tool call. The same id always gives the same result, so that a call and its result still match.
pub fn call(id: &str) -> String {
    fit(id, |c| c.is_ascii_alphanumeric() || "_.:-".contains(c))
}

/// The name of a tool that was called earlier, perhaps at a provider that takes more names.
pub fn tool(name: &str) -> String {
    fit(name, is_tool_char)
}

pub fn is_tool_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= LENGTH_MAX && name.chars().all(is_tool_char)
}

/// A model's id or ARN, as one segment of a path.
pub fn path_segment(model: &str) -> String {
    model.bytes().fold(String::new(), |mut path, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "%{byte:02X}");
        }
        path
    })
}

fn is_tool_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// What fits stays. Else illegal characters and the end give way to a hash of the whole: two names that differ only
/// there stay different.
fn fit(name: &str, is_legal: impl Fn(char) -> bool) -> String {
    if !name.is_empty() && name.len() <= LENGTH_MAX && name.chars().all(&is_legal) {
        return name.to_owned();
    }
    let kept = name.chars().take(LENGTH_MAX - 17).map(|c| if is_legal(c) { c } else { '_' });
    format!("{}_{:016x}", kept.collect::<String>(), fnv1a(name.as_bytes()))
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
