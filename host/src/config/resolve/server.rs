//! `[server]`: where callers and operators connect, and what they must show.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;

use toml::Spanned;

use super::Resolver;
use crate::config::error::ConfigError;
use crate::config::resolved::{Secret, Server, Tls};
use crate::config::{defaults, written};

impl Resolver<'_> {
    /// From the file, else from the environment, else the default.
    fn address(
        &self,
        text: Option<&Spanned<String>>,
        variable: &str,
        default: &str,
    ) -> Result<(SocketAddr, Option<Range<usize>>), ConfigError> {
        let span = text.map(Spanned::span);
        let value = match text {
            Some(text) => self.expand(text)?,
            None => (self.environment)(variable).unwrap_or_else(|| default.to_owned()),
        };
        let hint = || Some("write it like 127.0.0.1:4400".to_owned());
        let address =
            value.parse().map_err(|_| self.file.at(span.clone(), format!("`{value}` is not an address"), hint()))?;
        Ok((address, span))
    }

    pub(super) fn server(
        &self,
        written: written::Server,
        keys: BTreeMap<Spanned<String>, written::Key>,
    ) -> Result<Server, ConfigError> {
        let (listen, listen_at) = self.address(written.listen.as_ref(), "POINTSMAN_LISTEN", defaults::LISTEN)?;
        let (admin, _) = self.address(written.admin.as_ref(), "POINTSMAN_ADMIN", defaults::ADMIN)?;
        let admin_token = match &written.admin_token {
            Some(token) => Some(self.secret(token)?),
            None => (self.environment)("POINTSMAN_ADMIN_TOKEN").map(Secret::new),
        };
        let callers = self.callers(written.caller_keys.as_deref().unwrap_or_default(), keys)?;
        if !listen.ip().is_loopback() && callers.is_empty() && !written.open {
            let hint =
                "make a key with `pointsman key new NAME`, give `caller_keys`, or say `open = true` if something \
                        else keeps strangers out"
                    .to_owned();
            let message = format!("everyone who reaches {listen} could spend your providers' keys");
            return Err(self.file.at(listen_at, message, Some(hint)));
        }
        let tls = written.tls.map(|tls| Tls {
            certificate: self.relative(tls.certificate.get_ref()),
            key: self.relative(tls.key.get_ref()),
        });
        let drain = written.drain.map_or(defaults::DRAIN, |span| span.0);
        Ok(Server { listen, admin, admin_token, callers, tls, drain })
    }
}
