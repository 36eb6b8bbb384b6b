//! What a team expects of its failover, such as `success >= 99.9%`: so a drill can be a test.

use std::str::FromStr;

use super::report::Run;

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// As it was written.
    pub text: String,
    what: What,
    at_least: bool,
    bound: f64,
}

/// How an expectation was met.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    pub is_met: bool,
    /// With its unit.
    pub measured: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Success,
    Lost,
    Attempts,
    Cost,
    /// Milliseconds.
    P50,
    P95,
    P99,
}

const NAMES: &[(&str, What)] = &[
    ("success", What::Success),
    ("lost", What::Lost),
    ("attempts", What::Attempts),
    ("cost", What::Cost),
    ("p50-first-token", What::P50),
    ("p95-first-token", What::P95),
    ("p99-first-token", What::P99),
];

impl FromStr for Expectation {
    type Err = String;

    fn from_str(text: &str) -> Result<Expectation, String> {
        let names = || NAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let form = || {
            format!(
                "`{text}` is no expectation: it is like `success >= 99.9%`, `p95-first-token <= 4s` or `cost <= 1.3x`"
            )
        };
        let sides = text.split_once(">=").map(|sides| (sides, true));
        let ((name, bound), at_least) = sides.or_else(|| Some((text.split_once("<=")?, false))).ok_or_else(form)?;
        let (name, bound) = (name.trim(), bound.trim());
        let what = NAMES.iter().find(|(known, _)| *known == name);
        let what = what.ok_or_else(|| format!("nobody measures `{name}`: there are {}", names()))?.1;
        let number = |text: &str, times: f64| text.trim().parse::<f64>().ok().map(|number| number * times);
        let with = |unit: &str, times: f64| bound.strip_suffix(unit).and_then(|text| number(text, times));
        let bound = match what {
            What::Success => with("%", 0.01),
            What::Lost | What::Attempts => number(bound, 1.0),
            What::Cost => with("x", 1.0),
            What::P50 | What::P95 | What::P99 => with("ms", 1.0).or_else(|| with("s", 1e3)),
        };
        let bound = bound.filter(|bound| bound.is_finite()).ok_or_else(form)?;
        Ok(Expectation { text: text.trim().to_owned(), what, at_least, bound })
    }
}

impl Expectation {
    /// What nobody could measure is not met.
    pub fn judge(&self, run: &Run) -> Measured {
        let summary = &run.summary;
        let ms = |value: Option<u64>| value.map(|ms| ms as f64);
        let (value, measured) = match self.what {
            What::Success => (Some(summary.success), format!("{:.3}%", summary.success * 100.0)),
            What::Lost => (Some(summary.lost as f64), summary.lost.to_string()),
            What::Attempts => (Some(summary.attempts), format!("{:.3}", summary.attempts)),
            What::Cost => (summary.cost, summary.cost.map_or_else(String::new, |cost| format!("{cost:.3}x"))),
            What::P50 => (ms(summary.first_token_ms.p50), told(summary.first_token_ms.p50)),
            What::P95 => (ms(summary.first_token_ms.p95), told(summary.first_token_ms.p95)),
            What::P99 => (ms(summary.first_token_ms.p99), told(summary.first_token_ms.p99)),
        };
        let is_met = value.is_some_and(|value| if self.at_least { value >= self.bound } else { value <= self.bound });
        let nothing = "nothing to measure".to_owned();
        Measured { is_met, measured: Some(measured).filter(|text| !text.is_empty()).unwrap_or(nothing) }
    }
}

fn told(ms: Option<u64>) -> String {
    ms.map_or_else(String::new, |ms| format!("{ms}ms"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations_are_a_name_a_bound_and_a_unit() {
        let bound = |text: &str| text.parse::<Expectation>().map(|expected| (expected.at_least, expected.bound));
        assert_eq!(bound("success >= 99.5%"), Ok((true, 0.995)));
        assert_eq!(bound("p95-first-token<=4s"), Ok((false, 4_000.0)));
        assert_eq!(bound("p99-first-token <= 900ms"), Ok((false, 900.0)));
        assert_eq!(bound("cost <= 1.3x"), Ok((false, 1.3)));
        assert_eq!(bound("lost <= 0"), Ok((false, 0.0)));
        for (wrong, text) in [
            ("success > 99%", "is no expectation"),
            ("success >= 99", "is no expectation"),
            ("sucess >= 99%", "there are success"),
            ("p95-first-token <= fast", "is no expectation"),
        ] {
            assert!(bound(wrong).is_err_and(|error| error.contains(text)), "{wrong}");
        }
    }
}
