//! Routing policies. A policy is a type with settings, the route's targets, and one pure function:
//!
//! ```
//! use pointsman_sdk::policy::*;
//!
//! struct InTurn;
//!
//! impl Policy for InTurn {
//!     type Settings = NoSettings;
//!     fn open(_: NoSettings, _: Vec<Target>) -> Result<Self, String> {
//!         Ok(InTurn)
//!     }
//!     fn decide(&self, situation: &Situation) -> Decision {
//!         let untried = situation.targets.len() > situation.history.len();
//!         if untried { attempt(situation.history.len(), "next in turn") } else { give_up("all were tried") }
//!     }
//! }
//!
//! pointsman_sdk::policy!(InTurn);
//! ```
//!
//! The built-in policies share what stands in the modules: each makes an order of the targets, and [`retry`] decides which
//! of them is asked, when, and when it is over.

pub mod about;
pub mod faults;
pub mod hash;
pub mod retry;
mod situation;
pub mod testing;

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde::Deserialize;
use serde::de::DeserializeOwned;

#[doc(hidden)]
#[allow(unsafe_code, reason = "generated: the canonical ABI passes pointers")]
#[allow(clippy::all, clippy::pedantic, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "described-policy",
        pub_export_macro: true,
        default_bindings_module: "pointsman_sdk::policy::bindings",
        additional_derives: [PartialEq],
    });
}

pub use about::{About, Setting};
pub use bindings::exports::pointsman::plugin::policy::{
    Action, Attempt, AttemptReport, Attribute, Circuit, Decision, Price, RequestFacts, RunningAttempt, Situation,
    Target, TargetState,
};
pub use bindings::pointsman::plugin::faults::FaultKind;
pub use faults::callers_own;
pub use retry::{Retry, RetrySettings};

/// A routing policy. It is opened once for each route, and decides for every request of it.
pub trait Policy: Sized + 'static {
    /// The route's `settings` table. Derive `Deserialize` with `deny_unknown_fields`, so that a misspelt setting is
    /// refused when it is loaded.
    type Settings: DeserializeOwned;

    /// # Errors
    /// A sentence for the operator: which setting is wrong, and what it may be. The old version stays in place.
    fn open(settings: Self::Settings, targets: Vec<Target>) -> Result<Self, String>;

    /// Called when a request arrives, after each attempt that failed before the caller saw content, and when the time for a
    /// hedge has come. Must depend on nothing but `self` and `situation`.
    fn decide(&self, situation: &Situation) -> Decision;

    /// What it says of itself and its settings, for people and for a search: see [`about`]. It need not say anything.
    fn about() -> About {
        About::nothing()
    }
}

/// For a policy that has no settings: refuses any.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

/// Try the target at this position of the route, now, with the configured timeouts.
pub fn attempt(target: usize, reason: impl Into<String>) -> Decision {
    let attempt = Attempt {
        target: u32::try_from(target).unwrap_or(u32::MAX),
        after_ms: 0,
        first_token_timeout_ms: None,
        idle_timeout_ms: None,
        hedge_after_ms: None,
    };
    Decision { action: Action::Attempt(attempt), reason: reason.into() }
}

/// Make no further attempt: the caller gets an error that tells of the attempts in the history.
pub fn give_up(reason: impl Into<String>) -> Decision {
    Decision { action: Action::GiveUp, reason: reason.into() }
}

/// Go on with what runs. Only for a situation in which something does.
pub fn wait(reason: impl Into<String>) -> Decision {
    Decision { action: Action::Wait, reason: reason.into() }
}

impl Decision {
    /// The attempt with changes, such as a wait before it; any other decision as it is.
    pub fn with(mut self, change: impl FnOnce(&mut Attempt)) -> Decision {
        if let Action::Attempt(attempt) = &mut self.action {
            change(attempt);
        }
        self
    }
}

/// Refuses a setting that is out of range, in words for the operator.
///
/// # Errors
/// Such as "`attempts` is 9, but must be 1 to 5".
pub fn within<T: PartialOrd + Display>(name: &str, value: T, range: RangeInclusive<T>) -> Result<(), String> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(format!("`{name}` is {value}, but must be {} to {}", range.start(), range.end()))
}

