//! Who asks? Told from the request's head alone: nothing is read, looked up or waited for before it is known.

use std::sync::Arc;

use hyper::Request;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::config::{Caller, Secret};

/// Keys of one request that are looked at; clients show two at most.
const SHOWN_MAX: usize = 8;

/// Who a request is from, by the keys in its head.
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
    let found = shown(request).into_iter().fold(None, |found, shown| found.or(caller(shown, callers)));
    found.map_or(Who::Stranger, |caller| Who::Caller(Arc::clone(caller)))
}

/// Whatever could be a key of ours. A client may show a token of its provider besides (Claude Code that is signed in does), so
/// any of them counts.
fn shown<B>(request: &Request<B>) -> Vec<&str> {
    let headers = request.headers();
    let text = |name: &'static str| headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let named = ["x-api-key", "api-key", "x-goog-api-key"].into_iter().flat_map(text);
    let bearers = headers.get_all(AUTHORIZATION).iter().filter_map(bearer_in);
    let pairs = request.uri().query().unwrap_or_default().split('&').filter_map(|pair| pair.strip_prefix("key="));
    named.chain(bearers).chain(pairs).map(str::trim).take(SHOWN_MAX).collect()
}

fn caller<'a>(shown: &str, callers: &'a [Arc<Caller>]) -> Option<&'a Arc<Caller>> {
    let digest: [u8; 32] = Sha256::digest(shown).into();
    // All are compared, whichever fits: how long it takes says nothing about any of them.
    callers.iter().fold(None, |found, caller| match bool::from(caller.digest.ct_eq(&digest)) {
        true => Some(caller),
        false => found,
    })
}

pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    bearer_in(headers.get(AUTHORIZATION)?)
}

fn bearer_in(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Compared by digest: how long it takes says nothing about the secret.
pub fn same(shown: &str, secret: &Secret) -> bool {
    Sha256::digest(shown).ct_eq(&Sha256::digest(secret.reveal())).into()
}

#[cfg(test)]
mod tests {
    use hyper::http::request::Builder;

    use super::*;
    use crate::config::CallerLimits;

    #[test]
    fn a_key_counts_wherever_it_stands() {
        let caller = |name: &str, key: &str| {
            let digest = Sha256::digest(key).into();
            Arc::new(Caller { name: name.to_owned(), digest, models: None, limits: CallerLimits::default() })
        };
        let callers = [caller("one", "first"), caller("two", "second")];
        let name = |request: Builder| match who(&request.body(()).expect("a request"), &callers) {
            Who::Caller(caller) => caller.name.clone(),
            Who::Stranger => "nobody".to_owned(),
            Who::Anyone => "anyone".to_owned(),
        };
        let post = || Request::post("/v1/messages");
        for header in ["x-api-key", "api-key", "x-goog-api-key"] {
            assert_eq!(name(post().header(header, "first")), "one", "{header}");
            assert_eq!(name(post().header(header, "first").header("authorization", "Bearer sk-ant-oat01")), "one");
            assert_eq!(name(post().header(header, "sk-ant-api03").header("authorization", "Bearer second")), "two");
            assert_eq!(name(post().header(header, "x").header(header, "second")), "two", "{header} twice");
        }
        assert_eq!(name(post().header("x-api-key", " first\t")), "one", "white space around it");
        assert_eq!(name(post().header("x-api-key", "first").header("authorization", "Bearer second")), "one");
        assert_eq!(name(Request::post("/v1beta/models/m:generateContent?key=second&alt=sse")), "two");
        assert_eq!(name(Request::post("/v1/messages?key=x").header("authorization", "bearer first")), "one");
        for stranger in [
            post(),
            post().header("x-api-key", "x").header("authorization", "Bearer y"),
            post().header("x-api-key", ""),
            post().header("authorization", "Basic first"),
            (0..20).fold(post(), |post, _| post.header("x-api-key", "x")).header("authorization", "Bearer first"),
        ] {
            assert_eq!(name(stranger), "nobody");
        }
    }
}
