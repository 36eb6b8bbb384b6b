//! Who we are for a registry: what `docker login` remembers, or what the environment says.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use docker_credential::{CredentialRetrievalError, DockerCredential};
use tokio::time::timeout;

use crate::config::Secret;

const USER: &str = "POINTSMAN_REGISTRY_USER";
const PASSWORD: &str = "POINTSMAN_REGISTRY_PASSWORD";
/// What to do when a registry wants to know who asks.
pub const HELP: &str = "use `docker login`, or set POINTSMAN_REGISTRY_USER and POINTSMAN_REGISTRY_PASSWORD";
/// A desktop's helper may ask its user.
const HELPER_TIMEOUT: Duration = Duration::from_secs(60);

/// A user and a password.
#[derive(Clone, Debug)]
pub struct Login {
    user: String,
    password: Secret,
}

impl Login {
    /// The value of an `authorization` header.
    pub fn basic(&self) -> Secret {
        Secret::new(format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.password.reveal()))))
    }
}

/// For this registry: of the environment, else of Docker's `config.json`. Absent: we ask as nobody.
///
/// # Errors
/// What is wrong with a login that is there, without it.
pub async fn of(registry: &str) -> anyhow::Result<Option<Login>> {
    let given = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    match (given(USER), given(PASSWORD)) {
        (Some(user), Some(password)) => return Ok(Some(Login { user, password: Secret::new(password) })),
        (None, None) => {}
        _ => anyhow::bail!("one of {USER} and {PASSWORD} is set, and the other is not"),
    }
    let name = registry.to_owned();
    // It may start a helper program.
    let asked = tokio::task::spawn_blocking(move || docker_credential::get_credential(&name));
    let Ok(Ok(told)) = timeout(HELPER_TIMEOUT, asked).await else {
        anyhow::bail!("Docker's helper for logins did not answer: {HELP}");
    };
    match told {
        Ok(DockerCredential::UsernamePassword(user, password)) => {
            Ok(Some(Login { user, password: Secret::new(password) }))
        }
        Ok(DockerCredential::IdentityToken(_)) => {
            anyhow::bail!(
                "Docker's login for {registry} is an identity token, which is not understood here: set {USER} and {PASSWORD}"
            )
        }
        // Its words quote what the helper said; a login that is nowhere is none.
        Err(
            CredentialRetrievalError::CredentialDecodingError
            | CredentialRetrievalError::CredentialMismatchError
            | CredentialRetrievalError::MalformedHelperResponse,
        ) => anyhow::bail!("Docker's login for {registry} is damaged: `docker login {registry}` makes another"),
        Err(_) => Ok(None),
    }
}
