//! How the providers treat each request: by the hour, by chance, and by nothing else. Chance follows from the provider, the
//! call, and how often the call was there before, so that all policies meet the same fates.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use pointsman::fake::{Behaviour, Director, Fault, Seen};
use tokio::time::Instant;

use super::morning::{Morning, Weather};

/// The callers' prompts begin with it; the call's number follows.
pub const MARK: &str = "call ";
/// The model of the first provider that fails in the phase of errors.
pub const FAILING_MODEL: &str = "claude-haiku-4-5";

const ERRORS: f64 = 0.4;
const SLOW_FIRST_TOKEN: f64 = 10.0;
const SLOW_GAP: f64 = 5.0;

const TRICKLE_GAP: Duration = Duration::from_millis(700);
const THOUGHT: Duration = Duration::from_secs(8);
const PING_EVERY: Duration = Duration::from_millis(400);

/// A log-normal distribution of times in milliseconds; above its 95th percentile it may have a heavier tail.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub median: f64,
    pub p95: f64,
    pub p999: Option<f64>,
}

impl Spread {
    /// The value that so many standard deviations lie above the median.
    pub fn at(self, normal: f64) -> f64 {
        // The 95th and 99.9th percentiles of a normal distribution, in deviations.
        const P95: f64 = 1.645;
        const P999: f64 = 3.090;
        match self.p999 {
            Some(p999) if normal > P95 => self.p95 * ((p999 / self.p95).ln() * (normal - P95) / (P999 - P95)).exp(),
            _ => self.median * ((self.p95 / self.median).ln() * normal / P95).exp(),
        }
    }
}

/// How fast a provider is on a good day.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    pub first_token: Spread,
    /// Between two tokens.
    pub gap: Spread,
}

/// Times of one reply, on a good day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    pub first_token: Duration,
    pub gap: Duration,
}

impl Times {
    /// Until the reply is whole.
    pub fn whole(self, words: u32) -> Duration {
        self.first_token + self.gap * words.saturating_sub(1)
    }
}

/// One fake provider's mind.
pub struct Provider {
    name: &'static str,
    speed: Speed,
    /// Only the first provider has a bad one.
    morning: Option<Morning>,
    seed: u64,
    /// The morning's beginning.
    began: OnceLock<Instant>,
    arrivals: Mutex<Vec<Arrival>>,
}

/// A request that came to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    pub call: u32,
    pub at: Duration,
}

impl Provider {
    pub fn new(name: &'static str, speed: Speed, morning: Option<Morning>, seed: u64) -> Arc<Provider> {
        Arc::new(Provider { name, speed, morning, seed, began: OnceLock::new(), arrivals: Mutex::default() })
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The morning begins then; it does so once.
    pub fn begin(&self, at: Instant) {
        let _ = self.began.set(at);
    }

    /// When each call was here for the first time.
    pub fn first_arrivals(&self) -> HashMap<u32, Duration> {
        let mut first = HashMap::new();
        for arrival in self.lock().iter() {
            first.entry(arrival.call).or_insert(arrival.at);
        }
        first
    }

    /// The times that chance has for a call's first visit.
    pub fn times(&self, call: u32) -> Times {
        self.drawn(call, 0).0
    }

    fn drawn(&self, call: u32, visit: usize) -> (Times, f64) {
        let mut dice = Rng::with_seed(self.seed.wrapping_sub(1).wrapping_mul(101).wrapping_add(self.name.len() as u64));
        for salt in self.name.bytes().map(u64::from).chain([u64::from(call), visit as u64]) {
            dice = Rng::with_seed(dice.u64(..) ^ salt);
        }
        let millis = |value: f64| Duration::from_secs_f64(value / 1e3);
        let first_token = millis(self.speed.first_token.at(normal(&mut dice)));
        let gap = millis(self.speed.gap.at(normal(&mut dice)));
        (Times { first_token, gap }, dice.f64())
    }

    fn count(&self, call: u32, at: Duration) -> usize {
        let mut arrivals = self.lock();
        let visits = arrivals.iter().filter(|arrival| arrival.call == call).count();
        arrivals.push(Arrival { call, at });
        visits
    }

    /// A panic elsewhere leaves nothing half-written behind it.
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arrival>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Director for Provider {
    fn direct(&self, seen: &Seen) -> Behaviour {
        let at = self.began.get().map_or(Duration::ZERO, Instant::elapsed);
        // Probes are nobody's call.
        let Some(asked) = Asked::read(&seen.body, &seen.model) else { return Behaviour::default() };
        let visit = self.count(asked.call, at);
        let (times, roll) = self.drawn(asked.call, visit);
        match &self.morning {
            None => calm(asked.manner, times),
            Some(morning) => treated(&asked, times, roll, morning.weather(at), until_silence(morning, at)),
        }
    }
}

fn until_silence(morning: &Morning, at: Duration) -> Option<Duration> {
    morning.next_silence(at).map(|falls| falls - at)
}

/// What a provider has to know of a request.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    call: u32,
    words: u32,
    is_stream: bool,
    is_failing_model: bool,
    manner: Manner,
}

/// How the callers of the calm test ask for their replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Usual,
    /// Content trickles.
    Slowly,
    /// Nothing but pings for a long time, as from a model that reasons; then the content.
    Thoughtfully,
}

