//! Embeddings in words of no protocol: they follow from the text alone, so that the same text has the same vector everywhere.

/// Short, so that tests can look at it. Real ones have hundreds and more.
pub const DIMENSIONS: usize = 8;

/// Numbers that are exact in 32 bits and differ from text to text. A shorter vector is the beginning of a longer one.
pub fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut state = text.bytes().fold(7_u32, |state, byte| state.wrapping_mul(31).wrapping_add(byte.into()));
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [high, ..] = state.to_be_bytes();
        f32::from(high) / 128.0 - 1.0
    };
    (0..dimensions).map(|_| next()).collect()
}

/// What a text costs.
pub fn tokens(text: &str) -> usize {
    text.len() / 4 + 1
}
