//! `[gate]`: what a plugin's file must pass.

use super::Resolver;
use crate::config::error::ConfigError;
use crate::config::resolved::Gate;
use crate::config::written;
use crate::plugin::{CompileLimits, signature};

impl Resolver<'_> {
    pub(super) fn gate(&self, written: &written::Gate) -> Result<Gate, ConfigError> {
        let Gate { compile, cases_time, mut public_keys } = Gate::default();
        if let Some(keys) = &written.public_keys {
            if keys.get_ref().is_empty() {
                let hint = "leave it out, and files need no signature".to_owned();
                return Err(self.error(keys.span(), "it names no key", Some(hint)));
            }
            for key in keys.get_ref() {
                let parsed = signature::public_key(key.get_ref());
                public_keys.push(parsed.map_err(|error| self.error(key.span(), error.to_string(), None))?);
            }
        }
        Ok(Gate {
            compile: CompileLimits {
                time: written.compile_time.map_or(compile.time, |span| span.0),
                memory_bytes: self.some(written.max_compile_bytes.as_ref())?.unwrap_or(compile.memory_bytes),
            },
            cases_time: written.cases_time.map_or(cases_time, |span| span.0),
            public_keys,
        })
    }
}
