//! What would have been without Pointsman: each request goes straight to the first target, once; or with what the official
//! SDKs of Anthropic and OpenAI do by themselves, which is the fair comparison.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::chance::Chance;
use super::millis;
use super::outcome::Outcome;
use super::play::Played;
use super::provider::{Ask, Fate, Provider};
use super::scene::Scene;
use super::traffic::Arrival;
use crate::fake::{Behaviour, Fault, Protocol};

/// How often a caller asks again by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retries {
    None,
    /// As the official SDKs do by default.
    Sdk,
}

/// `max_retries` of both SDKs.
const RETRIES_MAX: u32 = 2;
/// They wait half a second, then twice as long each time, and take up to a quarter off by chance.
const BACKOFF: Duration = Duration::from_millis(500);
const BACKOFF_MAX: Duration = Duration::from_secs(8);
const JITTER: f64 = 0.25;
/// A longer `retry-after` is not heeded.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// Their timeouts: for a connection, and for silence on it.
const CONNECT: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_secs(600);

/// Plays the scene's arrivals without Pointsman, with the same seed. A retry meets the provider as it is at its own, later time.
pub fn play(scene: &Arc<Scene>, played: &Played, retries: Retries) -> Vec<Outcome> {
    // Nothing waits here, so no clock runs.
    let began = Instant::now();
    let providers: Vec<_> = played.places.iter().map(|place| Provider::new(place.clone(), scene, began)).collect();
    // Providers count what comes to them, so all attempts have to come in the order of their times.
    let first = |(index, arrival): (usize, &Arrival)| Reverse(Attempt { at: arrival.at, index, retries: 0 });
    let mut attempts: BinaryHeap<_> = scene.arrivals.iter().enumerate().map(first).collect();
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(scene.arrivals.len());
    while let Some(Reverse(attempt)) = attempts.pop() {
        let arrival = &scene.arrivals[attempt.index];
        let target = played.firsts[arrival.mix].clone();
        let (name, model) = target.split_once('/').unwrap_or((target.as_str(), ""));
        let Some(provider) = providers.iter().find(|provider| provider.place.name == name) else {
            let (number, why) = (arrival.number, "no target".to_owned());
            outcomes.push(Outcome { number, target, why, ..Outcome::default() });
            continue;
        };
        let key = if provider.place.keys == 0 { 0 } else { 1 + arrival.number as usize % provider.place.keys };
        let fate = provider.fate(&Ask { number: arrival.number, model, key, at: attempt.at });
        let end = End::of(&fate, arrival, provider.place.protocol);
        if let (Retries::Sdk, End::Retryable { after, retry_after, .. }) = (retries, &end)
            && attempt.retries < RETRIES_MAX
        {
            let roll = Chance::new(scene.seed).of_text("sdk").of(arrival.number.into()).of(attempt.retries.into());
            let at = attempt.at + *after + wait(attempt.retries, *retry_after, roll.roll("jitter"));
            attempts.push(Reverse(Attempt { at, retries: attempt.retries + 1, ..attempt }));
            continue;
        }
        outcomes.push(outcome(end, arrival, &attempt, target));
    }
    outcomes.sort_by_key(|outcome| outcome.number);
    outcomes
}

/// Ordered by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Attempt {
    at: Duration,
    /// Of the arrival.
    index: usize,
    /// How many came before it.
    retries: u32,
}

/// How an attempt ends, as an SDK sees it.
#[derive(Clone, Debug, PartialEq)]
enum End {
    Answered {
        /// Until the first token was shown.
        first_token: Duration,
    },
    /// SDKs ask again.
    Retryable {
        after: Duration,
        retry_after: Option<Duration>,
        why: String,
    },
    Lost {
        why: String,
    },
}

impl End {
    fn of(fate: &Fate, arrival: &Arrival, protocol: Protocol) -> End {
        let Behaviour { fault, first_token, between_tokens, .. } = &fate.behaviour;
        // A reply that is not streamed shows its first token at its end.
        let whole = if arrival.stream { Duration::ZERO } else { *between_tokens * (arrival.pieces - 1) };
        let (first_token, why) = (*first_token + whole, fate.wrong.clone().unwrap_or_default());
        let again = |after, retry_after| End::Retryable { after, retry_after, why: why.clone() };
        match fault {
            Fault::None if !arrival.stream && first_token > SILENCE => again(SILENCE, None),
            Fault::None if fate.wrong.is_none() => End::Answered { first_token },
            Fault::Status { status, retry_after_s } if is_retried(*status) => {
                again(first_token, retry_after_s.map(Duration::from_secs))
            }
            Fault::StatusBody { status, .. } if is_retried(*status) => again(first_token, None),
            // A connection that is refused, or that nobody answers, is noticed before the request is sent.
            Fault::ResetBeforeHeaders => again(Duration::ZERO, None),
            Fault::HangBeforeHeaders if why == "vanished" => again(CONNECT, None),
            Fault::HangBeforeHeaders => again(SILENCE, None),
            // Whatever ends a stream that has begun is the application's to deal with.
            _ if arrival.stream => End::Lost { why },
            Fault::HangBeforeContent | Fault::HangAfter { .. } => again(first_token + SILENCE, None),
            Fault::CutAfter { .. } => again(first_token, None),
            Fault::ErrorBeforeContent | Fault::ErrorAfter { .. } if is_retried(protocol.overloaded()) => {
                again(first_token, None)
            }
            _ => End::Lost { why },
        }
    }
}

