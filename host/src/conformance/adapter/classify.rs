//! Replies whose status is no success, from a provider or from what stands in front of it: none becomes an answer, and whose
//! fault it is can be told by the status alone.

use super::super::{Check, Failure};
use super::bad::ERROR_BODIES;
use super::json;
use super::subject::Subject;
use crate::health::{Blame, blame};
use crate::plugin::bindings::faults::{Fault, FaultKind};
use crate::plugin::bindings::provider::{Description, Header, ReplyHead};

const STATUSES: [u16; 18] = [301, 400, 401, 402, 403, 404, 405, 408, 409, 413, 422, 429, 500, 501, 502, 503, 504, 529];

pub async fn check(subject: &Subject<'_>, description: &Description) -> Check {
    let mut check = Check::new("classifies");
    let mut tried = 0;
    for operation in &description.operations {
        for status in STATUSES {
            for (name, body) in ERROR_BODIES {
                for headers in [Vec::new(), headers()] {
                    tried += 1;
                    let place = format!("{operation}: status {status} with {name}, {} headers", headers.len());
                    let head = ReplyHead { status, headers };
                    check.note(&place, lawful(subject, operation, &head, body).await);
                }
            }
        }
    }
    check.told = format!("{tried} replies whose status is no success");
    check
}

fn headers() -> Vec<Header> {
    let header = |name: &str, value: &str| Header { name: name.to_owned(), value: value.to_owned() };
    vec![header("content-type", "text/html"), header("retry-after", "7")]
}

async fn lawful(subject: &Subject<'_>, operation: &str, head: &ReplyHead, body: &[u8]) -> Result<(), Failure> {
    let fault = subject.classify(operation, head, body).await?;
    let said = format!("{}: {}", fault.kind.word(), json::short(&fault.message));
    if fault.message.trim().is_empty() {
        return Err(Failure::new(said, "words, for the person who asked: the status at least"));
    }
    if let Some(millis) = fault.retry_after_ms
        && (head.headers.is_empty() || millis != 7000)
    {
        return Err(Failure::new(format!("wait {millis} ms"), "what the header `retry-after` says, or nothing"));
    }
    sensible(head.status, &fault).map_err(|expected| Failure::new(said, expected))
}

/// What a policy may conclude.
fn sensible(status: u16, fault: &Fault) -> Result<(), &'static str> {
    use FaultKind::{
        AdapterFailed, Authentication, Busy, Overloaded, Permission, QuotaExhausted, RateLimited, Truncated,
    };
    let whose = blame(fault.kind);
    match status {
        _ if matches!(fault.kind, Busy | AdapterFailed | Truncated) => {
            Err("a fault of a provider: this one is the host's")
        }
        401 if !matches!(fault.kind, Authentication | Permission) => Err("`authentication`: the key was refused"),
        402 | 403 if whose != Blame::Account && whose != Blame::Caller => {
            Err("a fault of the account, or the request's")
        }
        429 if !matches!(fault.kind, RateLimited | QuotaExhausted | Overloaded) => {
            Err("`rate-limited`, `quota-exhausted` or `overloaded`: another target may answer, and this one later")
        }
        500.. if whose != Blame::Target => {
            Err("a fault of the target, such as `server-error`: the caller did nothing wrong")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::events::fault;
    use super::*;

    #[test]
    fn what_a_status_may_mean() {
        use FaultKind::*;
        for (status, kind) in [
            (401, Authentication),
            (403, Permission),
            (429, RateLimited),
            (500, Overloaded),
            (400, InvalidRequest),
            (404, ModelNotFound),
            (408, TimedOut),
            (301, MalformedReply),
        ] {
            assert_eq!(sensible(status, &fault(kind)), Ok(()), "{status} {kind:?}");
        }
        for (status, kind) in [
            (401, InvalidRequest),
            (403, Overloaded),
            (429, InvalidRequest),
            (500, InvalidRequest),
            (502, RateLimited),
            (400, Busy),
        ] {
            assert!(sensible(status, &fault(kind)).is_err(), "{status} {kind:?}");
        }
    }
}
