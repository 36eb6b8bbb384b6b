//! `[server]`: where callers and operators connect, and what they must show.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;

use super::Resolver;
use crate::config::error::ConfigError;
use crate::config::resolved::{Edge, Hosts, Origins, Secret, Server, Tls};
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
            None => (self.environment)(variable).map_or(default.to_owned(), |value| super::trimmed(&value).to_owned()),
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
        let (admin, admin_at) = self.address(written.admin.as_ref(), "POINTSMAN_ADMIN", defaults::ADMIN)?;
        let admin_token = match &written.admin_token {
            Some(token) => Some(self.secret(token)?),
            None => (self.environment)("POINTSMAN_ADMIN_TOKEN").map(|token| Secret::new(super::trimmed(&token))),
        };
        if !admin.ip().is_loopback() && admin_token.is_some() && !written.admin_without_tls {
            let hint = "let it listen on 127.0.0.1, and reach it through a tunnel such as `ssh -L` or a proxy with TLS on this machine; or \
                        say `admin_without_tls = true` in `[server]` if only this machine reaches it, as in a container"
                .to_owned();
            let message = format!("operators' token would go to {admin} without TLS, where other machines can read it");
            return Err(self.file.at(admin_at, message, Some(hint)));
        }
        let callers = self.callers(written.caller_keys.as_deref().unwrap_or_default(), keys)?;
        if !listen.ip().is_loopback() && callers.is_empty() && !written.open {
            let hint =
                "make a key with `pointsman key new NAME`, give `caller_keys`, or say `open = true` if something \
                        else keeps strangers out"
                    .to_owned();
            let message = format!("everyone who reaches {listen} could spend your providers' keys");
            return Err(self.file.at(listen_at, message, Some(hint)));
        }
        let tls = written.tls.as_ref().map(|tls| Tls {
            certificate: self.relative(tls.certificate.get_ref()),
            key: self.relative(tls.key.get_ref()),
        });
        let log = written.log.unwrap_or_default();
        let origins = self.origins(written.cors_origins.as_deref())?;
        let hosts = self.hosts(written.hosts.as_deref().unwrap_or_default())?;
        let state = match &written.state {
            Some(state) => Some(self.relative(&self.expand(state)?)),
            None => (self.environment)("POINTSMAN_STATE")
                .map(|state| super::trimmed(&state).to_owned())
                .filter(|state| !state.is_empty())
                .map(PathBuf::from),
        };
        let edge = self.edge(&written)?;
        let drain_lead = written.drain_lead.map_or(defaults::DRAIN_LEAD, |span| span.0);
        let drain = written.drain.map_or(defaults::DRAIN, |span| span.0);
        Ok(Server { listen, admin, admin_token, callers, tls, origins, hosts, log, state, drain_lead, drain, edge })
    }

    fn hosts(&self, written: &[Spanned<String>]) -> Result<Hosts, ConfigError> {
        if written.iter().any(|host| host.get_ref() == "*") {
            return Ok(Hosts::All);
        }
        let hosts = written.iter().map(|written| {
            let host = self.expand(written)?;
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            match !host.is_empty() && host.bytes().all(is_name) {
                true => Ok(host.trim_end_matches('.').to_ascii_lowercase()),
                false => {
                    let hint = "write the name alone, such as `ai.example`; addresses need not be named";
                    let text = format!("`{host}` is not a host's name");
                    Err(self.error(written.span(), text, Some(hint.to_owned())))
                }
            }
        });
        Ok(Hosts::These(hosts.collect::<Result<_, _>>()?))
    }

    fn origins(&self, written: Option<&[Spanned<String>]>) -> Result<Origins, ConfigError> {
        let Some(written) = written else { return Ok(Origins::Unset) };
        if written.iter().any(|origin| origin.get_ref() == "*") {
            return Ok(Origins::All);
        }
        let origins = written.iter().map(|written| {
            let origin = self.expand(written)?;
            let is_origin =
                |(scheme, host): (&str, &str)| !scheme.is_empty() && !host.is_empty() && !host.contains('/');
            match origin == "null" || origin.is_ascii() && origin.split_once("://").is_some_and(is_origin) {
                true => Ok(origin),
                false => {
                    let hint =
                        "write it as browsers send it, such as `https://webui.example` or `http://localhost:3000`";
                    let text = format!("`{origin}` is not an origin: scheme and host, perhaps a port, and no path");
                    Err(self.error(written.span(), text, Some(hint.to_owned())))
                }
            }
        });
        Ok(Origins::These(origins.collect::<Result<_, _>>()?))
    }

    fn edge(&self, written: &written::Server) -> Result<Edge, ConfigError> {
        let default = defaults::EDGE;
        let span = |span: Option<written::Span>, default| span.map_or(default, |span| span.0);
        let count = |written: Option<&Spanned<u64>>, default| {
            let count = self.some(written)?.map(|count| usize::try_from(count).unwrap_or(usize::MAX));
            Ok(count.unwrap_or(default))
        };
        // More would be more than a semaphore can count.
        let connections = count(written.max_connections.as_ref(), default.connections)?.min(1 << 30);
        let body_bytes = self.some(written.max_body_bytes.as_ref())?.unwrap_or(default.body_bytes);
        if let Some(written) = written.max_body_bytes.as_ref().filter(|_| body_bytes > defaults::BODY_BYTES_MAX) {
            let text = format!("no request of more than {} bytes can be served", defaults::BODY_BYTES_MAX);
            return Err(self.error(written.span(), text, None));
        }
        let body_bytes_held = self.some(written.max_body_bytes_held.as_ref())?.unwrap_or(default.body_bytes_held);
        if let Some(written) = written.max_body_bytes_held.as_ref().filter(|_| body_bytes_held < body_bytes) {
            let text = format!("it must hold one request at least, of `max_body_bytes`, which is {body_bytes}");
            return Err(self.error(written.span(), text, None));
        }
        Ok(Edge {
            connections,
            connections_per_ip: match &written.max_connections_per_ip {
                None => default.connections_per_ip,
                some => Some(count(some.as_ref(), usize::MAX)?),
            },
            header_timeout: span(written.header_timeout, default.header_timeout),
            keep_alive: span(written.keep_alive, default.keep_alive),
            body_bytes,
            body_idle: span(written.body_idle, default.body_idle),
            body_rate: written.min_body_rate.unwrap_or(default.body_rate),
            write_stall: span(written.write_stall, default.write_stall),
            requests: count(written.max_requests.as_ref(), default.requests)?,
            body_bytes_held,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::parse;

    /// Faults: F185
    #[test]
    fn operators_token_goes_to_no_other_machine_without_tls_unless_that_is_asked_for() {
        let with = |lines: &str, variables: &'static [(&str, &str)]| {
            let environment = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let provider = "[providers.a]\nadapter = \"openai-chat\"\nkey = \"k\"\n[models.x]\ntargets = [\"a/x\"]";
            parse(&format!("[server]\n{lines}\n{provider}"), Path::new("x.toml"), &environment)
                .map(|config| config.server.admin.to_string())
                .map_err(|error| error.to_string())
        };
        let error = with("admin = \"0.0.0.0:1\"\nadmin_token = \"hunter2\"", &[]).expect_err("in the clear");
        for word in [":2:9", "without TLS", "admin_without_tls = true"] {
            assert!(error.contains(word), "{word}: {error}");
        }
        assert!(!error.contains("hunter2"), "{error}");
        let environment: &[_] = &[("POINTSMAN_ADMIN", "10.0.0.7:4401"), ("POINTSMAN_ADMIN_TOKEN", "t")];
        assert!(with("", environment).is_err(), "wherever it stands");
        assert_eq!(with("admin_without_tls = true", environment).as_deref(), Ok("10.0.0.7:4401"));
        assert_eq!(with("admin = \"[::1]:1\"\nadmin_token = \"t\"", &[]).as_deref(), Ok("[::1]:1"));
        assert!(with("admin = \"0.0.0.0:1\"", &[]).is_ok(), "without a token nobody listens there");
    }
}