/// Both SDKs ask again for these.
fn is_retried(status: u16) -> bool {
    matches!(status, 408 | 409 | 429) || status >= 500
}

/// Before the next attempt, after so many retries; `roll` is from 0 to 1.
fn wait(retries: u32, retry_after: Option<Duration>, roll: f64) -> Duration {
    let heeded = retry_after.filter(|after| !after.is_zero() && *after <= RETRY_AFTER_MAX);
    let backoff = BACKOFF.saturating_mul(2_u32.saturating_pow(retries)).min(BACKOFF_MAX);
    heeded.unwrap_or_else(|| backoff.mul_f64(1.0 - JITTER * roll))
}

fn outcome(end: End, arrival: &Arrival, attempt: &Attempt, target: String) -> Outcome {
    let (number, attempts) = (arrival.number, attempt.retries + 1);
    let outcome = Outcome { number, target, attempts, ..Outcome::default() };
    match end {
        End::Answered { first_token } => {
            let waited = attempt.at.saturating_sub(arrival.at);
            Outcome { is_answered: true, first_token_ms: Some(millis(waited + first_token)), ..outcome }
        }
        End::Retryable { why, .. } | End::Lost { why } => Outcome { why, ..outcome },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(word: &str, stream: bool) -> End {
        let behaviour: Behaviour = word.parse().expect("a behaviour");
        let behaviour =
            Behaviour { first_token: Duration::from_secs(1), between_tokens: Duration::from_secs(2), ..behaviour };
        let wrong = (behaviour.fault != Fault::None).then(|| word.to_owned());
        let (input_tokens, output_tokens, pieces) = (10, 10, 4);
        let (number, at, mix, tools) = (0, Duration::ZERO, 0, false);
        let arrival = Arrival { number, at, mix, stream, tools, input_tokens, output_tokens, pieces };
        End::of(&Fate { behaviour, wrong }, &arrival, Protocol::AnthropicMessages)
    }

    #[test]
    fn sdks_ask_again_for_what_they_say() {
        let is_retried = |word, stream| matches!(end(word, stream), End::Retryable { .. });
        for word in ["429:7", "529", "500", "408", "reset", "hang"] {
            assert!(is_retried(word, true) && is_retried(word, false), "{word}");
        }
        for word in ["400", "401", "404", "garbage", "html", "end-after:3"] {
            assert!(!is_retried(word, true) && !is_retried(word, false), "{word}");
        }
        // A stream that has begun is the application's; a reply in one piece is read within the SDK.
        for word in ["hang-before-content", "hang-after:3", "cut-after:3", "error-after:3"] {
            assert!(!is_retried(word, true) && is_retried(word, false), "{word}");
        }
        assert_eq!(end("ok", true), End::Answered { first_token: Duration::from_secs(1) });
        assert_eq!(end("ok", false), End::Answered { first_token: Duration::from_secs(7) });
        let End::Retryable { retry_after, after, .. } = end("429:7", true) else { panic!("it is retried") };
        assert_eq!((retry_after, after), (Some(Duration::from_secs(7)), Duration::from_secs(1)));
    }

    #[test]
    fn sdks_wait_as_they_do() {
        let wait_ms = |retries, retry_after: Option<u64>, roll| {
            wait(retries, retry_after.map(Duration::from_secs), roll).as_millis()
        };
        assert_eq!([0, 1, 2, 9].map(|retries| wait_ms(retries, None, 0.0)), [500, 1_000, 2_000, 8_000]);
        assert_eq!(wait_ms(0, None, 1.0), 375);
        assert_eq!(
            (wait_ms(0, Some(60), 1.0), wait_ms(0, Some(61), 0.0), wait_ms(0, Some(0), 0.0)),
            (60_000, 500, 500)
        );
    }
}
