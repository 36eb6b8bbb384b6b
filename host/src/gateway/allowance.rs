//! What the caller of one request may use.

use tokio::time::Instant;

use super::Gateway;
use super::endpoint::Endpoint;
use super::exchange::COUNT_TOKENS;
use super::refusal::Refusal;
use crate::callers::{Admitted, Over};
use crate::config::Caller;

/// A token is about so many bytes of a request.
pub(super) const TOKEN_BYTES: u64 = 4;

/// See the module.
pub struct Allowance<'a> {
    /// Absent: anyone may call.
    caller: Option<&'a Caller>,
    /// Counting tokens uses none.
    uses_tokens: bool,
}

impl<'a> Allowance<'a> {
    pub fn of(caller: Option<&'a Caller>, endpoint: &Endpoint) -> Allowance<'a> {
        Allowance { caller, uses_tokens: endpoint.operation != COUNT_TOKENS }
    }

    /// Before the body is read: of a body without a length nothing is known but that it comes. Nobody's requests are
    /// counted but those of keys with a name.
    ///
    /// # Errors
    /// A limit of the key.
    pub fn admit(&self, gateway: &Gateway, body_bytes: u64, now: Instant) -> Result<Option<Admitted>, Refusal> {
        let Some(caller) = self.caller.filter(|caller| !caller.name.is_empty()) else { return Ok(None) };
        let admitted = gateway.callers.admit(caller, self.tokens(body_bytes), now);
        admitted.map(Some).map_err(|over| Refusal::over(&caller.name, &over))
    }

    /// When the body is here.
    ///
    /// # Errors
    /// A limit of the key.
    pub fn resize(&self, admitted: &mut Admitted, body_bytes: usize, now: Instant) -> Result<(), Refusal> {
        let name = self.caller.map_or("", |caller| caller.name.as_str());
        let refused = |over: Over| Refusal::over(name, &over);
        admitted.resize(self.tokens(body_bytes as u64), now).map_err(refused)
    }

    /// # Errors
    /// The key is not for this model.
    pub fn check(&self, model: &str) -> Result<(), Refusal> {
        match self.caller {
            Some(caller) if !caller.may_use(model) => Err(Refusal::forbidden(&caller.name, model)),
            _ => Ok(()),
        }
    }

    fn tokens(&self, body_bytes: u64) -> u64 {
        if self.uses_tokens { body_bytes / TOKEN_BYTES } else { 0 }
    }
}
