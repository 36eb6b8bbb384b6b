//! When a spend limit ends: Anthropic writes it into the message, "You have reached your specified API usage limits. You will
//! regain access on 2026-12-01 at 00:00 UTC." (anthropics/claude-code#38035), and into no header.

use pointsman_sdk::codec::provider::ReplyHead;
use std::time::{Duration, UNIX_EPOCH};

use super::header;

const BEFORE_DATE: &str = "regain access on ";
const BEFORE_TIME: &str = " at ";

/// Milliseconds until the time that the message names. A plugin has no clock: the reply's own `date` says what time it is.
pub fn retry_after_ms(head: &ReplyHead, message: &str) -> Option<u64> {
    let (_, after) = message.split_once(BEFORE_DATE)?;
    let (date, after) = after.split_once(BEFORE_TIME)?;
    let (time, zone) = after.split_once(' ')?;
    if !zone.starts_with("UTC") {
        return None;
    }
    let regained = unix(date, time)?;
    let now = httpdate::parse_http_date(header(head, "date")?).ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(regained.checked_sub(now)?.as_millis()).ok()
}

/// The time since 1970 of `2026-12-01` and `00:00`.
fn unix(date: &str, time: &str) -> Option<Duration> {
    let numbers =
        |text: &str, separator: char| text.split(separator).map(|part| part.parse().ok()).collect::<Option<Vec<u64>>>();
    let (date, time) = (numbers(date, '-')?, numbers(time, ':')?);
    let ([year, month, day], [hour, minute]) = (date.as_slice(), time.as_slice()) else { return None };
    if !(1970..=9999).contains(year)
        || !(1..=12).contains(month)
        || !(1..=31).contains(day)
        || *hour > 23
        || *minute > 59
    {
        return None;
    }
    // Years begin with March here, so that a leap day is a year's last.
    let (year, month) = if *month > 2 { (*year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    // Days from 1 March of the year 0 to 1 January 1970.
    let days = days.checked_sub(719_468)?;
    Some(Duration::from_secs(((days * 24 + hour) * 60 + minute) * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (date, time, expected) in [
            ("1970-01-01", "00:00", Some(0)),
            ("2026-12-01", "00:00", Some(1_796_083_200)),
            ("2028-02-29", "23:59", Some(1_835_481_540)),
            ("2026-13-01", "00:00", None),
            ("2026-12-01", "24:00", None),
            ("1969-12-31", "23:59", None),
            ("tomorrow", "noon", None),
        ] {
            assert_eq!(unix(date, time), expected.map(Duration::from_secs), "{date} {time}");
        }
    }
}
