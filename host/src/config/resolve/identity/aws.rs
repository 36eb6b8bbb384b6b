//! `aws` of a provider.

use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;

use super::super::Resolver;
use super::METADATA;
use crate::config::aws_profile::Profile;
use crate::config::error::ConfigError;
use crate::config::identity::{Aws, AwsIdentity, AwsProfile, AwsRole, AwsSource, ContainerToken};
use crate::config::resolved::{AwsKeys, Secret};
use crate::config::written::{self, AwsIdentity as Written};

/// The agent of ECS.
const ECS: &str = "http://169.254.170.2";
const METADATA_IPV6: &str = "http://[fd00:ec2::254]";
const SESSION_NAME: &str = "pointsman";
/// STS takes no others.
const SESSION_NAME_SIGNS: &str = "=,.@-_+";

impl Resolver<'_> {
    pub(in crate::config::resolve) fn aws(&self, aws: &Spanned<written::Aws>) -> Result<Aws, ConfigError> {
        let (written, span) = (aws.get_ref(), aws.span());
        let source = match (self.aws_keys(written, &span)?, &written.identity) {
            (Some(_), Some(identity)) => {
                let hint = Some("keep the keys or `identity`".to_owned());
                return Err(self.error(identity.span(), "there are keys too", hint));
            }
            (Some(_), None) if let Some(profile) = &written.profile => {
                let hint = Some("keep the keys or `profile`".to_owned());
                return Err(self.error(profile.span(), "there are keys too", hint));
            }
            (Some(keys), None) => AwsSource::Keys(keys),
            (None, None) if written.profile.is_some() => self.aws_source(Written::Profile, written, &span)?,
            (None, Some(identity)) if written.profile.is_some() && *identity.get_ref() != Written::Profile => {
                let hint = Some("leave `identity` out, or set it to `profile`".to_owned());
                return Err(self.error(identity.span(), "there is a `profile` too", hint));
            }
            (None, None) => self.aws_source(Written::Auto, written, &span)?,
            (None, Some(identity)) => self.aws_source(*identity.get_ref(), written, &identity.span())?,
        };
        let role = match (&written.role_arn, &source) {
            // It is the web identity's own where the environment names none.
            (Some(arn), AwsSource::WebIdentity { role, .. }) if *arn.get_ref() == role.arn => None,
            (Some(arn), _) => Some(self.aws_role(arn, written)?),
            (None, _) => {
                if let Some(unused) = written.external_id.as_ref().or(written.role_session_name.as_ref()) {
                    return Err(self.error(unused.span(), "it is for a role, and there is no `role_arn`", None));
                }
                None
            }
        };
        if let (AwsSource::Keys(keys), None) = (&source, &role) {
            return Ok(Aws::Keys(keys.clone()));
        }
        let sts_endpoint = ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"]
            .into_iter()
            .find_map(|name| Some(self.safe_url(&self.variable(name)?, name, &span)))
            .transpose()?;
        let sts_region = written.region.as_ref().map(|region| self.region(region)).transpose()?;
        Ok(Aws::Fetched(AwsIdentity { source, role, sts_region, sts_endpoint }))
    }

    fn aws_keys(&self, written: &written::Aws, span: &Range<usize>) -> Result<Option<AwsKeys>, ConfigError> {
        match (&written.access_key_id, &written.secret_access_key, &written.session_token) {
            (None, None, None) => Ok(None),
            (Some(id), Some(secret), token) => Ok(Some(AwsKeys {
                access_key_id: self.secret(id)?.reveal().to_owned(),
                secret_access_key: self.secret(secret)?,
                session_token: token.as_ref().map(|token| self.secret(token)).transpose()?,
            })),
            _ => {
                let text = "keys need both `access_key_id` and `secret_access_key`";
                Err(self.error(span.clone(), text, Some("or leave all of them out, and set `identity`".to_owned())))
            }
        }
    }

    fn aws_source(
        &self,
        identity: Written,
        written: &written::Aws,
        span: &Range<usize>,
    ) -> Result<AwsSource, ConfigError> {
        let is_set = |name: &str| self.variable(name).is_some();
        match identity {
            Written::Environment => Ok(AwsSource::Keys(AwsKeys {
                access_key_id: self.key_variable("AWS_ACCESS_KEY_ID", span)?.reveal().to_owned(),
                secret_access_key: self.key_variable("AWS_SECRET_ACCESS_KEY", span)?,
                session_token: match is_set("AWS_SESSION_TOKEN") {
                    true => Some(self.key_variable("AWS_SESSION_TOKEN", span)?),
                    false => None,
                },
            })),
            Written::Profile => self.aws_profile(written, span),
            Written::WebIdentity => {
                let what = "`identity = \"web-identity\"`";
                let token_file = PathBuf::from(self.needed("AWS_WEB_IDENTITY_TOKEN_FILE", what, span)?);
                let role = match (self.variable("AWS_ROLE_ARN"), &written.role_arn) {
                    (None, Some(arn)) => self.aws_role(arn, written)?,
                    _ => AwsRole {
                        arn: self.needed("AWS_ROLE_ARN", what, span)?,
                        session_name: self.session_name(written)?,
                        external_id: None,
                    },
                };
                Ok(AwsSource::WebIdentity { token_file, role })
            }
            Written::Container => self.aws_container(span),
            Written::Instance => self.aws_instance(span),
            Written::Auto if is_set("AWS_ACCESS_KEY_ID") && is_set("AWS_SECRET_ACCESS_KEY") => {
                self.aws_source(Written::Environment, written, span)
            }
            Written::Auto if is_set("AWS_PROFILE") => self.aws_profile(written, span),
            Written::Auto if is_set("AWS_WEB_IDENTITY_TOKEN_FILE") => {
                self.aws_source(Written::WebIdentity, written, span)
            }
            Written::Auto
                if is_set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") || is_set("AWS_CONTAINER_CREDENTIALS_FULL_URI") =>
            {
                self.aws_container(span)
            }
            // Whoever has the files means them; a machine in AWS has none.
            Written::Auto => self.aws_profile(written, span).or_else(|_| self.aws_instance(span)),
        }
    }

    /// It is looked into the files now, so that what is wrong with them is found where the configuration is checked.
    fn aws_profile(&self, written: &written::Aws, span: &Range<usize>) -> Result<AwsSource, ConfigError> {
        let name = written.profile.as_ref().map(|profile| self.expand(profile)).transpose()?;
        let name = name.or_else(|| self.variable("AWS_PROFILE")).unwrap_or_else(|| "default".to_owned());
        let home = self.variable("HOME");
        let file = |variable: &str, usual: &str| {
            let path = self.variable(variable).unwrap_or_else(|| format!("~/.aws/{usual}"));
            match (path.strip_prefix("~/"), &home) {
                (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
                _ => PathBuf::from(path),
            }
        };
        let profile = AwsProfile {
            name,
            credentials: file("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
            config: file("AWS_CONFIG_FILE", "config"),
            session_name: self.session_name(written)?,
        };
        let read = |path: &PathBuf| std::fs::read_to_string(path).unwrap_or_default();
        let (credentials, config) = (read(&profile.credentials), read(&profile.config));
        match Profile::find(&profile.name, &credentials, &config, &profile.session_name) {
            Ok(_) => Ok(AwsSource::Profile(profile)),
            Err(text) => {
                let files = format!("{} and {}", profile.credentials.display(), profile.config.display());
                let hint = "name another `profile`, or give keys or an `identity`".to_owned();
                Err(self.error(span.clone(), format!("{text} in {files}"), Some(hint)))
            }
        }
    }

    /// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>
    fn aws_container(&self, span: &Range<usize>) -> Result<AwsSource, ConfigError> {
        let (relative, full) = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI");
        let url = match (self.variable(relative), self.variable(full)) {
            (Some(path), _) if path.starts_with('/') => format!("{ECS}{path}"),
            (Some(_), _) => return Err(self.error(span.clone(), format!("{relative} must begin with a slash"), None)),
            (None, Some(url)) => {
                self.safe_url(&url, full, span)?;
                url
            }
            (None, None) => {
                let text = format!("`identity = \"container\"` needs {relative} or {full}");
                let hint =
                    "ECS and EKS Pod Identity set one of them: does the task or the service account have a role?";
                return Err(self.error(span.clone(), text, Some(hint.to_owned())));
            }
        };
        let file = self.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        let authorization = match file {
            Some(file) => Some(ContainerToken::File(file.into())),
            None => self
                .variable("AWS_CONTAINER_AUTHORIZATION_TOKEN")
                .map(|token| ContainerToken::Value(Secret::new(token))),
        };
        Ok(AwsSource::Container { url, authorization })
    }

    /// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-imds-credentials.html>
    fn aws_instance(&self, span: &Range<usize>) -> Result<AwsSource, ConfigError> {
        if self.variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            let text =
                "the environment has no credentials for AWS, and AWS_EC2_METADATA_DISABLED forbids to ask the instance";
            let hint = "give keys, or set `identity` and what it needs".to_owned();
            return Err(self.error(span.clone(), text, Some(hint)));
        }
        let name = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
        let is_ipv6 = self.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
        let endpoint = match self.variable(name) {
            Some(url) => self.safe_url(&url, name, span)?,
            None if is_ipv6.is_some_and(|mode| mode.eq_ignore_ascii_case("ipv6")) => METADATA_IPV6.to_owned(),
            None => METADATA.to_owned(),
        };
        Ok(AwsSource::Instance { endpoint })
    }

    fn aws_role(&self, arn: &Spanned<String>, written: &written::Aws) -> Result<AwsRole, ConfigError> {
        let expanded = self.expand(arn)?;
        if !expanded.starts_with("arn:") || !expanded.contains(":role/") {
            let hint = Some("it is like `arn:aws:iam::123456789012:role/NAME`".to_owned());
            return Err(self.error(arn.span(), "it is not the ARN of a role", hint));
        }
        let external_id = written.external_id.as_ref().map(|id| self.expand(id)).transpose()?;
        Ok(AwsRole { arn: expanded, session_name: self.session_name(written)?, external_id })
    }

    fn session_name(&self, written: &written::Aws) -> Result<String, ConfigError> {
        let Some(name) = &written.role_session_name else {
            return Ok(self.variable("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| SESSION_NAME.to_owned()));
        };
        let expanded = self.expand(name)?;
        let is_well = |letter: char| letter.is_ascii_alphanumeric() || SESSION_NAME_SIGNS.contains(letter);
        if !(2..=64).contains(&expanded.len()) || !expanded.chars().all(is_well) {
            let text = format!("a session's name has 2 to 64 letters, digits and signs of {SESSION_NAME_SIGNS}");
            return Err(self.error(name.span(), text, None));
        }
        Ok(expanded)
    }

    /// It becomes part of a host's name.
    fn region(&self, region: &Spanned<String>) -> Result<String, ConfigError> {
        let expanded = self.expand(region)?;
        let is_well = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        match !expanded.is_empty() && expanded.chars().all(is_well) {
            true => Ok(expanded),
            false => Err(self.error(region.span(), "a region is like `us-east-1`", None)),
        }
    }

    fn key_variable(&self, name: &str, span: &Range<usize>) -> Result<Secret, ConfigError> {
        let value = self.needed(name, "`identity = \"environment\"`", span)?;
        match super::super::is_key(&value) {
            true => Ok(Secret::new(value)),
            false => Err(self.error(span.clone(), format!("{name} must be printable ASCII without spaces"), None)),
        }
    }
}
