//! Where Claude runs: at Anthropic, on Amazon Bedrock or on Google's Vertex AI. The bodies are nearly the same; hosts,
//! paths, keys and framing are not.
//!
//! - Bedrock: docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html
//! - Vertex: docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude

mod body;

pub use body::Body;

use crate::{PROTOCOL, is_count};
use pointsman_sdk::codec::provider::{Auth, AwsSigv4, Call, Description, Framing, Header, HeaderAuth, RateLimit};

/// The last version that takes sampling parameters: `2026-10-21` refuses them even at their default values. A caller of
/// the same protocol brings a version of its own, which the host forwards instead.
const VERSION: &str = "2023-06-01";
const GOOGLE_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

#[derive(Debug)]
pub enum Platform {
    Anthropic,
    Bedrock { region: String },
    Vertex { project: String, location: String },
}

impl Platform {
    pub fn describe(&self) -> Description {
        let header = |name: &str, prefix: &str| Auth::Header(HeaderAuth { name: name.into(), prefix: prefix.into() });
        // The clouds have names of their own, so that the host never forwards a caller's body there as it is.
        let (protocol, base_url, auth) = match self {
            Platform::Anthropic => {
                (PROTOCOL.to_owned(), "https://api.anthropic.com".to_owned(), vec![header("x-api-key", "")])
            }
            Platform::Bedrock { region } => {
                let signed = Auth::AwsSigv4(AwsSigv4 { service: "bedrock".into(), region: region.clone() });
                let base_url = format!("https://bedrock-runtime.{region}.amazonaws.com");
                (format!("{PROTOCOL}-on-bedrock"), base_url, vec![signed, header("authorization", "Bearer ")])
            }
            Platform::Vertex { location, .. } => {
                let auth = vec![Auth::GoogleOauth(GOOGLE_SCOPE.into()), header("authorization", "Bearer ")];
                (format!("{PROTOCOL}-on-vertex"), vertex_base_url(location), auth)
            }
        };
        Description {
            protocol,
            operations: words("chat count-tokens"),
            default_base_url: Some(base_url),
            auth,
            forwarded_headers: words("anthropic-version anthropic-beta user-agent x-app x-stainless-*"),
            forwarded_query: words("beta"),
            returned_headers: words("request-id anthropic-* retry-after retry-after-ms x-should-retry"),
            reply_model: words("model message.model"),
            foreign_marks: vec!["\"pointsman:".into()],
            rate_limits: ["requests", "tokens", "input-tokens", "output-tokens"].map(rate_limit).into(),
        }
    }

    /// The clouds refuse URLs of images and documents.
    pub fn fetches_media(&self) -> bool {
        matches!(self, Platform::Anthropic)
    }

    pub fn call(&self, operation: &str, model: &str, stream: bool) -> Call {
        let is_count = is_count(operation);
        let path = match self {
            Platform::Anthropic if is_count => "/v1/messages/count_tokens".into(),
            Platform::Anthropic => "/v1/messages".into(),
            Platform::Bedrock { .. } => {
                let verb = match (is_count, stream) {
                    (true, _) => "count-tokens",
                    (false, true) => "invoke-with-response-stream",
                    (false, false) => "invoke",
                };
                format!("/model/{}/{verb}", percent_encoded(model, ""))
            }
            Platform::Vertex { project, location } => {
                let models = format!("/v1/projects/{project}/locations/{location}/publishers/anthropic/models");
                match (is_count, stream) {
                    (true, _) => format!("{models}/count-tokens:rawPredict"),
                    (false, true) => format!("{models}/{}:streamRawPredict", percent_encoded(model, "@")),
                    (false, false) => format!("{models}/{}:rawPredict", percent_encoded(model, "@")),
                }
            }
        };
        let framing = match self {
            _ if is_count || !stream => Framing::WholeBody,
            Platform::Bedrock { .. } => Framing::AwsEventStream,
            _ => Framing::Sse,
        };
        let version = Header { name: "anthropic-version".into(), value: VERSION.into() };
        let headers = if matches!(self, Platform::Anthropic) { vec![version] } else { Vec::new() };
        Call { method: "POST".into(), path, headers, framing }
    }
}

/// platform.claude.com/docs/en/api/rate-limits#response-headers
fn rate_limit(what: &str) -> RateLimit {
    let name = |which: &str| format!("anthropic-ratelimit-{what}-{which}");
    RateLimit { limit: name("limit"), remaining: name("remaining"), reset: name("reset") }
}

/// `global`, `us` and `eu` have no region's host.
fn vertex_base_url(location: &str) -> String {
    match location {
        "global" => "https://aiplatform.googleapis.com".into(),
        "us" | "eu" => format!("https://aiplatform.{location}.rep.googleapis.com"),
        region => format!("https://{region}-aiplatform.googleapis.com"),
    }
}

/// One segment of a path. Model ids on Bedrock may be ARNs, with colons and slashes.
fn percent_encoded(segment: &str, also_plain: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.~".contains(c) || also_plain.contains(c);
    let encoded = segment.bytes().map(|byte| match char::from(byte) {
        plain if is_plain(plain) => plain.to_string(),
        _ => format!("%{byte:02X}"),
    });
    encoded.collect()
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}
