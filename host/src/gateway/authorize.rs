//! Who asks, as providers are shown it. Keys stand in the configuration; credentials of a cloud are had from
//! [`super::identities`].

use std::sync::Arc;

use hyper::Request;
use hyper::header::HeaderValue;

use super::Gateway;
use super::identities::Shown;
use super::provider::{Access, Adapter, Showing};
use super::redact::Redaction;
use super::refusal::fault;
use crate::plugin::bindings::faults::{Fault, FaultKind};
use crate::plugin::bindings::provider::HeaderAuth;
use crate::upstream::identity::{Credential, Source};
use crate::upstream::{Pieces, sign};

/// Who asked, as the provider was shown.
pub struct Authorized {
    pub redaction: Arc<Redaction>,
    /// Of a credential that can be replaced.
    pub shown: Option<Shown>,
}

/// Show the provider who asks. The only place where a secret meets a request.
///
/// # Errors
/// Why that cannot be done.
pub async fn authorize(
    gateway: &Gateway,
    adapter: &Adapter,
    key_at: usize,
    request: &mut Request<Pieces>,
) -> Result<Authorized, Fault> {
    let now = gateway.clock.unix();
    let mut authorized = Authorized { redaction: Arc::clone(&adapter.redaction), shown: None };
    let outcome = match &adapter.access {
        Access::Open => Ok(()),
        Access::Header(header, keys) => match keys.get(key_at) {
            Some(key) => sign::with_header(request, header, key, &adapter.origin),
            None => Err("there is no such key".to_owned()),
        },
        Access::Aws(how, keys) => sign::with_sigv4(request, how, keys, &adapter.origin, now),
        Access::Fetched(showing, source) => {
            let shown = credential(gateway, adapter, source).await?;
            authorized.redaction = Arc::clone(&shown.issued.redaction);
            let outcome = match (showing, &shown.issued.credential) {
                (Showing::Bearer, Credential::Bearer(token)) => {
                    let bearer = HeaderAuth { name: "authorization".to_owned(), prefix: "Bearer ".to_owned() };
                    sign::with_header(request, &bearer, token, &adapter.origin)
                }
                (Showing::Signature(how), Credential::Aws(keys)) => {
                    sign::with_sigv4(request, how, keys, &adapter.origin, now)
                }
                _ => Err(format!("what {source} gives is of another kind")),
            };
            let outcome = outcome.and_then(|()| with_quota_project(request, source));
            authorized.shown = Some(shown);
            outcome
        }
    };
    outcome.map(|()| authorized).map_err(|text| {
        let text = format!("provider `{}` cannot be shown who asks: {text}", adapter.provider);
        fault(FaultKind::AdapterFailed, text)
    })
}

/// Google serves a person's credentials only for a project that pays: <https://google.aip.dev/auth/4113>. No adapter forwards the
/// header of a caller, and if one did, the operator's would replace it.
fn with_quota_project(request: &mut Request<Pieces>, source: &Source) -> Result<(), String> {
    let Source::Google { account, .. } = source else { return Ok(()) };
    let Some(project) = account.quota_project() else { return Ok(()) };
    let value = HeaderValue::try_from(project).map_err(|_| "its quota project is no header's value".to_owned())?;
    request.headers_mut().insert("x-goog-user-project", value);
    Ok(())
}

/// # Errors
/// There is none now. Nobody rests for that: it is asked for all the time. But it counts as an attempt, because waiting for it is of
/// no use to a request.
async fn credential(gateway: &Gateway, adapter: &Adapter, source: &Source) -> Result<Shown, Fault> {
    let issued = async {
        let identity = gateway.identities.of(gateway, source, adapter.way())?;
        let issued = identity.current().await?;
        Ok(Shown { identity, issued })
    };
    issued.await.map_err(|text: String| {
        let text = format!("there are no credentials for provider `{}`: {text}", adapter.provider);
        fault(FaultKind::Unavailable, text)
    })
}
