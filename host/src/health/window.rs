//! How many attempts ended of late, in buckets of time that follow each other.

use std::time::Duration;

use tokio::time::Instant;

/// Buckets of the window.
const BUCKETS: usize = 10;

/// Counts attempts over the newest stretch of time.
#[derive(Debug, Default)]
pub struct Window {
    buckets: [u32; BUCKETS],
    began: Option<Instant>,
    /// The number of the newest bucket since `began`.
    newest: u64,
}

impl Window {
    pub fn count(&mut self, now: Instant, window: Duration) {
        self.turn(now, window);
        let newest = &mut self.buckets[self.newest as usize % BUCKETS];
        *newest = newest.saturating_add(1);
    }

    /// How many there were.
    pub fn all(&mut self, now: Instant, window: Duration) -> u32 {
        self.turn(now, window);
        self.buckets.iter().copied().fold(0, u32::saturating_add)
    }

    /// Empty the buckets that time has passed by.
    fn turn(&mut self, now: Instant, window: Duration) {
        let began = *self.began.get_or_insert(now);
        let length = (window / BUCKETS as u32).max(Duration::from_millis(1));
        let newest = (now.saturating_duration_since(began).as_millis() / length.as_millis()) as u64;
        for number in self.newest + 1..=newest.min(self.newest + BUCKETS as u64) {
            self.buckets[number as usize % BUCKETS] = 0;
        }
        if newest > self.newest + BUCKETS as u64 {
            self.buckets = Default::default();
        }
        self.newest = self.newest.max(newest);
    }
}
