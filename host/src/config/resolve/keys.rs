//! Who may call: the keys of the list `caller_keys`, and those that have a table of their own.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use toml::Spanned;

use super::Resolver;
use crate::config::error::ConfigError;
use crate::config::resolved::{Caller, CallerLimits, Pattern};
use crate::config::written;

/// Names stand in the log, in policies' facts and in command lines.
pub const CALLER_NAME: &str = "1 to 64 letters, digits, `-`, `_` and `.`";

/// See [`CALLER_NAME`].
pub fn is_caller_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

impl Resolver<'_> {
    pub(super) fn callers(
        &self,
        list: &[Spanned<String>],
        tables: BTreeMap<Spanned<String>, written::Key>,
    ) -> Result<Vec<Arc<Caller>>, ConfigError> {
        let mut callers: Vec<Arc<Caller>> = Vec::new();
        for key in list {
            // The same key twice in the list is only one key.
            let (name, limits) = (String::new(), CallerLimits::default());
            let digest = Sha256::digest(self.secret(key)?.reveal()).into();
            callers.push(Arc::new(Caller { name, digest, models: None, limits }));
        }
        for (name, key) in tables {
            let caller = self.caller(&name, &key)?;
            if let Some(other) = callers.iter().find(|other| other.digest == caller.digest) {
                let place = key.sha256.as_ref().or(key.key.as_ref()).map_or(name.span(), Spanned::span);
                let other = match other.name.as_str() {
                    "" => "a key of `caller_keys`".to_owned(),
                    other => format!("`keys.{other}`"),
                };
                let text = format!("`keys.{}` is the same key as {other}", caller.name);
                return Err(self.error(place, text, Some(new_key(&caller.name))));
            }
            callers.push(Arc::new(caller));
        }
        Ok(callers)
    }

    fn caller(&self, name: &Spanned<String>, key: &written::Key) -> Result<Caller, ConfigError> {
        if !is_caller_name(name.get_ref()) {
            let text = format!("`{}` cannot be a key's name: {CALLER_NAME}", name.get_ref());
            return Err(self.error(name.span(), text, None));
        }
        let models = match &key.models {
            Some(models) if models.get_ref().is_empty() => {
                let hint = Some("leave it out to allow all models, or take the key out".to_owned());
                return Err(self.error(models.span(), "it names no model, so the key would open nothing", hint));
            }
            models => models.as_ref().map(|models| models.get_ref().iter().map(|model| Pattern::new(model)).collect()),
        };
        let limits = CallerLimits {
            requests_per_minute: self.some(key.requests_per_minute.as_ref())?,
            tokens_per_minute: self.some(key.tokens_per_minute.as_ref())?,
            tokens_per_day: self.some(key.tokens_per_day.as_ref())?,
            max_in_flight: self.some(key.max_in_flight.as_ref())?,
        };
        Ok(Caller { name: name.get_ref().clone(), digest: self.digest(name, key)?, models, limits })
    }

    fn digest(&self, name: &Spanned<String>, key: &written::Key) -> Result<[u8; 32], ConfigError> {
        match (&key.sha256, &key.key) {
            (Some(digest), Some(_)) => {
                let hint = Some("keep `sha256`: then the file holds no secret".to_owned());
                Err(self.error(digest.span(), "there is a `key` too", hint))
            }
            (Some(digest), None) => from_hex(digest.get_ref()).ok_or_else(|| {
                self.error(digest.span(), "a sha256 digest has 64 hexadecimal digits", Some(new_key(name.get_ref())))
            }),
            (None, Some(key)) => Ok(Sha256::digest(self.secret(key)?.reveal()).into()),
            (None, None) => {
                let text = format!("`keys.{}` has neither `sha256` nor `key`", name.get_ref());
                Err(self.error(name.span(), text, Some(new_key(name.get_ref()))))
            }
        }
    }

    /// A limit of 0 is a slip of the pen: nothing would get through.
    pub(super) fn some(&self, limit: Option<&Spanned<u64>>) -> Result<Option<u64>, ConfigError> {
        match limit {
            Some(limit) if *limit.get_ref() == 0 => {
                let hint = Some("leave it out, if you mean no limit of your own".to_owned());
                Err(self.error(limit.span(), "a limit of 0 would let nothing through", hint))
            }
            limit => Ok(limit.map(|limit| *limit.get_ref())),
        }
    }
}

fn new_key(name: &str) -> String {
    format!("`pointsman key new {name}` makes a key and prints its table")
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in digest.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(digest)
}
