//! A Messages body, as each platform wants it.

use super::Platform;
use crate::encode::Extras;
use crate::is_count;
use crate::{BETA_FIELD, BETA_HEADER};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pointsman_sdk::codec::provider::Header;
use serde_json::{Map, Value, json};

/// What `count_tokens` takes: all that makes the prompt longer.
const COUNTED: [&str; 11] = [
    "model",
    "system",
    "messages",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "context_management",
    "cache_control",
    "speed",
    BETA_FIELD,
];

/// Fields at the top that the clouds refuse as unknown.
const ANTHROPIC_ONLY: [&str; 6] = ["cache_control", "diagnostics", "inference_geo", "service_tier", "speed", "thread"];

/// Betas that the clouds know; one that they do not know makes them refuse the whole request (`invalid beta flag`).
/// Tried on Bedrock by the authors of envoyproxy/ai-gateway, pull request 2512.
const CLOUD_BETAS: [&str; 11] = [
    "computer-use-2024-10-22",
    "computer-use-2025-01-24",
    CONTEXT_MANAGEMENT,
    LONG_CONTEXT,
    "dev-full-thinking-2025-05-14",
    "fine-grained-tool-streaming-2025-05-14",
    "interleaved-thinking-2025-05-14",
    "output-128k-2025-02-19",
    "search-results-2025-06-09",
    "token-efficient-tools-2025-02-19",
    "tool-search-tool-2025-10-19",
];
/// Vertex refuses to count with it: github.com/anthropics/claude-code/issues/25379.
const LONG_CONTEXT: &str = "context-1m-2025-08-07";
/// The field `context_management` is unknown without it.
const CONTEXT_MANAGEMENT: &str = "context-management-2025-06-27";

/// What is sent: bytes, and headers that belong to them.
pub struct Body {
    pub bytes: Vec<u8>,
    pub headers: Vec<Header>,
}

impl Platform {
    /// `body` is what Anthropic itself would be sent for `chat`.
    pub fn body(&self, operation: &str, mut body: Map<String, Value>, extras: &mut Extras) -> Body {
        let is_bedrock = matches!(self, Platform::Bedrock { .. });
        if is_count(operation) && !is_bedrock {
            body.retain(|name, _| COUNTED.contains(&name.as_str()));
        }
        let mut headers = Vec::new();
        match self {
            Platform::Anthropic => headers.extend(beta_header(&take_betas(&mut body))),
            Platform::Bedrock { .. } => {
                body.retain(|name, _| name != "model" && name != "stream");
                body.insert("anthropic_version".into(), "bedrock-2023-05-31".into());
                let betas = fit_to_clouds(&mut body, extras);
                if !betas.is_empty() {
                    body.insert(BETA_FIELD.into(), betas.into());
                }
            }
            Platform::Vertex { .. } => {
                if !is_count(operation) {
                    body.retain(|name, _| name != "model");
                }
                body.insert("anthropic_version".into(), "vertex-2023-10-16".into());
                let mut betas = fit_to_clouds(&mut body, extras);
                if is_count(operation) {
                    betas.retain(|beta| beta != LONG_CONTEXT);
                }
                headers.extend(beta_header(&betas));
            }
        }
        let mut bytes = Value::Object(body).to_string().into_bytes();
        if is_count(operation) && is_bedrock {
            // The body of an `invoke`, in Base64.
            bytes = json!({ "input": { "invokeModel": { "body": STANDARD.encode(bytes) } } }).to_string().into_bytes();
        }
        Body { bytes, headers }
    }
}

/// Takes out what the clouds refuse and returns the betas that the body needs or asks for.
fn fit_to_clouds(body: &mut Map<String, Value>, extras: &mut Extras) -> Vec<String> {
    for name in ANTHROPIC_ONLY {
        extras.drop_if(body.contains_key(name), name);
    }
    let asked = take_betas(body);
    body.retain(|name, _| !ANTHROPIC_ONLY.contains(&name.as_str()));
    let mut betas = Vec::from_iter(body.contains_key("context_management").then(|| CONTEXT_MANAGEMENT.to_owned()));
    for beta in asked {
        if !CLOUD_BETAS.contains(&beta.as_str()) {
            extras.drop(BETA_FIELD);
        } else if !betas.contains(&beta) {
            betas.push(beta);
        }
    }
    betas
}

fn take_betas(body: &mut Map<String, Value>) -> Vec<String> {
    let mut asked = Vec::new();
    body.retain(|name, value| {
        if name == BETA_FIELD {
            let betas = value.as_array().into_iter().flatten().filter_map(Value::as_str);
            asked = betas.map(str::to_owned).collect();
        }
        name != BETA_FIELD
    });
    asked
}

fn beta_header(betas: &[String]) -> Option<Header> {
    (!betas.is_empty()).then(|| Header { name: BETA_HEADER.into(), value: betas.join(",") })
}
