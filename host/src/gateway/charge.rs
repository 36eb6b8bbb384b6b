//! The tokens that a caller's limits are charged with. A provider tells them at the end of a stream; who hangs up before that has read as
//! much all the same.

use super::allowance::TOKEN_BYTES;
use crate::plugin::bindings::chat::Usage;

/// What is known of a request when it has ended.
pub struct Charge {
    /// What its provider told so far.
    pub usage: Option<Usage>,
    /// The provider has told the last of it.
    pub is_complete: bool,
    /// Tokens that were guessed when the request came.
    pub guess: u64,
    /// Of content that its caller was sent.
    pub content_bytes: usize,
}

impl Charge {
    pub fn tokens(&self) -> u64 {
        let sent = u64::try_from(self.content_bytes).unwrap_or(u64::MAX) / TOKEN_BYTES;
        match self.usage {
            Some(usage) if self.is_complete => usage.input.saturating_add(usage.output),
            // Some tell the input at the beginning, and one token of output with it.
            Some(usage) => usage.input.saturating_add(usage.output.max(sent)),
            None => self.guess.saturating_add(sent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Faults: F118
    #[test]
    fn who_hangs_up_before_the_usage_is_charged_for_what_it_read() {
        let told = |input, output| Some(Usage { input, output, cache_read: 0, cache_write: 0, reasoning: 0 });
        let tokens =
            |usage, is_complete, content_bytes| Charge { usage, is_complete, guess: 10, content_bytes }.tokens();
        assert_eq!(tokens(told(100, 50), true, 4_000), 150, "the provider's word counts");
        assert_eq!(tokens(told(100, 1), false, 4_000), 1_100, "its first word is not its last");
        assert_eq!(tokens(told(100, 5_000), false, 4_000), 5_100);
        assert_eq!(tokens(None, false, 4_000), 1_010);
        assert_eq!(tokens(None, true, 0), 10);
    }
}
