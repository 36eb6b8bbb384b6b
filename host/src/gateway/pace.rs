//! How slow a streamed reply may be after its first content, in four ways: silence, pings without content, a trickle, and
//! the request's deadline. Only the provider's time counts: while the caller reads slowly, the clocks stand still.

use std::time::Duration;

use tokio::time::Instant;

use super::refusal::fault;
use super::reply::Batch;
use crate::config::Timeouts;
use crate::config::defaults::AFTER_STOP;
use crate::plugin::bindings::chat::Event;
use crate::plugin::bindings::faults::FaultKind;

/// A trickle is judged over this long.
const WINDOW: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug)]
pub struct Pace {
    idle: Duration,
    between_tokens: Duration,
    /// Bytes of content in a window; 0 is off.
    window_bytes_min: usize,
    deadline: Instant,
    last_content: Instant,
    window_began: Instant,
    window_bytes: usize,
    /// When the last batch came; since then the caller had its turn.
    last_batch: Instant,
}

/// How long to wait for the next batch, and what it means if none comes.
pub struct Until {
    pub at: Instant,
    pub why: &'static str,
}

impl Pace {
    pub fn new(idle: Duration, timeouts: &Timeouts, deadline: Instant, now: Instant) -> Pace {
        Pace {
            idle,
            between_tokens: timeouts.between_tokens,
            window_bytes_min: timeouts.slowest as usize * WINDOW.as_secs() as usize,
            deadline,
            last_content: now,
            window_began: now,
            window_bytes: 0,
            last_batch: now,
        }
    }

    /// The caller wants more.
    pub fn wait(&mut self, now: Instant) -> Until {
        let callers_turn = now.saturating_duration_since(self.last_batch);
        self.last_content += callers_turn;
        self.window_began += callers_turn;
        self.last_batch = now;
        let ends = [
            (self.deadline, "the reply took longer than the whole request may"),
            (now + self.idle, "the provider fell silent in the middle of its reply"),
            (
                self.last_content + self.between_tokens,
                "the provider sent only signs of life in the middle of its reply",
            ),
        ];
        let (at, why) = ends.into_iter().min_by_key(|(at, _)| *at).unwrap_or(ends[0]);
        Until { at, why }
    }

    /// Was there no content for so long that what is still to come after a reason to stop would have come?
    pub fn has_paused(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last_content) >= AFTER_STOP
    }

    /// What came; a failure where it came too slowly.
    pub fn keep(&mut self, batch: Batch, now: Instant) -> Batch {
        self.last_batch = now;
        if batch.has_content() {
            self.last_content = now;
        }
        self.window_bytes += content_bytes(&batch.events);
        if now.saturating_duration_since(self.window_began) >= WINDOW {
            let too_slow = self.window_bytes < self.window_bytes_min;
            (self.window_began, self.window_bytes) = (now, 0);
            if too_slow && batch.fault().is_none() && !batch.finished() {
                return Batch::failed(fault(FaultKind::TimedOut, "the provider's reply became too slow"));
            }
        }
        batch
    }
}

fn content_bytes(events: &[Event]) -> usize {
    let bytes = events.iter().map(|event| match event {
        Event::TextDelta(delta) | Event::ReasoningDelta(delta) | Event::ToolArgumentsDelta(delta) => delta.text.len(),
        _ => 0,
    });
    bytes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TIMEOUTS;
    use crate::plugin::bindings::chat::Delta;

    const IDLE: Duration = Duration::from_secs(10);
    const SECOND: Duration = Duration::from_secs(1);

    fn said(text: &str) -> Batch {
        Batch { events: vec![Event::TextDelta(Delta { index: 0, text: text.to_owned() })], ..Batch::default() }
    }

    fn ping() -> Batch {
        Batch { events: vec![Event::Ping], ..Batch::default() }
    }

    #[test]
    fn pings_are_life_and_no_content() {
        let began = Instant::now();
        let timeouts = Timeouts { between_tokens: 25 * SECOND, ..TIMEOUTS };
        let mut pace = Pace::new(IDLE, &timeouts, began + 3_600 * SECOND, began);
        let mut now = began;
        for _ in 0..3 {
            assert_eq!(pace.wait(now).at, (now + IDLE).min(began + 25 * SECOND));
            now += 8 * SECOND;
            pace.keep(ping(), now);
        }
        let until = pace.wait(now);
        assert_eq!(until.at, began + 25 * SECOND);
        assert!(until.why.contains("signs of life"));
        pace.keep(said("word"), now);
        assert_eq!(pace.wait(now).at, now + IDLE);
    }

    #[test]
    fn a_slow_caller_is_not_held_against_the_provider() {
        let began = Instant::now();
        let timeouts = Timeouts { between_tokens: 20 * SECOND, slowest: 1, ..TIMEOUTS };
        let mut pace = Pace::new(IDLE, &timeouts, began + 3_600 * SECOND, began);
        pace.keep(said("word"), began);
        let later = began + 600 * SECOND;
        assert_eq!(pace.wait(later).at, later + IDLE);
        assert!(pace.keep(said("w"), later).fault().is_none());
    }

    #[test]
    fn a_trickle_fails_only_where_it_is_forbidden() {
        for (slowest, fails) in [(0, false), (1, true)] {
            let began = Instant::now();
            let mut pace = Pace::new(IDLE, &Timeouts { slowest, ..TIMEOUTS }, began + 3_600 * SECOND, began);
            let mut failed = false;
            for second in 1..=40 {
                pace.wait(began + (second - 1) * SECOND);
                let batch = if second % 4 == 0 { said("ab") } else { ping() };
                failed |= pace.keep(batch, began + second * SECOND).fault().is_some();
            }
            assert_eq!(failed, fails);
        }
    }
}
