//! What a policy says of itself: what it does, and what its settings are. `pointsman plugin inspect` shows it to people, and a
//! search for better settings varies what may be varied. `about.wit` says what each field means.
//!
//! ```
//! use pointsman_sdk::policy::*;
//!
//! let about = About::new("The first target that is well.", [
//!     Setting::whole("attempts", 3, 1..=5, "How many targets are asked at most.").vary(2..=5),
//!     Setting::flag("patient", false, "Waits where a provider asks for it.").vary_all(),
//!     Setting::choice("order", ["given", "random"], "Who is first."),
//! ]);
//! # assert_eq!(about.settings.len(), 3);
//! ```

use std::ops::RangeInclusive;

use serde_json::Value;

use super::bindings::exports::pointsman::plugin::about as wit;

pub use wit::{Description as About, Kind, Range, Setting, Variation};

impl About {
    /// A policy in a sentence, and its settings in the order in which a person should read them.
    pub fn new(summary: &str, settings: impl IntoIterator<Item = Setting>) -> About {
        About { summary: summary.to_owned(), settings: settings.into_iter().collect() }
    }

    /// And these settings, such as `RetrySettings::about()`.
    pub fn and(mut self, settings: impl IntoIterator<Item = Setting>) -> About {
        self.settings.extend(settings);
        self
    }

    /// Of a policy that says nothing.
    pub(super) fn nothing() -> About {
        About::new("", [])
    }
}

impl Setting {
    /// A whole number. `open` must refuse what is not in the range. Without a default (`None`) nothing stands in its place
    /// where it is absent.
    pub fn whole(name: &str, default: impl Into<Option<u64>>, range: RangeInclusive<u64>, meaning: &str) -> Setting {
        let range = Range { min: *range.start() as f64, max: *range.end() as f64 };
        setting(name, default.into().map(Value::from), Kind::Whole(range), meaning)
    }

    /// Any number; else as [`Setting::whole`].
    pub fn number(name: &str, default: impl Into<Option<f64>>, range: RangeInclusive<f64>, meaning: &str) -> Setting {
        let range = Range { min: *range.start(), max: *range.end() };
        setting(name, default.into().map(Value::from), Kind::Number(range), meaning)
    }

    /// `true` or `false`.
    pub fn flag(name: &str, default: bool, meaning: &str) -> Setting {
        setting(name, Some(default.into()), Kind::Flag, meaning)
    }

    /// One of these words; the first is the default.
    pub fn choice<const N: usize>(name: &str, words: [&str; N], meaning: &str) -> Setting {
        let default = words.first().map(|word| Value::from(*word));
        setting(name, default, Kind::Choice(words.map(str::to_owned).to_vec()), meaning)
    }

    /// Something larger, such as a table; the default is JSON.
    pub fn other<'a>(name: &str, default: impl Into<Option<&'a str>>, meaning: &str) -> Setting {
        Setting { default: default.into().map(str::to_owned), ..setting(name, None, Kind::Other, meaning) }
    }

    /// A search may try any value in this range.
    pub fn vary<T: Into<Bound> + Copy>(self, range: RangeInclusive<T>) -> Setting {
        let (Bound(min), Bound(max)) = ((*range.start()).into(), (*range.end()).into());
        Setting { variation: Variation::Between(Range { min, max }), ..self }
    }

    /// A search may try all that may stand here: both flags, every word, the whole range.
    pub fn vary_all(self) -> Setting {
        let variation = match &self.kind {
            Kind::Flag => Variation::Among(vec!["false".to_owned(), "true".to_owned()]),
            Kind::Choice(words) => {
                Variation::Among(words.iter().map(|word| Value::from(word.as_str()).to_string()).collect())
            }
            Kind::Whole(range) | Kind::Number(range) => Variation::Between(*range),
            Kind::Text | Kind::Other => Variation::Fixed,
        };
        Setting { variation, ..self }
    }
}

fn setting(name: &str, default: Option<Value>, kind: Kind, meaning: &str) -> Setting {
    Setting {
        name: name.to_owned(),
        meaning: meaning.to_owned(),
        kind,
        default: default.map(|default| default.to_string()),
        variation: Variation::Fixed,
    }
}

/// The end of a range, of either kind of number.
#[doc(hidden)]
pub struct Bound(f64);

impl From<u64> for Bound {
    fn from(whole: u64) -> Self {
        Bound(whole as f64)
    }
}

impl From<f64> for Bound {
    fn from(number: f64) -> Self {
        Bound(number)
    }
}
