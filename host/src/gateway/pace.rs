//! How slow a streamed reply may be after its first content, in three ways: silence, pings without content, and the request's
//! deadline; and how fast its content comes. Only the provider's time counts: while the caller reads slowly, the clocks stand
//! still.

use std::time::Duration;

use tokio::time::Instant;

use super::reply::Batch;
use crate::config::Timeouts;
use crate::plugin::bindings::chat::Event;

/// A stream that runs for a shorter time does not show its pace.
const MEASURED_MIN: Duration = Duration::from_millis(300);

/// Bytes that a stream may have between two pieces of content: pings of an hour, and the longest echo of a request.
const EMPTY_BYTES_MAX: usize = 64 << 20;

/// See the module.
#[derive(Debug)]
pub struct Pace {
    idle: Duration,
    /// A shorter one, where another target can go on and this one's pauses are known.
    usual_idle: Option<Duration>,
    adaptive: bool,
    longest_pause: Duration,
    between_tokens: Duration,
    window: Duration,
    /// Bytes of content a second; 0 is off.
    slowest: u32,
    deadline: Instant,
    last_content: Instant,
    window_began: Instant,
    window_bytes: usize,
    is_measured: bool,
    /// Bytes since the last content.
    empty_bytes: usize,
    /// When the last batch came; since then the caller had its turn.
    last_batch: Instant,
}

/// How fast the content of a stream came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    pub millis_per_kb: f64,
    /// Slower than the configuration wants it.
    pub is_too_slow: bool,
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
            usual_idle: None,
            adaptive: timeouts.adaptive,
            longest_pause: Duration::ZERO,
            between_tokens: timeouts.between_tokens,
            window: timeouts.slowest_over,
            slowest: timeouts.slowest,
            deadline,
            last_content: now,
            window_began: now,
            window_bytes: 0,
            is_measured: false,
            empty_bytes: 0,
            last_batch: now,
        }
    }

    /// So long without a byte is too long for now, if the configuration wants what is usual to be learned. It never makes patience
    /// longer.
    pub fn expect(&mut self, idle: Option<Duration>) {
        self.usual_idle = idle.filter(|_| self.adaptive);
    }

    /// The longest that the provider was silent between two pieces.
    pub fn longest_pause(&self) -> Duration {
        self.longest_pause
    }

    /// The caller wants more.
    pub fn wait(&mut self, now: Instant) -> Until {
        let callers_turn = now.saturating_duration_since(self.last_batch);
        self.last_content += callers_turn;
        self.window_began += callers_turn;
        self.last_batch = now;
        let ends = [
            (self.deadline, "the reply took longer than the whole request may"),
            (
                now + self.usual_idle.map_or(self.idle, |usual| usual.min(self.idle)),
                "the provider fell silent in the middle of its reply",
            ),
            (
                self.last_content + self.between_tokens,
                "the provider sent only signs of life in the middle of its reply",
            ),
        ];
        let (at, why) = ends.into_iter().min_by_key(|(at, _)| *at).unwrap_or(ends[0]);
        Until { at, why }
    }

    /// What came; and how fast it came of late, where a window ends or the reply does.
    pub fn keep(&mut self, batch: &Batch, now: Instant) -> Option<Measured> {
        self.longest_pause = self.longest_pause.max(now.saturating_duration_since(self.last_batch));
        self.last_batch = now;
        self.empty_bytes += batch.frames.iter().map(|frame| frame.raw.len()).sum::<usize>();
        if batch.has_content() || batch.has_other_content() {
            (self.last_content, self.empty_bytes) = (now, 0);
        }
        self.window_bytes += content_bytes(&batch.events);
        let elapsed = now.saturating_duration_since(self.window_began);
        let is_whole = elapsed >= self.window || batch.finished() && !self.is_measured;
        if !is_whole || batch.fault().is_some() {
            return None;
        }
        let measured = self.measured(self.window_bytes, elapsed);
        (self.window_began, self.window_bytes, self.is_measured) = (now, 0, true);
        measured
    }

    /// So much came without content that it is no answer, whatever it is.
    pub fn is_empty(&self) -> bool {
        self.empty_bytes > EMPTY_BYTES_MAX
    }

    /// How fast so many bytes of content came. `None` if the time was too short to tell.
    pub fn measured(&self, bytes: usize, elapsed: Duration) -> Option<Measured> {
        // Where no content came at all it is as if one byte had.
        let millis_per_kb = elapsed.as_secs_f64() * 1e3 * 1024.0 / bytes.max(1) as f64;
        let is_too_slow = (bytes as f64) < f64::from(self.slowest) * elapsed.as_secs_f64();
        (elapsed >= MEASURED_MIN).then_some(Measured { millis_per_kb, is_too_slow })
    }
}

