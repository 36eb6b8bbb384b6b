//! `google` of a provider.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::Value;
use toml::Spanned;

use super::super::{Resolver, base_url};
use super::METADATA;
use crate::config::error::ConfigError;
use crate::config::identity::{Google, GoogleExternal, GoogleUser, SubjectPlace, SubjectToken};
use crate::config::resolved::{GoogleAccount, Secret};
use crate::config::written::{self, GoogleIdentity};

/// Seconds, as Google's own libraries ask for.
const IMPERSONATION_S: u64 = 3600;
/// Where a person's login is exchanged for tokens.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
const FILE_VARIABLE: &str = "GOOGLE_APPLICATION_CREDENTIALS";

impl Resolver<'_> {
    pub(in crate::config::resolve) fn google(&self, google: &Spanned<written::Google>) -> Result<Google, ConfigError> {
        let span = google.span();
        let expand = |text: &str| self.expand(&Spanned::new(span.clone(), text.to_owned()));
        let table = match google.get_ref() {
            written::Google::File(file) => {
                return self.google_file(&self.relative(&expand(file)?), &span);
            }
            written::Google::Table(table) => table,
        };
        let account = table.service_account.as_deref().map(expand).transpose()?;
        let identity = match (&table.credentials_file, table.identity) {
            (Some(_), Some(_)) => {
                return Err(self.error(span, "give `credentials_file` or `identity`, not both", None));
            }
            (Some(_), None) if account.is_some() => {
                let text = "`service_account` is for the metadata server, and the credentials file names its own";
                return Err(self.error(span, text, None));
            }
            (Some(file), None) => return self.google_file(&self.relative(&expand(file)?), &span),
            (None, Some(identity)) => identity,
            (None, None) => {
                let text = "it needs `credentials_file = \"FILE\"`, `identity = \"auto\"` or `identity = \"metadata\"`";
                return Err(self.error(span, text, None));
            }
        };
        match (identity, self.variable(FILE_VARIABLE)) {
            (GoogleIdentity::Auto, Some(file)) => self.google_file(Path::new(&file), &span),
            (GoogleIdentity::Auto, None) if let Some(file) = self.google_login() => self.google_file(&file, &span),
            _ => self.google_metadata(account, &span),
        }
    }

    /// What `gcloud auth application-default login` wrote, if it did.
    fn google_login(&self) -> Option<PathBuf> {
        let folder = self.variable("CLOUDSDK_CONFIG").map(PathBuf::from);
        let folder = folder.or_else(|| Some(Path::new(&self.variable("HOME")?).join(".config/gcloud")))?;
        Some(folder.join("application_default_credentials.json")).filter(|file| file.is_file())
    }

    /// <https://cloud.google.com/compute/docs/metadata/overview>
    fn google_metadata(&self, account: Option<String>, span: &Range<usize>) -> Result<Google, ConfigError> {
        let name = "GCE_METADATA_HOST";
        let endpoint = match self.variable(name) {
            Some(host) => self.safe_url(&format!("http://{host}"), name, span)?,
            None => METADATA.to_owned(),
        };
        let account = account.unwrap_or_else(|| "default".to_owned());
        let is_well = |letter: char| letter.is_ascii_alphanumeric() || "-_.@".contains(letter);
        if account.is_empty() || !account.chars().all(is_well) {
            return Err(self.error(span.clone(), "a service account is named by its e-mail", None));
        }
        Ok(Google::Metadata { endpoint, account })
    }

    fn google_file(&self, path: &Path, span: &Range<usize>) -> Result<Google, ConfigError> {
        let wrong = |text: String| {
            let hint = "give the JSON file of a service account, as Google's console makes it, one of workload identity \
                        federation (`external_account`), or what `gcloud auth application-default login` wrote \
                        (`authorized_user`)";
            self.error(span.clone(), format!("{}: {text}", path.display()), Some(hint.to_owned()))
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let json: Value = serde_json::from_str(&text).map_err(|_| wrong("it is not JSON".to_owned()))?;
        match json["type"].as_str() {
            Some("external_account") => {
                let external =
                    external(&json, |url, name| self.safe_url(url, name, span)).map_err(|error| match error {
                        External::Wrong(text) => wrong(text),
                        External::Url(error) => error,
                    })?;
                Ok(Google::External(Box::new(external)))
            }
            Some("authorized_user") => {
                let secret = |name: &str| field(&json, name).map(Secret::new).map_err(wrong);
                let token_uri = json["token_uri"].as_str().unwrap_or(TOKEN_URI);
                Ok(Google::User(GoogleUser {
                    client_id: field(&json, "client_id").map_err(wrong)?,
                    client_secret: secret("client_secret")?,
                    refresh_token: secret("refresh_token")?,
                    token_uri: self.safe_url(token_uri, "`token_uri`", span)?,
                    quota_project: quota_project(&json).map_err(wrong)?,
                }))
            }
            None | Some("service_account") => {
                let token_uri = base_url(&field(&json, "token_uri").map_err(wrong)?).map_err(wrong)?;
                let private_key = Secret::new(field(&json, "private_key").map_err(wrong)?);
                let client_email = field(&json, "client_email").map_err(wrong)?;
                Ok(Google::Account(GoogleAccount { client_email, private_key, token_uri }))
            }
            Some(other) => {
                let known = "`service_account`, `external_account` or `authorized_user`";
                Err(wrong(format!("its type is `{other}`, and must be {known}")))
            }
        }
    }
}

