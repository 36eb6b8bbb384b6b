//! `aws`, `google` and `azure` of a provider: which source the configuration and the environment mean. What a cloud's own SDK
//! reads in the environment means the same here.

mod aws;
mod azure;
mod google;

use std::net::IpAddr;
use std::ops::Range;

use super::{Resolver, trimmed};
use crate::config::error::ConfigError;

/// Where the metadata services of the three clouds are.
const METADATA: &str = "http://169.254.169.254";

impl Resolver<'_> {
    /// A variable that says something.
    fn variable(&self, name: &str) -> Option<String> {
        let value = trimmed(&(self.environment)(name)?).to_owned();
        Some(value).filter(|value| !value.is_empty())
    }

    /// # Errors
    /// The environment does not say it, and `what` needs it.
    fn needed(&self, name: &str, what: &str, span: &Range<usize>) -> Result<String, ConfigError> {
        self.variable(name).ok_or_else(|| {
            let hint = Some(format!("set {name}, or choose another `identity`"));
            self.error(span.clone(), format!("{what} needs {name}, and the environment has none"), hint)
        })
    }

    /// A URL without a slash at the end, of a place that may see credentials. `name` is where the URL comes from.
    ///
    /// # Errors
    /// It is no URL, or of plain HTTP and not of this machine or a cloud's service for it: there the network could read them.
    fn safe_url(&self, url: &str, name: &str, span: &Range<usize>) -> Result<String, ConfigError> {
        let parsed: Option<hyper::Uri> = url.parse().ok();
        let host = parsed.as_ref().and_then(|url| url.host()).unwrap_or_default();
        let is_safe = match parsed.as_ref().and_then(|url| url.scheme_str()) {
            Some("https") => !host.is_empty(),
            Some("http") => is_local(host),
            _ => false,
        };
        // A path may have the sign: Google names service accounts by e-mail.
        let names_user =
            parsed.as_ref().and_then(|url| url.authority()).is_some_and(|host| host.as_str().contains('@'));
        if is_safe && !names_user {
            return Ok(url.trim_end_matches('/').to_owned());
        }
        let text = format!(
            "{name} must be a URL of https; http only to this machine or to a link-local address such as 169.254.169.254"
        );
        Err(self.error(span.clone(), text, None))
    }
}

/// This machine, or an address at which clouds serve their machines.
fn is_local(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => {
            let [first, second, ..] = address.segments();
            // AWS: fd00:ec2::254 and fd00:ec2::23.
            address.is_loopback() || first & 0xffc0 == 0xfe80 || (first, second) == (0xfd00, 0x0ec2)
        }
        Err(_) => matches!(host.as_str(), "localhost" | "metadata.google.internal"),
    }
}

#[cfg(test)]
mod tests;