/// The settings as the host hands them over, read into the policy's own type.
#[doc(hidden)]
pub fn read_settings<S: DeserializeOwned>(settings: &str) -> Result<S, String> {
    serde_json::from_str(settings).map_err(|error| {
        // The text is one line that the operator never saw: its position would only confuse.
        let text = error.to_string();
        let text = text.split(" at line ").next().unwrap_or(&text);
        match at_fault::<S>(settings) {
            Some(name) if !text.contains(&format!("`{name}`")) => format!("`{name}`: {text}"),
            _ => text.to_owned(),
        }
    })
}

/// The setting that cannot be read even alone: the error for a value of the wrong type does not name it.
fn at_fault<S: DeserializeOwned>(settings: &str) -> Option<String> {
    let all: serde_json::Map<String, serde_json::Value> = serde_json::from_str(settings).ok()?;
    let is_at_fault = |name: &String, value: &serde_json::Value| {
        let alone = serde_json::Map::from_iter([(name.clone(), value.clone())]);
        let error = serde_json::from_value::<S>(alone.into()).err();
        error.is_some_and(|error| !error.to_string().starts_with("missing field"))
    };
    all.into_iter().find(|(name, value)| is_at_fault(name, value)).map(|(name, _)| name)
}

/// Exports a type that implements [`Policy`](crate::policy::Policy) as a component of the `routing-policy` world.
#[macro_export]
macro_rules! policy {
    ($policy:ty) => {
        #[allow(unsafe_code, dead_code, reason = "generated: the canonical ABI passes pointers")]
        const _: () = {
            use $crate::policy::bindings::exports::pointsman::plugin::{about, policy as wit};

            struct Component;
            struct Router($policy);

            impl wit::Guest for Component {
                type Router = Router;
            }
            impl about::Guest for Component {
                fn describe() -> about::Description {
                    <$policy as $crate::policy::Policy>::about()
                }
            }
            impl wit::GuestRouter for Router {
                fn open(settings: String, targets: Vec<wit::Target>) -> Result<wit::Router, String> {
                    let settings = $crate::policy::read_settings(&settings)?;
                    let policy = <$policy as $crate::policy::Policy>::open(settings, targets)?;
                    Ok(wit::Router::new(Router(policy)))
                }
                fn decide(&self, situation: wit::Situation) -> wit::Decision {
                    $crate::policy::Policy::decide(&self.0, &situation)
                }
            }
            // Natively (unit tests) there is nobody to export to, and linkers refuse such symbol names.
            #[cfg(target_arch = "wasm32")]
    $crate::policy::bindings::export!(Component with_types_in $crate::policy::bindings);
        };
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Settings {
        hours: u32,
        #[serde(flatten)]
        retry: RetrySettings,
    }

    #[test]
    fn settings_that_cannot_be_read_are_named() {
        let error = |settings: &str| read_settings::<Settings>(settings).expect_err(settings);
        assert_eq!(error(r#"{"attempts": "three"}"#), "`attempts`: invalid type: string \"three\", expected u32");
        assert_eq!(error(r#"{"hours": -1}"#), "`hours`: invalid value: integer `-1`, expected u32");
        assert_eq!(error(r#"{"hours": 1, "atempts": 3}"#), "unknown field `atempts`");
        assert!(
            error(r#"{"on": {"overloaded": "sideways"}}"#).starts_with("`on`: unknown variant `sideways`, expected")
        );
        let read = read_settings::<Settings>(r#"{"hours": 1, "attempts": 2}"#).expect("both are known");
        assert_eq!((read.hours, read.retry.attempts, read.retry.backoff_ms), (1, 2, 200));
    }

    #[test]
    fn a_value_out_of_range_is_refused_in_words() {
        assert_eq!(within("attempts", 9, 1..=5), Err("`attempts` is 9, but must be 1 to 5".into()));
        assert_eq!(within("attempts", 5, 1..=5), Ok(()));
        assert!(within("share", f64::NAN, 0.0..=1.0).is_err());
    }
}