/// A text that is not empty.
fn field(json: &Value, name: &str) -> Result<String, String> {
    let value = json[name].as_str().filter(|value| !value.is_empty()).map(str::to_owned);
    value.ok_or_else(|| format!("it has no `{name}`"))
}

/// It goes into a header, so only letters, digits and what project ids have besides may stand in it.
fn quota_project(json: &Value) -> Result<Option<String>, String> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-.:_".contains(letter);
    match &json["quota_project_id"] {
        Value::Null => Ok(None),
        Value::String(project) if project.is_empty() => Ok(None),
        Value::String(project) if project.chars().all(is_letter) => Ok(Some(project.clone())),
        _ => Err("its `quota_project_id` is not a project's id".to_owned()),
    }
}

/// What is wrong with an `external_account`.
enum External {
    Wrong(String),
    Url(ConfigError),
}

impl From<String> for External {
    fn from(text: String) -> External {
        External::Wrong(text)
    }
}

fn external(
    json: &Value,
    safe_url: impl Fn(&str, &str) -> Result<String, ConfigError>,
) -> Result<GoogleExternal, External> {
    let safe_url = |url: &str, name: &str| safe_url(url, name).map_err(External::Url);
    let source = &json["credential_source"];
    let place = match (source["file"].as_str(), source["url"].as_str()) {
        (Some(file), _) => SubjectPlace::File(PathBuf::from(file)),
        (None, Some(url)) => {
            safe_url(url, "`credential_source.url`")?;
            let headers = source["headers"].as_object().into_iter().flatten();
            let headers = headers.filter_map(|(name, value)| Some((name.clone(), Secret::new(value.as_str()?))));
            SubjectPlace::Url(url.to_owned(), headers.collect())
        }
        (None, None) => {
            let text = "its `credential_source` has neither a `file` nor a `url`; other kinds (AWS, programs, certificates) are \
                        not supported";
            return Err(External::Wrong(text.to_owned()));
        }
    };
    let format = &source["format"];
    let field_name = match format["type"].as_str() {
        None | Some("text") => None,
        Some("json") => Some(field(format, "subject_token_field_name")?),
        Some(other) => {
            return Err(External::Wrong(format!("`{other}` is no format of a subject token: `text` or `json`")));
        }
    };
    let impersonation = match json["service_account_impersonation_url"].as_str() {
        None => None,
        Some(url) => {
            let lifetime = json["service_account_impersonation"]["token_lifetime_seconds"].as_u64();
            let url = safe_url(url, "`service_account_impersonation_url`")?;
            Some((url, lifetime.unwrap_or(IMPERSONATION_S)))
        }
    };
    Ok(GoogleExternal {
        audience: field(json, "audience")?,
        subject_token_type: field(json, "subject_token_type")?,
        token_url: safe_url(&field(json, "token_url")?, "`token_url`")?,
        subject: SubjectToken { place, field: field_name },
        impersonation,
        quota_project: quota_project(json)?,
    })
}
