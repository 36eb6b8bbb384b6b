//! What callers ask for: a file, or a few numbers, and from them the arrivals that a seed gives.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use super::chance::{Chance, Spread};
use super::speeds::Speed;
use crate::config::{ConfigError, File, Span};

/// Tokens that a piece of a streamed reply stands for, and how many pieces there are at most: a frame for each token would
/// cost time and show nothing more.
const TOKENS_PER_PIECE: f64 = 50.0;
const PIECES: std::ops::RangeInclusive<f64> = 4.0..=40.0;
/// Longer prompts are cut, because thousands of them are held at once.
const INPUT_TOKENS_MAX: f64 = 100_000.0;
const OUTPUT_TOKENS_MAX: f64 = 16_000.0;
/// More requests than this would not fit into a small machine's memory.
pub const REQUESTS_MAX: usize = 2_000_000;

/// See the module. `examples/incidents/README.md` explains its file, too.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// Requests a minute.
    pub per_minute: f64,
    /// Times that rate, at times since the beginning; between two of them it changes evenly.
    #[serde(default)]
    pub course: Vec<Point>,
    /// What is asked for.
    pub mix: Vec<Mix>,
    /// How fast models are at their providers on a good day, by patterns of their names, where that is known better than by the
    /// built-in guess.
    #[serde(default)]
    pub speeds: BTreeMap<String, Speed>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    at: Hours,
    times: f64,
}

/// Since the drill's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(from = "Span")]
struct Hours(Duration);

impl From<Span> for Hours {
    fn from(span: Span) -> Hours {
        Hours(span.0)
    }
}

/// Requests of one sort.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mix {
    /// As callers name it.
    pub model: String,
    /// What they speak.
    pub protocol: Speaks,
    /// Of all shares together.
    #[serde(default = "one")]
    pub share: f64,
    /// How many of them are streamed, and have tools: 0 to 1.
    #[serde(default = "most")]
    pub stream: f64,
    #[serde(default = "few")]
    pub tools: f64,
    #[serde(default = "input")]
    pub input_tokens: Spread,
    #[serde(default = "output")]
    pub output_tokens: Spread,
    /// The name of the caller's key in the configuration. Absent: one that may use the model.
    pub caller: Option<String>,
}

impl Mix {
    /// With sizes, streaming and tools as they are assumed to be.
    pub fn of(model: String, protocol: Speaks, share: f64) -> Mix {
        let (input_tokens, output_tokens) = (input(), output());
        Mix { model, protocol, share, stream: most(), tools: few(), input_tokens, output_tokens, caller: None }
    }
}

fn one() -> f64 {
    1.0
}

fn most() -> f64 {
    0.8
}

fn few() -> f64 {
    0.25
}

/// Assumed: a question with some context; one in twenty is a long one.
fn input() -> Spread {
    Spread::new(700.0, 4_000.0)
}

fn output() -> Spread {
    Spread::new(250.0, 1_200.0)
}

/// Protocols that callers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speaks {
    AnthropicMessages,
    OpenaiChat,
    OpenaiResponses,
    Gemini,
}

impl Speaks {
    /// What callers of a provider of this protocol would speak.
    pub fn like(protocol: &str) -> Speaks {
        match protocol {
            "anthropic-messages" => Speaks::AnthropicMessages,
            "openai-responses" => Speaks::OpenaiResponses,
            "gemini" => Speaks::Gemini,
            _ => Speaks::OpenaiChat,
        }
    }
}

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival {
    /// In the order in which they come, from 0.
    pub number: u32,
    pub at: Duration,
    /// Position in the mix.
    pub mix: usize,
    pub stream: bool,
    pub tools: bool,
    pub input_tokens: u32,
    pub output_tokens: u32,
    /// Pieces of content in its reply.
    pub pieces: u32,
}

impl Traffic {
    /// # Errors
    /// What is wrong, where, and what to do.
    pub fn parse(text: &str, path: &Path) -> Result<Traffic, ConfigError> {
        let file = File { path, text };
        let traffic: Traffic =
            toml::from_str(text).map_err(|error| file.at(error.span(), error.message().to_owned(), None))?;
        traffic.check().map_err(|text| file.at(None, text, None))?;
        Ok(traffic)
    }

    fn check(&self) -> Result<(), String> {
        let share = |share: f64| (0.0..=1.0).contains(&share);
        if !(f64::MIN_POSITIVE..=1e6).contains(&self.per_minute) {
            return Err("`per_minute` is a number above 0, a million at most".to_owned());
        }
        if !self.course.is_sorted_by_key(|point| point.at.0) || self.course.iter().any(|point| point.times < 0.0) {
            return Err("the points of `course` come one after the other, and no `times` is below 0".to_owned());
        }
        if self.mix.iter().all(|mix| mix.share == 0.0) {
            return Err("`mix` is empty: say which models are asked for".to_owned());
        }
        for (model, speed) in &self.speeds {
            if ![speed.first_token_ms, speed.tokens_per_second].iter().all(|spread| spread.is_sound()) {
                return Err(format!(
                    "of the speed of `{model}`, a median is 1 at least, and a p95 no less than its median"
                ));
            }
        }
        for mix in &self.mix {
            if !(mix.share >= 0.0 && share(mix.stream) && share(mix.tools)) {
                return Err(format!("of `{}`, `stream` and `tools` are shares from 0 to 1", mix.model));
            }
            if !mix.input_tokens.is_sound() || !mix.output_tokens.is_sound() {
                return Err(format!("of `{}`, a median is 1 at least, and a p95 no less than its median", mix.model));
            }
        }
        Ok(())
    }

