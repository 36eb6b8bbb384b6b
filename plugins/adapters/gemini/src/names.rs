//! Names of tools. Gemini takes `[A-Za-z_][A-Za-z0-9_.:-]{0,127}`; other protocols take more. A reply is decoded
//! without the request at hand, so a name that Gemini refuses is escaped in a way that can be read back from the name
//! alone.

/// What an escaped name begins with. Behind it stand letters, digits, `_` and `-` as they are, and any other byte as a
/// dot and two hexadecimal digits.
const ESCAPED: &str = "esc.";

const CHARS_MAX: usize = 128;

/// None when the name is empty or, escaped where it must be, longer than 128 characters.
pub fn to_wire(name: &str) -> Option<String> {
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_legal = begins_well && name.bytes().all(|byte| is_plain(byte) || byte == b'.' || byte == b':');
    // A legal name that looks escaped is escaped too, so that reading back is never ambiguous.
    let name = if is_legal && !name.starts_with(ESCAPED) { name.to_owned() } else { escape(name) };
    (name.len() > ESCAPED.len() || is_legal).then_some(name).filter(|name| name.len() <= CHARS_MAX)
}

/// The name that `to_wire` was given. A name that it never gives stays as it is.
pub fn from_wire(name: &str) -> String {
    let original = name.strip_prefix(ESCAPED).and_then(unescape);
    original.filter(|original| to_wire(original).as_deref() == Some(name)).unwrap_or_else(|| name.to_owned())
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn escape(name: &str) -> String {
    let mut escaped = ESCAPED.to_owned();
    for byte in name.bytes() {
        if is_plain(byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!(".{byte:02x}"));
        }
    }
    escaped
}

fn unescape(escaped: &str) -> Option<String> {
    let mut pieces = escaped.split('.');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}
