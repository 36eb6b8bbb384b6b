//! Who asks? Told from the request's head alone: nothing is read, looked up or waited for before it is known.

use std::sync::Arc;

use hyper::Request;
use hyper::header::{AUTHORIZATION, HeaderMap};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::config::{Caller, Secret};

/// See the module.
pub enum Who {
    /// No keys are configured.
    Anyone,
    Caller(Arc<Caller>),
    /// It shows no key, or one that is not configured.
    Stranger,
}

/// Each family of clients shows its key in a way of its own.
pub fn who<B>(request: &Request<B>, callers: &[Arc<Caller>]) -> Who {
    if callers.is_empty() {
        return Who::Anyone;
    }
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let headers = ["x-api-key", "api-key", "x-goog-api-key"].into_iter().find_map(text);
    let shown = headers.or_else(|| bearer(request.headers())).or_else(|| {
        let mut pairs = request.uri().query()?.split('&');
        pairs.find_map(|pair| pair.strip_prefix("key="))
    });
    let Some(shown) = shown else { return Who::Stranger };
    let digest: [u8; 32] = Sha256::digest(shown).into();
    // All are compared, whichever fits: how long it takes says nothing about any of them.
    let found = callers.iter().fold(None, |found, caller| match bool::from(caller.digest.ct_eq(&digest)) {
        true => Some(caller),
        false => found,
    });
    found.map_or(Who::Stranger, |caller| Who::Caller(Arc::clone(caller)))
}

pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Compared by digest: how long it takes says nothing about the secret.
pub fn same(shown: &str, secret: &Secret) -> bool {
    Sha256::digest(shown).ct_eq(&Sha256::digest(secret.reveal())).into()
}
