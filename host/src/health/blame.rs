//! Whose fault a fault is: what happens to a target, a key or a request depends on it.

use crate::plugin::bindings::faults::FaultKind;

/// Whose fault a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// This target, as it is now.
    Target,
    /// Our account, key or configuration at this provider.
    Account,
    /// The request.
    Caller,
    /// Nobody's: the target was not asked, or lacks what this one request needs.
    NotAsked,
}

/// See [`Blame`].
pub fn blame(kind: FaultKind) -> Blame {
    match kind {
        FaultKind::Overloaded
        | FaultKind::ServerError
        | FaultKind::Unavailable
        | FaultKind::TimedOut
        | FaultKind::Connection
        | FaultKind::MalformedReply
        | FaultKind::Truncated
        | FaultKind::AdapterFailed => Blame::Target,
        FaultKind::RateLimited
        | FaultKind::QuotaExhausted
        | FaultKind::Authentication
        | FaultKind::Permission
        | FaultKind::ModelNotFound => Blame::Account,
        FaultKind::InvalidRequest | FaultKind::ContextTooLong | FaultKind::ContentPolicy | FaultKind::TooLarge => {
            Blame::Caller
        }
        FaultKind::Unsupported | FaultKind::Busy => Blame::NotAsked,
    }
}
