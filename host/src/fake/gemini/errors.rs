//! Errors in the API's shape, and who is let in.
//!
//! <https://cloud.google.com/apis/design/errors>

use serde_json::{Value, json};

use super::super::reply::Refused;
use super::super::state::Seen;
use super::{claude, is_array, is_claude};

const BAD_KEY: &str = "API key not valid. Please pass a valid API key.";
const BAD_TOKEN: &str = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other \
                         valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.";
const QUOTA: &str = "You exceeded your current quota, please check your plan and billing details.";

pub fn refused(status: u16, word: &str, message: &str) -> Refused {
    Refused::new(status, json!({ "error": { "code": status, "message": message, "status": word } }))
}

/// What stands beside the message for programs to read.
fn with_details(mut refused: Refused, details: Value) -> Refused {
    refused.body["error"]["details"] = details;
    refused
}

pub fn invalid(message: &str) -> Refused {
    refused(400, "INVALID_ARGUMENT", message)
}

/// Where an array was to be streamed an error stands in one, too; and where Claude was to stream, though events were.
pub fn framed(seen: &Seen, mut refused: Refused) -> Refused {
    if is_array(seen) || seen.bare_path().ends_with(":streamRawPredict") {
        refused.body = json!([refused.body]);
    }
    refused
}

pub fn no_model(model: &str, method: &str) -> Refused {
    let known = "Call ListModels to see the list of available models and their supported methods.";
    let message =
        format!("models/{model} is not found for API version v1beta, or is not supported for {method}. {known}");
    refused(404, "NOT_FOUND", &message)
}

/// Claude.
pub fn no_publisher_model(seen: &Seen) -> Refused {
    let (resource, _method) = seen.bare_path().rsplit_once(':').unwrap_or_default();
    let resource = resource.trim_start_matches("/v1/");
    let message = format!(
        "Publisher Model `{resource}` was not found or your project does not have access to it. Please ensure you are using \
         a valid model version."
    );
    refused(404, "NOT_FOUND", &message)
}

/// AI Studio. A bad key is an invalid argument there, not a missing permission.
pub fn check_key(seen: &Seen) -> Result<(), Refused> {
    let key = seen.header("x-goog-api-key").or(seen.query("key")).unwrap_or_default();
    if key.is_empty() || key.starts_with("bad") {
        return Err(bad_key());
    }
    Ok(())
}

fn bad_key() -> Refused {
    let details = json!([
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com",
            "metadata": { "service": "generativelanguage.googleapis.com" },
        },
        { "@type": "type.googleapis.com/google.rpc.LocalizedMessage", "locale": "en-US", "message": BAD_KEY },
    ]);
    with_details(invalid(BAD_KEY), details)
}

/// Vertex.
pub fn check_token(seen: &Seen) -> Result<(), Refused> {
    let token = seen.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if token.is_empty() || token.starts_with("bad") {
        return Err(refused(401, "UNAUTHENTICATED", BAD_TOKEN));
    }
    Ok(())
}

/// What the API says with this status, or with the nearest that it has.
pub fn failure(seen: &Seen, status: u16, retry_after_s: Option<u64>, number: usize) -> Refused {
    let anthropic = is_claude(seen).then(|| claude::failure(status, retry_after_s, number)).flatten();
    anthropic.unwrap_or_else(|| framed(seen, plain(status, retry_after_s)))
}

pub fn plain(status: u16, retry_after_s: Option<u64>) -> Refused {
    match status {
        401 => refused(401, "UNAUTHENTICATED", BAD_TOKEN),
        402 | 403 => refused(403, "PERMISSION_DENIED", "The caller does not have permission"),
        404 => refused(404, "NOT_FOUND", "Requested entity was not found."),
        408 | 504 => refused(504, "DEADLINE_EXCEEDED", "The request timed out. Please try again."),
        413 => refused(413, "INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes."),
        429 => limited(retry_after_s),
        499 => refused(499, "CANCELLED", "The operation was cancelled."),
        400..=499 => refused(status, "INVALID_ARGUMENT", "Request contains an invalid argument."),
        502 => refused(502, "UNAVAILABLE", "Bad Gateway"),
        503 | 529 => refused(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
        _ => refused(500, "INTERNAL", "An internal error has occurred. Please retry or report."),
    }
}

/// How long to wait stands in the body; there is no `Retry-After`.
fn limited(retry_after_s: Option<u64>) -> Refused {
    let mut details = vec![json!({
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{
            "quotaMetric": "generativelanguage.googleapis.com/generate_content_requests",
            "quotaId": "GenerateRequestsPerMinutePerProjectPerModel", "quotaValue": "10",
        }],
    })];
    let message = match retry_after_s {
        Some(seconds) => {
            let delay = format!("{seconds}s");
            details.push(json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay }));
            format!("{QUOTA}\nPlease retry in {delay}.")
        }
        None => QUOTA.to_owned(),
    };
    with_details(refused(429, "RESOURCE_EXHAUSTED", &message), json!(details))
}
