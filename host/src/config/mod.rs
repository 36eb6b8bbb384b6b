//! Configuration: `written` is exactly the TOML, `resolved` is what everything else uses, `resolve` is the only way from
//! one to the other.

mod automatic;
mod aws_profile;
pub(crate) mod defaults;
mod error;
mod identity;
mod resolve;
mod resolved;
mod written;

use std::path::{Path, PathBuf};

pub use aws_profile::Profile;
pub use defaults::ADMIN as ADMIN_ADDRESS;
#[cfg(test)]
pub(crate) use defaults::{BREAKER, LIMITS, TIMEOUTS};
pub use error::ConfigError;
pub(crate) use error::File;
pub use identity::{
    Aws, AwsIdentity, AwsProfile, AwsRole, AwsSource, Azure, AzureSource, ContainerToken, Google, GoogleExternal,
    GoogleUser, SubjectPlace, SubjectToken, without_path,
};
pub use resolve::{CALLER_NAME, HOLDS, SECRET_HEADERS, is_caller_name, usual as usual_proxy};
pub use resolved::*;
pub use written::LogFormat;
pub(crate) use written::{Span, span};

/// Where values in `${…}` come from.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The environment of this process.
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// Where a configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    File(PathBuf),
    /// No file: every provider whose key is in the environment.
    Automatic,
}

impl Source {
    /// The file that was asked for, or `pointsman.toml` in the working directory, or none.
    pub fn find(asked: Option<&Path>) -> Source {
        let here = Path::new("pointsman.toml");
        match asked {
            Some(path) => Source::File(path.to_owned()),
            None if here.is_file() => Source::File(here.to_owned()),
            None => Source::Automatic,
        }
    }

    /// # Errors
    /// What is wrong, where, and what to do.
    pub fn load(&self, environment: Environment<'_>) -> Result<Config, ConfigError> {
        match self {
            Source::Automatic => automatic::config(environment),
            Source::File(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| ConfigError::plain(format!("reading {}: {error}", path.display())))?;
                parse(&text, path, environment)
            }
        }
    }
}

/// Read a configuration's text. `path` is for error messages, and the folder that plugin files are relative to.
///
/// # Errors
/// What is wrong, where, and what to do.
pub fn parse(text: &str, path: &Path, environment: Environment<'_>) -> Result<Config, ConfigError> {
    let file = error::File { path, text };
    let written = toml::from_str(text).map_err(|error| {
        // A name that is misspelt may be that of a secret, and what is no TOML has no names.
        let is_known = !error.message().starts_with("unknown field") && toml::from_str::<toml::Table>(text).is_ok();
        match is_known {
            true => file.at(error.span(), error.message(), None),
            false => file.at_unknown(error.span(), error.message()),
        }
    })?;
    resolve::resolve(written, &file, environment)
}
