//! What a fault means for another attempt.

use super::FaultKind;

/// Every fault by its name in settings, which is its name in `faults.wit`.
pub const FAULTS: [(&str, FaultKind); 19] = [
    ("overloaded", FaultKind::Overloaded),
    ("rate-limited", FaultKind::RateLimited),
    ("quota-exhausted", FaultKind::QuotaExhausted),
    ("server-error", FaultKind::ServerError),
    ("unavailable", FaultKind::Unavailable),
    ("timed-out", FaultKind::TimedOut),
    ("connection", FaultKind::Connection),
    ("malformed-reply", FaultKind::MalformedReply),
    ("truncated", FaultKind::Truncated),
    ("authentication", FaultKind::Authentication),
    ("permission", FaultKind::Permission),
    ("model-not-found", FaultKind::ModelNotFound),
    ("invalid-request", FaultKind::InvalidRequest),
    ("context-too-long", FaultKind::ContextTooLong),
    ("content-policy", FaultKind::ContentPolicy),
    ("too-large", FaultKind::TooLarge),
    ("unsupported", FaultKind::Unsupported),
    ("busy", FaultKind::Busy),
    ("adapter-failed", FaultKind::AdapterFailed),
];

/// The fault of this name, if there is one.
pub fn fault_named(name: &str) -> Option<FaultKind> {
    FAULTS.iter().find(|(known, _)| *known == name).map(|(_, fault)| *fault)
}

/// Is the fault the caller's own, so that another provider would refuse the request as well?
pub fn callers_own(fault: FaultKind) -> bool {
    matches!(
        fault,
        FaultKind::InvalidRequest | FaultKind::ContextTooLong | FaultKind::ContentPolicy | FaultKind::TooLarge
    )
}

/// Can the same target answer the same request a little later?
pub fn passes(fault: FaultKind) -> bool {
    matches!(
        fault,
        FaultKind::Overloaded
            | FaultKind::RateLimited
            | FaultKind::ServerError
            | FaultKind::Unavailable
            | FaultKind::TimedOut
            | FaultKind::Connection
            | FaultKind::MalformedReply
            | FaultKind::Truncated
            | FaultKind::Busy
    )
}

/// Did the host call the provider at all?
pub fn was_called(fault: FaultKind) -> bool {
    !matches!(fault, FaultKind::Busy | FaultKind::Unsupported)
}