pub fn content_bytes(events: &[Event]) -> usize {
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
            pace.keep(&ping(), now);
        }
        let until = pace.wait(now);
        assert_eq!(until.at, began + 25 * SECOND);
        assert!(until.why.contains("signs of life"));
        pace.keep(&said("word"), now);
        assert_eq!(pace.wait(now).at, now + IDLE);
    }

    #[test]
    fn what_is_usual_makes_patience_shorter_and_never_longer() {
        let began = Instant::now();
        let mut pace = Pace::new(IDLE, &TIMEOUTS, began + 3_600 * SECOND, began);
        pace.expect(Some(4 * SECOND));
        assert_eq!(pace.wait(began).at, began + 4 * SECOND);
        pace.expect(Some(40 * SECOND));
        assert_eq!(pace.wait(began).at, began + IDLE);
        pace.keep(&said("w"), began + 3 * SECOND);
        pace.wait(began + 20 * SECOND);
        pace.keep(&ping(), began + 21 * SECOND);
        assert_eq!(pace.longest_pause(), 3 * SECOND, "the caller's time is none of it");
        let mut fixed = Pace::new(IDLE, &Timeouts { adaptive: false, ..TIMEOUTS }, began + 3_600 * SECOND, began);
        fixed.expect(Some(4 * SECOND));
        assert_eq!(fixed.wait(began).at, began + IDLE);
    }

    /// Faults: F138
    #[test]
    fn empty_pieces_are_no_progress_without_end() {
        let began = Instant::now();
        let mut pace = Pace::new(IDLE, &TIMEOUTS, began + 3_600 * SECOND, began);
        let raw = bytes::Bytes::from(vec![b' '; 1 << 20]);
        let frame = crate::upstream::Frame { raw, name: None, data: None, data_at: None };
        let empty = || Batch { frames: vec![frame.clone()], ..said("") };
        for _ in 0..64 {
            pace.keep(&empty(), began);
        }
        assert!(!pace.is_empty());
        pace.keep(&Batch { frames: vec![frame.clone()], ..said("word") }, began);
        (0..65).for_each(|_| _ = pace.keep(&empty(), began));
        assert!(pace.is_empty());
    }

    #[test]
    fn a_slow_caller_is_not_held_against_the_provider() {
        let began = Instant::now();
        let timeouts = Timeouts { between_tokens: 20 * SECOND, ..TIMEOUTS };
        let mut pace = Pace::new(IDLE, &timeouts, began + 3_600 * SECOND, began);
        pace.keep(&said("word"), began);
        let later = began + 600 * SECOND;
        assert_eq!(pace.wait(later).at, later + IDLE);
        assert_eq!(pace.keep(&said("w"), later), None, "no window has ended");
    }

    #[test]
    fn the_pace_is_that_of_a_window_or_of_a_whole_stream() {
        let began = Instant::now();
        let new = || Pace::new(IDLE, &Timeouts { slowest_over: 5 * SECOND, ..TIMEOUTS }, began + 3_600 * SECOND, began);
        let mut pace = new();
        let measured: Vec<_> = (1..=20)
            .filter_map(|second| {
                pace.wait(began + (second - 1) * SECOND);
                pace.keep(&said(&"x".repeat(512)), began + second * SECOND)
            })
            .map(|measured| (measured.millis_per_kb, measured.is_too_slow))
            .collect();
        assert_eq!(measured, [(2_000.0, false); 4]);
        let mut finished = said(&"x".repeat(1_024));
        finished.events.push(Event::Finished(crate::plugin::bindings::chat::Finished {
            reason: crate::plugin::bindings::chat::Finish::Stop,
            stop_sequence: None,
        }));
        let mut pace = new();
        pace.wait(began);
        let fast = Measured { millis_per_kb: 1_000.0, is_too_slow: false };
        assert_eq!(pace.keep(&finished, began + SECOND), Some(fast));
        let timeouts = Timeouts { slowest: 2_000, ..TIMEOUTS };
        let mut pace = Pace::new(IDLE, &timeouts, began + 3_600 * SECOND, began);
        pace.wait(began);
        assert_eq!(pace.keep(&finished, began + SECOND), Some(Measured { is_too_slow: true, ..fast }));
        let mut pace = new();
        pace.wait(began);
        assert_eq!(pace.keep(&finished, began + SECOND / 10), None, "too short to tell");
    }
}
