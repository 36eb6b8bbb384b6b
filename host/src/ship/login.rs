//! Who we are for a registry: what `docker login` remembers, or what the environment says.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use docker_credential::{CredentialRetrievalError, DockerCredential};
use tokio::time::timeout;

use crate::config::Secret;

/// Host and port of the registry that the other two are for, as it stands in a reference.
const REGISTRY: &str = "POINTSMAN_REGISTRY";
const USER: &str = "POINTSMAN_REGISTRY_USER";
const PASSWORD: &str = "POINTSMAN_REGISTRY_PASSWORD";
/// What to do when a registry wants to know who asks.
pub const HELP: &str = "use `docker login`, or set POINTSMAN_REGISTRY_USER and POINTSMAN_REGISTRY_PASSWORD, and \
                        POINTSMAN_REGISTRY to the registry that they are for";
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

/// What the environment says for this registry. A login goes to no other than the one that it names.
fn of_environment(registry: &str, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Option<Login>> {
    let given = |name| variable(name).filter(|value| !value.is_empty());
    let (user, password) = match (given(USER), given(PASSWORD)) {
        (Some(user), Some(password)) => (user, Secret::new(password)),
        (None, None) => return Ok(None),
        _ => anyhow::bail!("one of {USER} and {PASSWORD} is set, and the other is not"),
    };
    let named = given(REGISTRY).ok_or_else(|| {
        anyhow::anyhow!(
            "{USER} and {PASSWORD} are set, and {REGISTRY} is not: set it to the registry that they are for, such as {registry}"
        )
    })?;
    Ok(named.eq_ignore_ascii_case(registry).then_some(Login { user, password }))
}

/// For this registry: of the environment, else of Docker's `config.json`. Absent: we ask as nobody.
///
/// # Errors
/// What is wrong with a login that is there, without it.
pub async fn of(registry: &str) -> anyhow::Result<Option<Login>> {
    if let Some(login) = of_environment(registry, |name| std::env::var(name).ok())? {
        return Ok(Some(login));
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Faults: F147
    #[test]
    fn the_environments_login_goes_to_the_registry_that_it_names() {
        let of = |registry: &str, given: &[(&str, &str)]| {
            let find =
                |name: &str| given.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            of_environment(registry, find).map(|login| login.is_some()).map_err(|error| error.to_string())
        };
        let login = [(USER, "me"), (PASSWORD, "secret"), (REGISTRY, "ghcr.io")];
        assert_eq!(of("ghcr.io", &login), Ok(true));
        assert_eq!(of("GHCR.io", &login), Ok(true));
        assert_eq!(of("evil.example", &login), Ok(false));
        assert_eq!(of("ghcr.io.evil.example", &login), Ok(false));
        assert_eq!(of("ghcr.io:444", &login), Ok(false));
        assert_eq!(of("ghcr.io", &[]), Ok(false));
        let error = of("evil.example", &login[..2]).expect_err("nobody knows for whom");
        assert!(error.contains(REGISTRY) && !error.contains("secret"), "{error}");
        assert!(of("ghcr.io", &login[..1]).is_err_and(|error| error.contains("the other is not")));
    }
}
