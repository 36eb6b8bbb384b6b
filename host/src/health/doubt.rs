//! Is a refusal about the key or the model, or about the one request that got it? An error's text can mislead, and a provider may
//! have errors that its adapter does not know. What serves other requests at the same time is not broken, so a refusal rests
//! nobody while others succeed with the same key and model.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::rests::KeyId;
use crate::plugin::bindings::faults::FaultKind;

/// A key that served a request so long ago is taken to be good.
const SERVED_LATELY: Duration = Duration::from_secs(60);
/// So many refusals in a row, without a success between them, are believed, even of one conversation.
const IN_A_ROW_MAX: u32 = 4;
/// Statuses that say that it is about the account: 401 the key, 402 its money, 429 its limits.
const ACCOUNTS: [u16; 3] = [401, 402, 429];

#[derive(Clone, Copy, Debug, Default)]
struct Doubt {
    /// When it last served a request.
    served: Option<Instant>,
    refused: Option<Refused>,
}

/// Refusals since the last success.
#[derive(Clone, Copy, Debug)]
struct Refused {
    last: Instant,
    times: u32,
    conversation: u64,
}

/// What each key of one model served, and was refused for, lately.
#[derive(Debug, Default)]
pub struct Doubts {
    by_key: HashMap<KeyId, Doubt>,
}

impl Doubts {
    /// An attempt that began then was answered. One that began before a refusal says nothing against it.
    pub fn served(&mut self, key: KeyId, began: Instant, now: Instant) {
        let doubt = self.by_key.entry(key).or_default();
        doubt.served = Some(now);
        doubt.refused = doubt.refused.filter(|refused| refused.last >= began);
    }

    /// An attempt was refused. True if that is taken to be about this request alone. `conversation` is 0 where it is not known.
    pub fn is_requests_own(
        &mut self,
        key: KeyId,
        (kind, status): (FaultKind, u16),
        conversation: u64,
        now: Instant,
    ) -> bool {
        let is_limit = kind == FaultKind::RateLimited;
        let Some(doubt) = self.by_key.get_mut(&key).filter(|_| !is_limit && !ACCOUNTS.contains(&status)) else {
            return false;
        };
        let is_good = doubt.served.is_some_and(|at| now.saturating_duration_since(at) <= SERVED_LATELY);
        let refused = doubt.refused.get_or_insert(Refused { last: now, times: 0, conversation });
        let is_same = refused.times == 0 || conversation != 0 && refused.conversation == conversation;
        *refused = Refused { last: now, times: refused.times + 1, conversation };
        is_good && is_same && refused.times < IN_A_ROW_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERMISSION: (FaultKind, u16) = (FaultKind::Permission, 403);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn while_others_succeed_one_requests_refusal_is_its_own() {
        let (mut doubts, mut now) = (Doubts::default(), Instant::now());
        assert!(!doubts.is_requests_own(1, PERMISSION, 7, now), "a key that never served");
        for _ in 0..20 {
            now += SECOND;
            doubts.served(1, now - SECOND / 2, now);
            now += SECOND;
            assert!(doubts.is_requests_own(1, PERMISSION, 7, now));
        }
        assert!(!doubts.is_requests_own(2, PERMISSION, 7, now), "another key");
        assert!(!doubts.is_requests_own(1, PERMISSION, 8, now), "two conversations, and no success between them");
    }

    #[test]
    fn what_is_refused_again_and_again_is_believed() {
        let (mut doubts, now) = (Doubts::default(), Instant::now());
        doubts.served(1, now, now);
        let refused = (0..6).map(|_| doubts.is_requests_own(1, PERMISSION, 7, now + SECOND)).collect::<Vec<_>>();
        assert_eq!(refused, [true, true, true, false, false, false]);
        // A reply that had begun before tells of an earlier time.
        doubts.served(1, now, now + 2 * SECOND);
        assert!(!doubts.is_requests_own(1, PERMISSION, 7, now + 2 * SECOND));
    }

    #[test]
    fn a_success_of_long_ago_says_nothing() {
        let (mut doubts, now) = (Doubts::default(), Instant::now());
        doubts.served(1, now, now);
        assert!(!doubts.is_requests_own(1, PERMISSION, 7, now + SERVED_LATELY + SECOND));
    }

    #[test]
    fn statuses_of_the_account_are_believed_at_once() {
        let (mut doubts, now) = (Doubts::default(), Instant::now());
        doubts.served(1, now, now);
        for fault in [
            (FaultKind::Authentication, 401),
            (FaultKind::QuotaExhausted, 402),
            (FaultKind::QuotaExhausted, 429),
            (FaultKind::RateLimited, 0),
        ] {
            assert!(!doubts.is_requests_own(1, fault, 7, now), "{fault:?}");
        }
        assert!(doubts.is_requests_own(1, (FaultKind::QuotaExhausted, 400), 7, now));
    }
}
