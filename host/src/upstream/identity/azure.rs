//! Access tokens of Entra ID: of the machine, or in exchange for a token of a cluster that it trusts.
//!
//! - Virtual machines: <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>
//! - App Service: <https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference>
//! - Workloads: <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>

use std::time::Duration;

use hyper::Method;

use super::{Askers, Credential, Granted, ask};
use crate::config::{Azure, AzureSource};

const MACHINE_VERSION: &str = "2018-02-01";
const APP_SERVICE_VERSION: &str = "2019-08-01";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

pub async fn fetch(azure: &Azure, askers: &Askers, now: Duration) -> Result<Granted, String> {
    let resource = azure.resource.as_str();
    let query = |version: &str, client_id: &Option<String>| {
        let mut fields = vec![("api-version", version), ("resource", resource)];
        fields.extend(client_id.as_deref().map(|id| ("client_id", id)));
        ask::query(&fields)
    };
    let reply = match &azure.source {
        AzureSource::Machine { endpoint, client_id } => {
            let url = format!("{endpoint}/metadata/identity/oauth2/token?{}", query(MACHINE_VERSION, client_id));
            let request = ask::with(ask::empty(Method::GET, &url)?, "metadata", "true");
            ask::ask_json(&askers.direct, request).await?
        }
        AzureSource::AppService { endpoint, header, client_id } => {
            let request = ask::empty(Method::GET, &format!("{endpoint}?{}", query(APP_SERVICE_VERSION, client_id)))?;
            ask::ask_json(&askers.direct, ask::with_secret(request, "x-identity-header", header)?).await?
        }
        AzureSource::Workload { token_file, authority, tenant_id, client_id } => {
            let (token, scope) = (ask::token_in(token_file).await?, format!("{resource}/.default"));
            let fields = [
                ("grant_type", "client_credentials"),
                ("client_id", client_id),
                ("scope", &scope),
                ("client_assertion_type", ASSERTION),
                ("client_assertion", &token),
            ];
            let request = ask::form(&format!("{authority}/{tenant_id}/oauth2/v2.0/token"), &fields)?;
            ask::ask_json(&askers.client, request).await?
        }
    };
    Ok(Granted { credential: Credential::Bearer(reply.secret("access_token")?), lasts: Some(reply.lasts(now)?) })
}
