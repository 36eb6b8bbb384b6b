//! Which target last answered a conversation: its prompt cache may be warm.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// Answers older than one to two of these are forgotten. Prompt caches live five minutes to an hour.
const GENERATION: Duration = Duration::from_secs(30 * 60);
/// Entries in a generation: callers choose their conversations, so their number must be bounded.
const ENTRIES_MAX: usize = 50_000;

/// See the module. Two generations, so that forgetting costs nothing: the old one is dropped whole.
#[derive(Debug, Default)]
pub struct Affinity {
    young: HashMap<(u64, u64), Instant>,
    old: HashMap<(u64, u64), Instant>,
    began: Option<Instant>,
}

impl Affinity {
    /// The target answered the conversation.
    pub fn note(&mut self, conversation: u64, target: u64, now: Instant) {
        let began = *self.began.get_or_insert(now);
        if now.saturating_duration_since(began) >= GENERATION || self.young.len() >= ENTRIES_MAX {
            self.old = std::mem::take(&mut self.young);
            self.began = Some(now);
        }
        self.young.insert((conversation, target), now);
    }

    /// How long ago that was.
    pub fn since(&self, conversation: u64, target: u64, now: Instant) -> Option<Duration> {
        let key = (conversation, target);
        let at = self.young.get(&key).or_else(|| self.old.get(&key))?;
        Some(now.saturating_duration_since(*at)).filter(|since| *since < 2 * GENERATION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_for_a_while_and_not_too_much() {
        let now = Instant::now();
        let mut affinity = Affinity::default();
        affinity.note(1, 7, now);
        assert_eq!(affinity.since(1, 7, now + GENERATION), Some(GENERATION));
        assert_eq!(affinity.since(1, 8, now), None);
        affinity.note(2, 7, now + GENERATION);
        assert!(affinity.since(1, 7, now + GENERATION).is_some());
        affinity.note(3, 7, now + 3 * GENERATION);
        assert_eq!(affinity.since(1, 7, now + 3 * GENERATION), None);
        (0..3 * ENTRIES_MAX as u64).for_each(|conversation| affinity.note(conversation, 7, now));
        assert!(affinity.young.len() + affinity.old.len() <= 2 * ENTRIES_MAX);
    }
}
