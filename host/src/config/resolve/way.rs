//! `proxy`, `ca_file` and `client_certificate` of a provider, and what the environment says of proxies.

use hyper::Uri;
use toml::Spanned;

use super::{Resolver, trimmed};
use crate::config::error::ConfigError;
use crate::config::resolved::{Proxy, Secret, Tls, Way};
use crate::config::{Environment, written};

/// In the configuration: straight, whatever the environment says.
const NONE: &str = "none";

/// What the environment says, in curl's names for it.
///
/// # Errors
/// It names no proxy that can be used.
pub fn usual(environment: Environment<'_>) -> Result<Proxy, ConfigError> {
    let set = |names: [&str; 2]| {
        let found = names.iter().find_map(|name| Some((name.to_string(), environment(name)?)));
        found.map(|(name, value)| (name, trimmed(&value).to_owned())).filter(|(_, value)| !value.is_empty())
    };
    let https = match set(["https_proxy", "HTTPS_PROXY"]).or_else(|| set(["all_proxy", "ALL_PROXY"])) {
        None => None,
        Some((name, url)) => Some(proxy(&url).ok_or_else(|| {
            let text = format!("{name} in the environment names no proxy of HTTP");
            ConfigError::plain(format!(
                "{text}\nhint: write it as http://HOST:PORT, or `proxy = \"none\"` in providers"
            ))
        })?),
    };
    let except = set(["no_proxy", "NO_PROXY"]).map(|(_, hosts)| hosts).unwrap_or_default();
    Ok(Proxy::Usual { https, except })
}

/// The URL of a proxy that a tunnel can be asked of. One without a scheme speaks HTTP, as curl has it.
fn proxy(url: &str) -> Option<Secret> {
    let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let parsed: Uri = url.parse().ok()?;
    let is_http =
        matches!(parsed.scheme_str(), Some("http" | "https")) && parsed.host().is_some_and(|host| !host.is_empty());
    is_http.then(|| Secret::new(url))
}

impl Resolver<'_> {
    pub(super) fn way(&self, provider: &written::Provider) -> Result<Way, ConfigError> {
        let proxy = match &provider.proxy {
            None => usual(self.environment)?,
            Some(written) if written.get_ref() == NONE => Proxy::None,
            Some(written) => Proxy::At(proxy(&self.expand(written)?).ok_or_else(|| {
                let hint = "write it as `http://HOST:PORT`, with `USER:PASSWORD@` before the host if it wants that";
                self.error(written.span(), "it is not the URL of a proxy of HTTP", Some(hint.to_owned()))
            })?),
        };
        let file = |file: &Spanned<String>| Ok(self.relative(&self.expand(file)?));
        let ca_file = provider.ca_file.as_ref().map(file).transpose()?;
        let client_certificate = match &provider.client_certificate {
            None => None,
            Some(files) => Some(Tls { certificate: file(&files.certificate)?, key: file(&files.key)? }),
        };
        Ok(Way { proxy, ca_file, client_certificate })
    }
}
