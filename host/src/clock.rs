//! Time and chance for everything that decides. `tokio::time` is the only clock, so that a paused runtime is virtual time
//! for the whole gateway; the wall clock is read once, to give instants a date.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Where decisions get their time and their random numbers from.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
    started_unix: Duration,
    dice: AtomicU64,
}

impl Clock {
    /// The machine's clock, and dice thrown by chance.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub fn system() -> Clock {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock::seeded(unix, fastrand::u64(..))
    }

    /// A clock that shows `unix` now, and throws the same dice for the same seed.
    pub fn seeded(unix: Duration, seed: u64) -> Clock {
        Clock { started: Instant::now(), started_unix: unix, dice: AtomicU64::new(seed) }
    }

    /// Since 1970.
    pub fn unix(&self) -> Duration {
        self.started_unix + self.started.elapsed()
    }

    /// The next number of the sequence that the seed began.
    pub fn random(&self) -> u64 {
        // SplitMix64: one addition for the sequence, the rest spreads the bits.
        let mut z = self.dice.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
