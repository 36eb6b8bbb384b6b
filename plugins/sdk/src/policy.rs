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

pub mod testing;

use serde::Deserialize;
use serde::de::DeserializeOwned;

#[doc(hidden)]
#[allow(unsafe_code, reason = "generated: the canonical ABI passes pointers")]
#[allow(clippy::all, clippy::pedantic, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "routing-policy",
        pub_export_macro: true,
        default_bindings_module: "pointsman_sdk::policy::bindings",
        additional_derives: [PartialEq],
    });
}

pub use bindings::exports::pointsman::plugin::policy::{
    Action, Attempt, AttemptReport, Attribute, Circuit, Decision, Price, RequestFacts, RunningAttempt, Situation,
    Target, TargetState,
};
pub use bindings::pointsman::plugin::faults::FaultKind;

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

/// Is the fault the caller's own, so that another provider would refuse the request as well?
pub fn callers_own(fault: FaultKind) -> bool {
    matches!(
        fault,
        FaultKind::InvalidRequest | FaultKind::ContextTooLong | FaultKind::ContentPolicy | FaultKind::TooLarge
    )
}

/// The settings as the host hands them over, read into the policy's own type.
#[doc(hidden)]
pub fn read_settings<S: DeserializeOwned>(settings: &str) -> Result<S, String> {
    serde_json::from_str(settings).map_err(|error| {
        // The text is one line that the operator never saw: its position would only confuse.
        let text = error.to_string();
        text.split(" at line ").next().unwrap_or(&text).to_owned()
    })
}

/// Exports a type that implements [`Policy`](crate::policy::Policy) as a component of the `routing-policy` world.
#[macro_export]
macro_rules! policy {
    ($policy:ty) => {
        #[allow(unsafe_code, dead_code, reason = "generated: the canonical ABI passes pointers")]
        const _: () = {
            use $crate::policy::bindings::exports::pointsman::plugin::policy as wit;

            struct Component;
            struct Router($policy);

            impl wit::Guest for Component {
                type Router = Router;
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
