//! How long a target's replies usually take, by their form, and from it: when an attempt is late, and when it is slow.

use std::time::Duration;

use tokio::time::Instant;

use super::baseline::{Baseline, SLOW_TIMES};

/// Bytes of a request's body below which it belongs to a size class; what is larger is in a class of its own. Prompts ten times as
/// long take longer to their first token.
const SIZES: [usize; 3] = [8 << 10, 64 << 10, 512 << 10];

/// An attempt is late after so many times the 99th percentile of what is usual; while that is only the longest of few, more.
const LATE_TIMES: f64 = 2.75;
const LATE_TIMES_GUESSED: f64 = 4.0;
/// No attempt is late sooner: a second is what a lost packet or a provider's hiccup costs.
const LATE_MIN: Duration = Duration::from_secs(1);
/// No attempt is slow sooner: who answers in milliseconds may take longer without anybody noticing.
const SLOW_MIN: Duration = Duration::from_millis(500);
/// No stream is late sooner that is silent in its middle: providers pause for seconds now and then, and it costs a change of targets.
const PAUSE_LATE_MIN: Duration = Duration::from_secs(10);
/// Where nothing is known yet: few models take longer to the first token of a stream, and to the end of a whole reply.
const LATE_UNKNOWN_STREAM: Duration = Duration::from_secs(10);
const LATE_UNKNOWN_WHOLE: Duration = Duration::from_secs(30);

/// What requests must have in common to be compared: how they are answered, and roughly how long they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    pub streamed: bool,
    size: usize,
}

impl Form {
    /// How many forms there are.
    pub const COUNT: usize = 2 * (SIZES.len() + 1);

    pub fn new(streamed: bool, body_bytes: usize) -> Form {
        Form { streamed, size: SIZES.iter().position(|size| body_bytes < *size).unwrap_or(SIZES.len()) }
    }

    /// This form with another way of replying: streamed, or whole.
    pub fn with_stream(self, streamed: bool) -> Form {
        Form { streamed, ..self }
    }

    /// Its number, from 0 to `COUNT` - 1.
    pub fn index(self) -> usize {
        usize::from(self.streamed) * (SIZES.len() + 1) + self.size
    }

    /// All of them, in the order of their numbers.
    fn all() -> [Form; Form::COUNT] {
        let classes = SIZES.len() + 1;
        std::array::from_fn(|index| Form { streamed: index >= classes, size: index % classes })
    }

    fn late_unknown(self) -> Duration {
        if self.streamed { LATE_UNKNOWN_STREAM } else { LATE_UNKNOWN_WHOLE }
    }
}

/// What is usual for one target. A form takes memory only after its first reply.
#[derive(Debug, Default)]
pub struct Usual {
    /// Milliseconds to the first content of a stream, or to the end of a whole reply.
    first_content: [Option<Box<Baseline>>; Form::COUNT],
    /// Milliseconds for a kilobyte of a stream's content, after its first.
    pace: Option<Box<Baseline>>,
    /// Milliseconds that a stream was silent between two pieces, the longest of each.
    pause: Option<Box<Baseline>>,
}

impl Usual {
    pub fn add_first_content(&mut self, form: Form, elapsed: Duration, now: Instant) {
        let baseline = self.first_content[form.index()].get_or_insert_default();
        baseline.add(elapsed.as_secs_f64() * 1e3, now);
    }

    pub fn add_pace(&mut self, millis_per_kb: f64, now: Instant) {
        self.pace.get_or_insert_default().add(millis_per_kb, now);
    }

    pub fn add_pause(&mut self, longest: Duration, now: Instant) {
        self.pause.get_or_insert_default().add(longest.as_secs_f64() * 1e3, now);
    }

    /// After how long without a byte a stream that has begun is late. `None` if too little is known of what is rare.
    pub fn pause_late_after(&self) -> Option<Duration> {
        let baseline = self.pause.as_deref().filter(|baseline| baseline.is_tail_known())?;
        Some(Duration::from_secs_f64(baseline.quantile(0.99)? * LATE_TIMES / 1e3).max(PAUSE_LATE_MIN))
    }

    fn of(&self, form: Form) -> Option<&Baseline> {
        self.first_content[form.index()].as_deref()
    }

    /// Milliseconds to the first content that this share of the replies of this form do not exceed. `None` if too little is
    /// known.
    pub fn first_content_ms(&self, form: Form, share: f64) -> Option<f64> {
        self.of(form)?.quantile(share)
    }

    /// Milliseconds for a kilobyte of content, the median.
    pub fn pace_ms_per_kb(&self) -> Option<f64> {
        self.pace.as_deref()?.quantile(0.5)
    }

