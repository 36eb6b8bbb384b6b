//! Time and chance for everything that decides. Durations are measured with `tokio::time`, so that a paused runtime is virtual
//! time for the whole gateway. Dates are the wall clock's, as it is when they are asked for: it is set right while we run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Where decisions get their time and their random numbers from.
#[derive(Debug)]
pub struct Clock {
    wall: Wall,
    dice: AtomicU64,
}

/// Where dates come from.
#[derive(Debug)]
enum Wall {
    /// Read anew each time, since 1970.
    Read(fn() -> Duration),
    /// It goes as `tokio::time` does.
    Virtual { started: Instant, started_unix: Duration },
}

impl Clock {
    /// The machine's clock, and dice thrown by chance.
    pub fn system() -> Clock {
        Clock { wall: Wall::Read(wall_clock), dice: AtomicU64::new(fastrand::u64(..)) }
    }

    /// A clock that shows `unix` now, and throws the same dice for the same seed.
    pub fn seeded(unix: Duration, seed: u64) -> Clock {
        let wall = Wall::Virtual { started: Instant::now(), started_unix: unix };
        Clock { wall, dice: AtomicU64::new(seed) }
    }

    /// The date, since 1970. It can jump, in both directions: durations are not measured with it.
    pub fn unix(&self) -> Duration {
        match &self.wall {
            Wall::Read(read) => read(),
            Wall::Virtual { started, started_unix } => *started_unix + started.elapsed(),
        }
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

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn wall_clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    static WALL_S: AtomicU64 = AtomicU64::new(1_780_394_400);

    fn wall() -> Duration {
        Duration::from_secs(WALL_S.load(Ordering::Relaxed))
    }

    /// Faults: F144
    #[tokio::test(start_paused = true)]
    async fn dates_follow_a_wall_clock_that_is_set() {
        let clock = Clock { wall: Wall::Read(wall), dice: AtomicU64::new(7) };
        for set_to in [1_780_398_000, 1_780_390_800] {
            WALL_S.store(set_to, Ordering::Relaxed);
            assert_eq!(clock.unix().as_secs(), set_to, "an hour later, and an hour earlier");
        }
        let virtually = Clock::seeded(Duration::from_secs(100), 7);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(virtually.unix().as_secs(), 105);
    }
}
