//! Numbers as people read them.

/// A share, with two decimals.
pub fn percent(share: f64) -> String {
    match format!("{:.2}", share * 100.0) {
        // 99.999 % is not all.
        text if text == "100.00" && share < 1.0 => "99.99%".to_owned(),
        text => format!("{text}%"),
    }
}

pub fn seconds(ms: Option<u64>) -> String {
    ms.map_or_else(|| "-".to_owned(), |ms| format!("{:.1}s", ms as f64 / 1e3))
}

/// Hours, minutes, and seconds where there are any.
pub fn clock(s: u64) -> String {
    let (hours, minutes, seconds) = (s / 3_600, s / 60 % 60, s % 60);
    if seconds == 0 { format!("{hours}:{minutes:02}") } else { format!("{hours}:{minutes:02}:{seconds:02}") }
}

/// With commas between thousands.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// US dollars, with cents where they matter.
pub fn dollars(usd: f64) -> String {
    match usd.abs() {
        usd_ if usd_ >= 1_000.0 => format!("${}", count(usd.round() as u64)),
        usd_ if usd_ >= 1.0 || usd_ == 0.0 => format!("${usd:.2}"),
        _ => {
            let text = format!("${usd:.4}");
            text.strip_suffix("00").map_or(text.clone(), str::to_owned)
        }
    }
}

/// Times something else.
pub fn times(factor: Option<f64>) -> String {
    factor.map_or_else(|| "?".to_owned(), |factor| format!("{factor:.2}x"))
}

/// Minutes, of a length of time.
pub fn minutes(s: u64) -> String {
    match s / 60 {
        1 => "1 minute".to_owned(),
        minutes => format!("{} minutes", count(minutes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_as_they_are() {
        assert_eq!([percent(1.0), percent(0.99999), percent(0.41)], ["100.00%", "99.99%", "41.00%"]);
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0.0, 0.05, 0.0123, 12.3, 12_345.6].map(dollars),
            ["$0.00", "$0.05", "$0.0123", "$12.30", "$12,346"]
        );
        assert_eq!([0, 90, 3_600, 86_400].map(clock), ["0:00", "0:01:30", "1:00", "24:00"]);
        assert_eq!([60, 119, 7_200].map(minutes), ["1 minute", "1 minute", "120 minutes"]);
    }
}
