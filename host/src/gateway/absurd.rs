//! Figures of providers that cannot be meant: they are neither counted nor passed on.

use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};

use crate::plugin::bindings::chat::{Event, Usage};

/// Tokens of one request: a thousand times what any model reads.
const TOKENS_MAX: u64 = 1 << 30;
/// What a provider may ask callers to wait: limits for a month exist.
const WAIT_MAX: Duration = Duration::from_secs(32 * 24 * 3600);
/// What is believed of a longer wait.
const WAIT_INSTEAD: Duration = Duration::from_secs(300);
/// Headers of replies that ask for a wait, and what their numbers count.
const WAITS: [(&str, Duration); 2] =
    [("retry-after", Duration::from_secs(1)), ("retry-after-ms", Duration::from_millis(1))];

/// Take usages out that cannot be meant. Nobody told then, and a guess stands in their place. True if there were any.
pub fn without_usages(events: &mut Vec<Event>) -> bool {
    let before = events.len();
    events.retain(|event| !matches!(event, Event::Usage(usage) if is_absurd(usage)));
    events.len() < before
}

fn is_absurd(usage: &Usage) -> bool {
    let Usage { input, output, cache_read, cache_write, reasoning } = *usage;
    [input, output, cache_read, cache_write, reasoning].into_iter().any(|tokens| tokens > TOKENS_MAX)
}

/// A wait as it is believed, in milliseconds.
pub fn wait_ms(asked_ms: u64) -> u64 {
    let millis = |wait: Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    if asked_ms > millis(WAIT_MAX) { millis(WAIT_INSTEAD) } else { asked_ms }
}

/// What a header is replaced with, if it asks for a wait that cannot be meant. A date is left as it is.
pub fn header(name: &HeaderName, value: &HeaderValue) -> Option<HeaderValue> {
    let (_, unit) = WAITS.into_iter().find(|(wait, _)| name == wait)?;
    let asked: f64 = value.to_str().ok()?.trim().parse().ok()?;
    let is_meant = (0.0..=WAIT_MAX.as_secs_f64()).contains(&(asked * unit.as_secs_f64()));
    (!is_meant).then(|| HeaderValue::from((WAIT_INSTEAD.as_secs_f64() / unit.as_secs_f64()) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Faults: F139
    #[test]
    fn figures_that_cannot_be_meant_go_no_further() {
        let usage = |output| Event::Usage(Usage { input: 7, output, cache_read: 0, cache_write: 0, reasoning: 0 });
        let mut events = vec![usage(20_000_000), usage(u64::MAX), usage(u64::MAX - 3), Event::Ping];
        assert!(without_usages(&mut events) && !without_usages(&mut events));
        assert_eq!(events, [usage(20_000_000), Event::Ping]);
        assert_eq!([wait_ms(0), wait_ms(7_200_000), wait_ms(u64::MAX)], [0, 7_200_000, 300_000]);
        let told = |name: &'static str, value: &'static str| {
            let told = header(&HeaderName::from_static(name), &HeaderValue::from_static(value));
            told.map(|value| value.to_str().expect("text").to_owned())
        };
        for kept in ["30", "0.5", "86400", "2764800", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(told("retry-after", kept), None, "{kept}");
        }
        for absurd in ["99999999999999999999", "1e300", "NaN", "-3", "2764801"] {
            assert_eq!(told("retry-after", absurd).as_deref(), Some("300"), "{absurd}");
        }
        assert_eq!(told("retry-after-ms", "99999999999999999999").as_deref(), Some("300000"));
        assert_eq!(told("x-ratelimit", "99999999999999999999"), None);
    }
}