    /// Requests a minute at this time.
    fn rate(&self, at: Duration) -> f64 {
        let next = self.course.iter().position(|point| point.at.0 > at);
        let times = match next {
            None => self.course.last().map_or(1.0, |point| point.times),
            Some(0) => self.course[0].times,
            Some(next) => {
                let (one, other) = (&self.course[next - 1], &self.course[next]);
                let way = (at - one.at.0).as_secs_f64() / (other.at.0 - one.at.0).as_secs_f64();
                one.times + (other.times - one.times) * way
            }
        };
        self.per_minute * times
    }

    /// A Poisson process, the same for the same seed. It ends early when there are more than [`REQUESTS_MAX`].
    pub fn arrivals(&self, lasts: Duration, seed: u64) -> Vec<Arrival> {
        let highest = self.course.iter().map(|point| point.times).fold(1.0, f64::max) * self.per_minute;
        let mut dice = Rng::with_seed(seed);
        let (mut arrivals, mut at) = (Vec::new(), Duration::ZERO);
        loop {
            at += Duration::from_secs_f64(-(1.0 - dice.f64()).ln() / highest * 60.0);
            if at >= lasts || arrivals.len() > REQUESTS_MAX {
                return arrivals;
            }
            // Thinned to the rate of this time.
            if dice.f64() * highest < self.rate(at) {
                arrivals.push(self.arrival(u32::try_from(arrivals.len()).unwrap_or(u32::MAX), at, seed));
            }
        }
    }

    fn arrival(&self, number: u32, at: Duration, seed: u64) -> Arrival {
        let chance = Chance::new(seed).of_text("arrival").of(number.into());
        let all: f64 = self.mix.iter().map(|mix| mix.share).sum();
        let mut left = chance.roll("mix") * all;
        let position = self.mix.iter().position(|mix| {
            left -= mix.share;
            left < 0.0
        });
        let position = position.unwrap_or(self.mix.len() - 1);
        let mix = &self.mix[position];
        let tokens = |spread: Spread, what, most: f64| spread.at(chance.normal(what)).clamp(1.0, most).round();
        let output_tokens = tokens(mix.output_tokens, "output", OUTPUT_TOKENS_MAX);
        Arrival {
            number,
            at,
            mix: position,
            stream: chance.roll("stream") < mix.stream,
            tools: chance.roll("tools") < mix.tools,
            input_tokens: tokens(mix.input_tokens, "input", INPUT_TOKENS_MAX) as u32,
            output_tokens: output_tokens as u32,
            pieces: (output_tokens / TOKENS_PER_PIECE).clamp(*PIECES.start(), *PIECES.end()).round() as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "per_minute = 60\ncourse = [{ at = \"10m\", times = 1 }, { at = \"20m\", times = 3 }]\n\
                        [[mix]]\nmodel = \"m\"\nprotocol = \"openai-chat\"\nshare = 3\n\
                        [[mix]]\nmodel = \"n\"\nprotocol = \"gemini\"\nstream = 0";

    fn parsed(text: &str) -> Result<Traffic, String> {
        Traffic::parse(text, Path::new("traffic.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn arrivals_keep_to_the_rate_and_the_mix() {
        let traffic = parsed(TEXT).expect("traffic");
        let arrivals = traffic.arrivals(Duration::from_secs(3_600), 1);
        assert_eq!(arrivals, traffic.arrivals(Duration::from_secs(3_600), 1));
        assert_ne!(arrivals, traffic.arrivals(Duration::from_secs(3_600), 2));
        // 10 minutes of 60, 10 of 120 in the mean, 40 of 180.
        assert!((8_700..9_300).contains(&arrivals.len()), "{}", arrivals.len());
        let first = arrivals.iter().filter(|arrival| arrival.mix == 0).count();
        assert!((arrivals.len() * 7 / 10..arrivals.len() * 8 / 10).contains(&first), "{first}");
        assert!(arrivals.iter().all(|arrival| arrival.mix == 0 || !arrival.stream));
        assert!(arrivals.is_sorted_by_key(|arrival| arrival.at));
    }

    #[test]
    fn wrong_files_are_refused() {
        for (from, to, text) in [
            ("model = \"m\"", "modle = \"m\"", "traffic.toml:4:1: unknown field `modle`"),
            ("openai-chat", "openai", "traffic.toml:5:12: unknown variant `openai`"),
            ("stream = 0", "stream = 2", "shares from 0 to 1"),
            ("per_minute = 60", "per_minute = 0", "above 0"),
            ("\"20m\"", "\"5m\"", "one after the other"),
        ] {
            let error = parsed(&TEXT.replace(from, to)).expect_err(to);
            assert!(error.contains(text), "{error}");
        }
    }
}
