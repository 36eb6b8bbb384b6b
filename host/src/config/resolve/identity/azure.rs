//! `azure` of a provider.

use toml::Spanned;

use super::super::Resolver;
use super::METADATA;
use crate::config::error::ConfigError;
use crate::config::identity::{Azure, AzureSource};
use crate::config::resolved::Secret;
use crate::config::written::{self, AzureIdentity};

/// Of Azure OpenAI, and of the other services of its kind.
const RESOURCE: &str = "https://cognitiveservices.azure.com";
const AUTHORITY: &str = "https://login.microsoftonline.com";
const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";

impl Resolver<'_> {
    pub(in crate::config::resolve) fn azure(&self, azure: &Spanned<written::Azure>) -> Result<Azure, ConfigError> {
        let (written, span) = (azure.get_ref(), azure.span());
        let id = |given: &Option<Spanned<String>>, name: &str| match given {
            Some(id) => {
                let expanded = self.expand(id)?;
                let is_well = |letter: char| letter.is_ascii_alphanumeric() || "-.".contains(letter);
                match !expanded.is_empty() && expanded.chars().all(is_well) {
                    true => Ok(Some(expanded)),
                    false => Err(self.error(id.span(), "it is no identifier of Entra ID", None)),
                }
            }
            None => Ok(self.variable(name)),
        };
        let client_id = id(&written.client_id, "AZURE_CLIENT_ID")?;
        let is_workload = match written.identity.unwrap_or(AzureIdentity::Auto) {
            AzureIdentity::Auto => self.variable(TOKEN_FILE).is_some(),
            AzureIdentity::Managed => false,
            AzureIdentity::Workload => true,
        };
        let source = if is_workload {
            let what = "`identity = \"workload\"`";
            let authority = match self.variable("AZURE_AUTHORITY_HOST") {
                Some(url) => self.safe_url(&url, "AZURE_AUTHORITY_HOST", &span)?,
                None => AUTHORITY.to_owned(),
            };
            AzureSource::Workload {
                token_file: self.needed(TOKEN_FILE, what, &span)?.into(),
                authority,
                tenant_id: match id(&written.tenant_id, "AZURE_TENANT_ID")? {
                    Some(id) => id,
                    None => self.needed("AZURE_TENANT_ID", what, &span)?,
                },
                client_id: match client_id {
                    Some(id) => id,
                    None => self.needed("AZURE_CLIENT_ID", what, &span)?,
                },
            }
        } else {
            if let Some(tenant_id) = &written.tenant_id {
                return Err(self.error(tenant_id.span(), "it is for `identity = \"workload\"`", None));
            }
            match (self.variable("IDENTITY_ENDPOINT"), self.variable("IDENTITY_HEADER")) {
                (Some(url), Some(header)) => {
                    let endpoint = self.safe_url(&url, "IDENTITY_ENDPOINT", &span)?;
                    AzureSource::AppService { endpoint, header: Secret::new(header), client_id }
                }
                _ => {
                    let name = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
                    let endpoint = match self.variable(name) {
                        Some(url) => self.safe_url(&url, name, &span)?,
                        None => METADATA.to_owned(),
                    };
                    AzureSource::Machine { endpoint, client_id }
                }
            }
        };
        let resource = match &written.resource {
            Some(resource) => self.expand(resource)?.trim_end_matches('/').to_owned(),
            None => RESOURCE.to_owned(),
        };
        Ok(Azure { source, resource })
    }
}
