//! What the caller of one request may use.

use serde_json::Value;
use tokio::time::Instant;

use super::Gateway;
use super::endpoint::Endpoint;
use super::exchange::COUNT_TOKENS;
use super::refusal::Refusal;
use super::scan;
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

    /// Some providers fall back to other models that the body names: the key must open these as well.
    ///
    /// # Errors
    /// The key is not for one of them, or it cannot be seen which they are.
    pub fn check_fallbacks(&self, body: &[u8]) -> Result<(), Refusal> {
        let Some(caller) = self.caller.filter(|caller| caller.models.is_some()) else { return Ok(()) };
        let may_use = |model: &str| caller.may_use(model);
        fallbacks(body, may_use).map_err(|name| Refusal::forbidden(&caller.name, &name))
    }

    fn tokens(&self, body_bytes: u64) -> u64 {
        if self.uses_tokens { body_bytes / TOKEN_BYTES } else { 0 }
    }
}

/// Fields that list further models: OpenRouter's, LiteLLM's, and Vercel's.
const LISTS: [&str; 2] = ["models", "fallbacks"];
const OPTIONS: &str = "providerOptions";
const LIST_IN_OPTIONS: [&str; 2] = ["gateway", "models"];

/// Are all models that the body lists allowed? Else the first that is not.
fn fallbacks(body: &[u8], may_use: impl Fn(&str) -> bool) -> Result<(), String> {
    // What is no object was refused before; two fields of one name could be read either way.
    let found = scan::fields(body, &[LISTS[0], LISTS[1], OPTIONS]).map_err(|_| LISTS[0].to_owned())?;
    for (at, name) in found.into_iter().zip([LISTS[0], LISTS[1], OPTIONS]) {
        let Some(json) = at.map(|at| &body[at]) else { continue };
        let json = match name {
            OPTIONS => match within(json, &LIST_IN_OPTIONS).map_err(|()| name.to_owned())? {
                Some(json) => json,
                None => continue,
            },
            _ => json,
        };
        let listed: Value = serde_json::from_slice(json).unwrap_or(Value::Bool(true));
        let models = match &listed {
            Value::Null => continue,
            Value::Array(models) => models,
            _ => return Err(name.to_owned()),
        };
        for model in models {
            let model = model.as_str().or_else(|| model.get("model")?.as_str()).ok_or_else(|| name.to_owned())?;
            if !may_use(model) {
                return Err(model.to_owned());
            }
        }
    }
    Ok(())
}

/// The value in an object within an object. An error if one stands there twice.
fn within<'a>(json: &'a [u8], path: &[&str]) -> Result<Option<&'a [u8]>, ()> {
    let mut json = json;
    for name in path {
        if !json.starts_with(b"{") {
            return Ok(None);
        }
        let Some(at) = scan::fields(json, &[*name]).map_err(drop)?.pop().flatten() else { return Ok(None) };
        json = &json[at];
    }
    Ok(Some(json))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Faults: F152
    #[test]
    fn a_key_opens_no_model_that_the_body_lists_besides() {
        let refused = |body: &str| fallbacks(body.as_bytes(), |model| model == "small").err();
        for body in [
            r#"{"model":"small"}"#,
            r#"{"models":null,"providerOptions":{"gateway":{"order":["x"]}}}"#,
            r#"{"models":["small"],"fallbacks":[{"model":"small"}],"providerOptions":{"gateway":{"models":["small"]}}}"#,
            r#"{"messages":[{"models":["large"]}]}"#,
        ] {
            assert_eq!(refused(body), None, "{body}");
        }
        for (body, what) in [
            (r#"{"model":"small","models":["small","large"]}"#, "large"),
            (r#"{"mod\u0065ls":["large"]}"#, "large"),
            (r#"{"fallbacks":[{"model":"large"}]}"#, "large"),
            (r#"{"providerOptions":{"gateway":{"models":["large"]}}}"#, "large"),
            (r#"{"providerOptions":{"gateway":{},"gateway":{"models":["large"]}}}"#, "providerOptions"),
            (r#"{"models":"large"}"#, "models"),
            (r#"{"models":[7]}"#, "models"),
            (r#"{"models":["small"],"models":["large"]}"#, "models"),
        ] {
            assert_eq!(refused(body).as_deref(), Some(what), "{body}");
        }
    }
}