    /// When the policy is asked whether another target shall be tried besides.
    pub fn late_after(&self, form: Form) -> Duration {
        let known = |form: Form| {
            let baseline = self.of(form)?;
            let times = if baseline.is_tail_known() { LATE_TIMES } else { LATE_TIMES_GUESSED };
            Some(Duration::from_secs_f64(baseline.quantile(0.99)? * times / 1e3))
        };
        match known(form) {
            Some(late) => late.max(LATE_MIN),
            None => {
                // The first content of a stream comes no later than the end of a whole reply would.
                let whole = form.streamed.then(|| known(form.with_stream(false))).flatten();
                // Longer requests take no less time than shorter ones.
                let shorter = || (0..form.size).rev().find_map(|size| known(Form { size, ..form }));
                let guessed = || shorter().unwrap_or_default().max(form.late_unknown());
                whole.map_or_else(guessed, |whole| whole.clamp(LATE_MIN, form.late_unknown()))
            }
        }
    }

    /// [`Usual::late_after`] of each form, by its number.
    pub fn late_after_each(&self) -> [Duration; Form::COUNT] {
        Form::all().map(|form| self.late_after(form))
    }

    /// Have there been enough replies of this form to say anything about it?
    pub fn is_known(&self, form: Form) -> bool {
        self.first_content_ms(form, 0.5).is_some()
    }

    /// When an attempt counts as slow: far beyond the usual, or late.
    pub fn slow_after(&self, form: Form) -> Duration {
        let median = self.first_content_ms(form, 0.5);
        let far_beyond = median.map(|median| Duration::from_secs_f64(median * SLOW_TIMES / 1e3).max(SLOW_MIN));
        far_beyond.unwrap_or_else(|| self.late_after(form))
    }

    /// One reply in twenty takes longer than this; where too little is known, none.
    pub fn few_wait(&self, form: Form) -> Duration {
        let few = self.first_content_ms(form, 0.95).map(|millis| Duration::from_secs_f64(millis / 1e3));
        few.map_or(self.late_after(form), |few| few.max(SLOW_MIN).min(self.slow_after(form)))
    }

    pub fn is_slow_pace(&self, millis_per_kb: f64) -> bool {
        self.pace_ms_per_kb().is_some_and(|median| millis_per_kb > median * SLOW_TIMES)
    }

    /// The chance that a good reply has shown nothing after `elapsed`.
    pub fn still_waiting(&self, form: Form, elapsed: Duration) -> f64 {
        let baseline = self.of(form).filter(|baseline| baseline.quantile(0.5).is_some());
        match baseline {
            Some(baseline) => baseline.share_above(elapsed.as_secs_f64() * 1e3),
            None => {
                let over = elapsed.saturating_sub(form.late_unknown());
                (-over.div_duration_f64(form.late_unknown())).exp()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_default_until_something_is_known() {
        let (mut usual, now) = (Usual::default(), Instant::now());
        let (small, large) = (Form::new(true, 100), Form::new(true, 100 << 10));
        assert_eq!(usual.late_after(small), LATE_UNKNOWN_STREAM);
        assert_eq!(usual.late_after(Form::new(false, 100)), LATE_UNKNOWN_WHOLE);
        assert!((usual.still_waiting(small, LATE_UNKNOWN_STREAM) - 1.0).abs() < 1e-9);
        for _ in 0..100 {
            usual.add_first_content(small, Duration::from_secs(8), now);
        }
        assert!(usual.late_after(small) > Duration::from_secs(15));
        assert!(usual.late_after(large) >= usual.late_after(small), "a longer one is not expected sooner");
        assert!(usual.slow_after(small) > Duration::from_secs(23));
        let mut whole = Usual::default();
        for _ in 0..100 {
            whole.add_first_content(small.with_stream(false), Duration::from_secs(2), now);
        }
        let late = whole.late_after(small);
        assert!((4..7).contains(&late.as_secs()), "a stream begins no later than a whole reply ends: {late:?}");
        assert!(usual.still_waiting(small, Duration::from_secs(20)) < 0.02);
    }

    #[test]
    fn pauses_are_late_by_what_is_usual_and_never_soon() {
        let (mut usual, now) = (Usual::default(), Instant::now());
        (0..60).for_each(|_| usual.add_pause(Duration::from_millis(200), now));
        assert_eq!(usual.pause_late_after(), None, "too few to tell what is rare");
        (0..60).for_each(|_| usual.add_pause(Duration::from_millis(200), now));
        assert_eq!(usual.pause_late_after(), Some(PAUSE_LATE_MIN));
        let mut thinks = Usual::default();
        (0..400).for_each(|number| thinks.add_pause(Duration::from_secs(if number % 20 == 0 { 15 } else { 1 }), now));
        let late = thinks.pause_late_after().expect("known");
        assert!((30..45).contains(&late.as_secs()), "one that thinks in between is given time: {late:?}");
    }

    #[test]
    fn nobody_is_late_or_slow_within_a_blink() {
        let (mut usual, now, form) = (Usual::default(), Instant::now(), Form::new(true, 100));
        for _ in 0..100 {
            usual.add_first_content(form, Duration::from_millis(3), now);
        }
        assert_eq!((usual.late_after(form), usual.slow_after(form)), (LATE_MIN, SLOW_MIN));
        assert!(usual.is_known(form) && !usual.is_known(form.with_stream(false)));
        assert_eq!(usual.late_after_each()[form.index()], LATE_MIN);
        assert!((0..Form::COUNT).eq(Form::all().map(Form::index)));
    }
}
