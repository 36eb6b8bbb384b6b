//! Where requests go. The base URL of OpenAI and its copies ends in their `/v1`; Azure's ends with the host.

use crate::settings::Settings;
use crate::{CHAT, EMBEDDINGS};
use pointsman_sdk::codec::provider::{Auth, Call, Framing, HeaderAuth};
use pointsman_sdk::codec::{Fault, FaultKind, fault};
use std::fmt::Write;

/// `model` is the target's: Azure's deployment.
pub fn call(settings: &Settings, operation: &str, model: &str, stream: bool) -> Result<Call, Fault> {
    let end = match operation {
        CHAT => "/chat/completions",
        EMBEDDINGS => "/embeddings",
        _ => {
            let message = format!("openai-chat has no operation `{operation}`, only `{CHAT}` and `{EMBEDDINGS}`");
            return Err(fault(FaultKind::Unsupported, message));
        }
    };
    let path = match &settings.azure {
        None => end.into(),
        // learn.microsoft.com/azure/ai-services/openai/reference
        Some(azure) => {
            format!("/openai/deployments/{}{end}?api-version={}", percent_encoded(model), azure.api_version)
        }
    };
    let framing = if stream { Framing::Sse } else { Framing::WholeBody };
    Ok(Call { method: "POST".into(), path, headers: Vec::new(), framing })
}

/// Nobody's for Azure, where each customer has a host.
pub fn default_base_url(settings: &Settings) -> Option<String> {
    settings.azure.is_none().then(|| "https://api.openai.com/v1".into())
}

pub fn auth(settings: &Settings) -> Auth {
    let (name, prefix) = match &settings.azure {
        Some(azure) if !azure.entra => ("api-key", ""),
        _ => ("authorization", "Bearer "),
    };
    Auth::Header(HeaderAuth { name: name.into(), prefix: prefix.into() })
}

/// As one segment of a path.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