impl Manner {
    /// The end of the prompt.
    pub fn words(self) -> &'static str {
        match self {
            Manner::Usual => "",
            Manner::Slowly => ", slowly",
            Manner::Thoughtfully => ", thoughtfully",
        }
    }
}

impl Asked {
    fn read(body: &[u8], model: &str) -> Option<Asked> {
        let body = std::str::from_utf8(body).ok()?;
        let call = number_after(body, MARK)?;
        let words = number_after(body, "write ")?;
        let is_stream = serde_json::from_str::<serde_json::Value>(body).is_ok_and(|json| json["stream"] == true);
        let manners = [Manner::Slowly, Manner::Thoughtfully];
        let manner = manners.into_iter().find(|manner| body.contains(manner.words())).unwrap_or(Manner::Usual);
        Some(Asked { call, words, is_stream, is_failing_model: model == FAILING_MODEL, manner })
    }
}

fn number_after(body: &str, mark: &str) -> Option<u32> {
    // The last one: a conversation holds earlier ones.
    let (_, rest) = body.rsplit_once(mark)?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

fn calm(manner: Manner, times: Times) -> Behaviour {
    let usual = Behaviour { first_token: times.first_token, between_tokens: times.gap, ..Behaviour::default() };
    match manner {
        Manner::Usual => usual,
        Manner::Slowly => Behaviour { between_tokens: TRICKLE_GAP, ..usual },
        Manner::Thoughtfully => Behaviour { first_token: THOUGHT, ping_every: PING_EVERY, ..usual },
    }
}

/// By the weather now, and by the silence that may fall while the reply runs.
fn treated(asked: &Asked, times: Times, roll: f64, weather: Weather, silence_in: Option<Duration>) -> Behaviour {
    let with = |fault| Behaviour { fault, ..Behaviour::default() };
    match weather {
        Weather::Silent => with(Fault::HangBeforeHeaders),
        Weather::HalfDead if asked.is_stream => with(Fault::HangBeforeContent),
        Weather::HalfDead => with(Fault::HangAfter { chunks: 0 }),
        Weather::Errors if asked.is_failing_model && roll < ERRORS => {
            with(Fault::Status { status: 529, retry_after_s: None })
        }
        Weather::Slow => cut_by(silence_in, asked, calm(asked.manner, slowed(times))),
        Weather::Calm | Weather::Errors => cut_by(silence_in, asked, calm(asked.manner, times)),
    }
}

fn slowed(times: Times) -> Times {
    Times { first_token: times.first_token.mul_f64(SLOW_FIRST_TOKEN), gap: times.gap.mul_f64(SLOW_GAP) }
}

/// The same, but silent from the moment that silence falls.
fn cut_by(silence_in: Option<Duration>, asked: &Asked, behaviour: Behaviour) -> Behaviour {
    let times = Times { first_token: behaviour.first_token, gap: behaviour.between_tokens };
    let Some(left) = silence_in.filter(|left| times.whole(asked.words) >= *left) else { return behaviour };
    let fault = match (asked.is_stream, left.checked_sub(times.first_token)) {
        (false, _) => Fault::HangBeforeHeaders,
        (true, None) => Fault::HangBeforeContent,
        (true, Some(rest)) => {
            let chunks = 1 + (rest.as_secs_f64() / times.gap.as_secs_f64().max(1e-6)) as usize;
            Fault::HangAfter { chunks }
        }
    };
    Behaviour { fault, ..behaviour }
}

/// Of a normal distribution around 0 with the deviation 1.
fn normal(dice: &mut Rng) -> f64 {
    let (one, other) = (dice.f64().max(f64::MIN_POSITIVE), dice.f64());
    (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times { first_token: Duration::from_millis(100), gap: Duration::from_millis(10) };

    fn asked(is_stream: bool) -> Asked {
        Asked { call: 7, words: 11, is_stream, is_failing_model: true, manner: Manner::Usual }
    }

    fn fault(is_stream: bool, weather: Weather, roll: f64, silence_ms: Option<u64>) -> Fault {
        treated(&asked(is_stream), TIMES, roll, weather, silence_ms.map(Duration::from_millis)).fault
    }

    #[test]
    fn spreads_hold_their_percentiles() {
        let spread = Spread { median: 150.0, p95: 450.0, p999: Some(3_000.0) };
        for (normal, expected) in [(0.0, 150.0), (1.645, 450.0), (3.09, 3_000.0)] {
            assert!((spread.at(normal) - expected).abs() < 1.0, "{normal}");
        }
        let light = Spread { p999: None, ..spread };
        assert!(light.at(3.09) < 1_300.0 && light.at(1.0) == spread.at(1.0));
    }

    #[test]
    fn chance_is_the_same_for_the_same_visit_only() {
        let spread = Spread { median: 150.0, p95: 450.0, p999: None };
        let new = |name| Provider::new(name, Speed { first_token: spread, gap: spread }, None, 1);
        let (one, other) = (new("one"), new("two"));
        assert_eq!(one.drawn(3, 1), new("one").drawn(3, 1));
        assert_ne!(one.drawn(3, 1), one.drawn(3, 2));
        assert_ne!(one.drawn(3, 1), one.drawn(4, 1));
        assert_ne!(one.drawn(3, 1), other.drawn(3, 1));
        let rolls = (0..1_000).filter(|call| one.drawn(*call, 0).1 < ERRORS).count();
        assert!((350..450).contains(&rolls), "{rolls}");
    }

    #[test]
    fn each_weather_has_its_faults() {
        assert_eq!(fault(true, Weather::Calm, 0.0, None), Fault::None);
        assert_eq!(fault(true, Weather::Silent, 0.9, None), Fault::HangBeforeHeaders);
        assert_eq!(fault(true, Weather::HalfDead, 0.9, None), Fault::HangBeforeContent);
        assert_eq!(fault(false, Weather::HalfDead, 0.9, None), Fault::HangAfter { chunks: 0 });
        assert_eq!(fault(true, Weather::Errors, 0.5, None), Fault::None);
        assert_eq!(fault(true, Weather::Errors, 0.3, None), Fault::Status { status: 529, retry_after_s: None });
        let slow = treated(&asked(true), TIMES, 0.0, Weather::Slow, None);
        assert_eq!((slow.first_token.as_millis(), slow.between_tokens.as_millis()), (1_000, 50));
    }

    #[test]
    fn silence_falls_on_what_runs() {
        // A reply of 200 ms: 100 to the first of its 11 words, and 10 to each other.
        assert_eq!(fault(true, Weather::Calm, 0.0, Some(250)), Fault::None);
        assert_eq!(fault(true, Weather::Calm, 0.0, Some(50)), Fault::HangBeforeContent);
        assert_eq!(fault(true, Weather::Calm, 0.0, Some(145)), Fault::HangAfter { chunks: 5 });
        assert_eq!(fault(false, Weather::Calm, 0.0, Some(145)), Fault::HangBeforeHeaders);
    }

    #[test]
    fn a_call_is_known_again() {
        let body = br#"{"stream":true,"messages":[{"content":"call 3: write 9 words"},{"content":"call 41: write 12 words"}]}"#;
        let expected = Asked { call: 41, words: 12, is_stream: true, is_failing_model: false, manner: Manner::Usual };
        assert_eq!(Asked::read(body, "gpt"), Some(expected));
        assert_eq!(Asked::read(b"{}", FAILING_MODEL), None);
    }
}
