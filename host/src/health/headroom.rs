//! What is left of a provider's rate limits, by the headers of its replies.

use std::time::Duration;

use hyper::header::HeaderMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;

use crate::plugin::bindings::provider::RateLimit;

/// What a provider told longer ago than this says nothing any more.
const FRESH: Duration = Duration::from_secs(60);
/// A number this large is no length of time but a date: seconds, or milliseconds, since 1970.
const DATE_SECONDS_MIN: f64 = 1e9;
const DATE_MILLIS_MIN: f64 = 1e12;

/// What one reply told.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Told {
    /// 0 to 1: the least that is left of any limit.
    pub headroom: Option<f64>,
    /// How long until the limits that are used up are whole again.
    pub used_up_for: Option<Duration>,
}

/// Read the headers; what is nonsense is passed over. `unix` is now.
pub fn read(headers: &HeaderMap, limits: &[RateLimit], unix: Duration) -> Told {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |name: &str| text(name)?.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    let mut told = Told::default();
    for limit in limits {
        let Some(remaining) = number(&limit.remaining) else { continue };
        let share = number(&limit.limit).filter(|limit| *limit > 0.0).map(|limit| (remaining / limit).min(1.0));
        // Without the limit only its end can be told.
        let share = share.or((remaining == 0.0).then_some(0.0));
        told.headroom = match (told.headroom, share) {
            (Some(known), Some(share)) => Some(known.min(share)),
            (known, share) => known.or(share),
        };
        if remaining == 0.0 {
            let reset = text(&limit.reset).and_then(|text| wait(text, unix));
            told.used_up_for = told.used_up_for.max(reset);
        }
    }
    told
}

/// A length of time from now in any of the forms that providers use: `2`, `1.5`, `20ms`, `6m0s`, a date of RFC 3339 or HTTP,
/// seconds or milliseconds since 1970. Absent for nonsense and for what is past.
pub fn wait(text: &str, unix: Duration) -> Option<Duration> {
    if let Ok(number) = text.parse::<f64>() {
        let seconds = match number {
            millis if millis >= DATE_MILLIS_MIN => millis / 1e3 - unix.as_secs_f64(),
            seconds if seconds >= DATE_SECONDS_MIN => seconds - unix.as_secs_f64(),
            seconds => seconds,
        };
        return Duration::try_from_secs_f64(seconds).ok();
    }
    if let Ok(date) = OffsetDateTime::parse(text, &Rfc3339) {
        let at = Duration::try_from_secs_f64(date.unix_timestamp_nanos() as f64 / 1e9).ok()?;
        return Some(at.saturating_sub(unix));
    }
    if let Ok(date) = httpdate::parse_http_date(text) {
        return Some(date.duration_since(std::time::UNIX_EPOCH).ok()?.saturating_sub(unix));
    }
    units(text)
}

/// Such as `1h2m3.5s` and `20ms`.
fn units(text: &str) -> Option<Duration> {
    let (mut rest, mut sum) = (text, 0.0);
    while !rest.is_empty() {
        let unit_at = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let number: f64 = rest[..unit_at].parse().ok()?;
        let unit_end =
            rest[unit_at..].find(|letter: char| letter.is_ascii_digit()).map_or(rest.len(), |at| unit_at + at);
        sum += number
            * match &rest[unit_at..unit_end] {
                "d" => 86_400.0,
                "h" => 3_600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" | "µs" => 1e-6,
                "ns" => 1e-9,
                _ => return None,
            };
        rest = &rest[unit_end..];
    }
    Duration::try_from_secs_f64(sum).ok().filter(|_| !text.is_empty())
}

/// The headroom that was told last.
#[derive(Debug, Default)]
pub struct Headroom {
    known: Option<(f64, Instant)>,
}

impl Headroom {
    pub fn note(&mut self, told: Told, now: Instant) {
        if let Some(headroom) = told.headroom {
            self.known = Some((headroom, now));
        }
    }

    pub fn now(&self, now: Instant) -> Option<f64> {
        self.known.filter(|(_, at)| now.saturating_duration_since(*at) < FRESH).map(|(headroom, _)| headroom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};

    const NOW: Duration = Duration::from_secs(1_780_394_400);

    #[test]
    fn waits_in_all_their_forms() {
        for (text, millis) in [
            ("2", Some(2_000)),
            ("0", Some(0)),
            ("1.5", Some(1_500)),
            ("20ms", Some(20)),
            ("6m0s", Some(360_000)),
            ("1h2m3.5s", Some(3_723_500)),
            ("2026-06-02T10:00:10Z", Some(10_000)),
            ("2026-06-02T12:00:10+02:00", Some(10_000)),
            ("Tue, 02 Jun 2026 10:00:30 GMT", Some(30_000)),
            ("1780394415", Some(15_000)),
            ("1780394415500", Some(15_500)),
            ("2020-06-02T10:00:10Z", Some(0)),
            ("-3", None),
            ("NaN", None),
            ("inf", None),
            ("soon", None),
            ("3 apples", None),
            ("", None),
        ] {
            assert_eq!(wait(text, NOW).map(|wait| wait.as_millis()), millis, "{text}");
        }
    }

    fn told(headers: &[(&str, &str)]) -> Told {
        let headers = headers.iter().map(|(name, value)| {
            (HeaderName::try_from(*name).expect("a name"), HeaderValue::try_from(*value).expect("a value"))
        });
        let limit = |what: &str| RateLimit {
            limit: format!("x-limit-{what}"),
            remaining: format!("x-remaining-{what}"),
            reset: format!("x-reset-{what}"),
        };
        read(&headers.collect(), &[limit("requests"), limit("tokens")], NOW)
    }

    #[test]
    fn the_least_counts() {
        let requests = [("x-limit-requests", "100"), ("x-remaining-requests", "50")];
        assert_eq!(told(&requests), Told { headroom: Some(0.5), used_up_for: None });
        let tokens = [("x-limit-tokens", "1000"), ("x-remaining-tokens", "0"), ("x-reset-tokens", "1m30s")];
        let both: Vec<_> = requests.iter().chain(&tokens).copied().collect();
        assert_eq!(told(&both), Told { headroom: Some(0.0), used_up_for: Some(Duration::from_secs(90)) });
        // Azure tells what is left, and of how much only sometimes.
        assert_eq!(told(&[("x-remaining-tokens", "7")]), Told::default());
        for nonsense in ["", "many", "-1", "NaN"] {
            assert_eq!(told(&[("x-limit-tokens", "9"), ("x-remaining-tokens", nonsense)]), Told::default());
        }
        assert_eq!(told(&[("x-limit-tokens", "0"), ("x-remaining-tokens", "5")]), Told::default());
    }
}
