//! The same models where Azure serves them: deployments in the path, a key in a header of its own, the filters' verdicts
//! everywhere, and errors of the gateway in front.
//!
//! <https://learn.microsoft.com/azure/ai-services/openai/reference>

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::super::answer::is_known;
use super::super::reply::{Part, Refused};
use super::super::state::Seen;

const DENIED: &str = "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key \
                      for an active subscription and use a correct regional API endpoint for your resource.";
const NO_DEPLOYMENT: &str = "The API deployment for this resource does not exist. If you created the deployment within the \
                             last 5 minutes, please wait a moment and try again.";
/// Before it, `stream_options` were unknown.
const STREAM_OPTIONS_SINCE: &str = "2024-09-01";

pub fn is_azure(seen: &Seen) -> bool {
    seen.path.starts_with("/openai/")
}

/// The deployment that a path names.
pub fn deployment(path: &str) -> Option<String> {
    let (name, _) = path.strip_prefix("/openai/deployments/")?.split_once('/')?;
    Some(percent_decode_str(name).decode_utf8_lossy().into_owned())
}

/// Key, version and deployment. A key of Azure or a token of Entra will do.
pub fn check(seen: &Seen) -> Result<(), Refused> {
    let bearer = seen.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let key = seen.header("api-key").or(bearer).unwrap_or_default();
    if key.is_empty() || key.starts_with("bad-") {
        return Err(refused(401, "401", DENIED));
    }
    let Some(deployment) = deployment(&seen.path) else { return Ok(()) };
    let version = seen.query("api-version").unwrap_or_default();
    if !is_version(version) {
        return Err(not_found());
    }
    if !is_known(&deployment) {
        return Err(refused(404, "DeploymentNotFound", NO_DEPLOYMENT));
    }
    let has_options =
        || serde_json::from_slice::<Value>(&seen.body).is_ok_and(|body| !body["stream_options"].is_null());
    if version < STREAM_OPTIONS_SINCE && has_options() {
        let wrong = super::rules::unknown("stream_options");
        return wrong.map_err(super::refusal);
    }
    Ok(())
}

/// `2024-10-21` or `2025-01-01-preview`.
fn is_version(text: &str) -> bool {
    let date = text.strip_suffix("-preview").unwrap_or(text);
    let shape = date
        .bytes()
        .enumerate()
        .all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() });
    shape && date.len() == 10
}

pub fn not_found() -> Refused {
    refused(404, "404", "Resource not found")
}

fn refused(status: u16, code: &str, message: &str) -> Refused {
    Refused::new(status, json!({ "error": { "code": code, "message": message } }))
}

pub fn failure(status: u16, retry_after_s: Option<u64>) -> Refused {
    let seconds = retry_after_s.unwrap_or(1);
    let limited = format!(
        "Requests to the ChatCompletions_Create Operation under Azure OpenAI API have exceeded call rate limit of your \
         current OpenAI S0 pricing tier. Please retry after {seconds} seconds."
    );
    let (code, message) = match status {
        401 => ("401", DENIED),
        404 => ("DeploymentNotFound", NO_DEPLOYMENT),
        429 => ("429", limited.as_str()),
        // A refusal of the model behind the gateway looks as OpenAI's do.
        400 | 500 => return Refused::new(status, super::error_body(status)),
        403 => ("AccessDenied", "Access denied due to Virtual Network/Firewall rules."),
        408 => ("Timeout", "The operation was timeout."),
        503 => {
            ("ServiceUnavailable", "The service is temporarily unable to process your request. Please try again later.")
        }
        _ => ("InternalServerError", "The service is temporarily unable to process your request."),
    };
    let mut refused = refused(status, code, message).with_retry_after(retry_after_s);
    refused.headers.extend(retry_after_s.map(|seconds| ("retry-after-ms", (seconds * 1000).to_string())));
    refused
}

pub fn headers(number: usize, status: u16) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("apim-request-id", format!("00000000-0000-4000-8000-{number:012}")),
        ("x-ms-region", "Fake Central".to_owned()),
    ];
    if status == 200 {
        headers.push(("x-ratelimit-remaining-requests", "999".to_owned()));
        headers.push(("x-ratelimit-remaining-tokens", "99900".to_owned()));
    }
    headers
}

fn verdict() -> Value {
    let safe = json!({ "filtered": false, "severity": "safe" });
    json!({ "hate": safe, "self_harm": safe, "sexual": safe, "violence": safe })
}

fn prompt_verdict() -> Value {
    json!([{ "prompt_index": 0, "content_filter_results": verdict() }])
}

/// A whole reply with what the filters say of it.
pub fn filtered(mut body: Value) -> Value {
    body["prompt_filter_results"] = prompt_verdict();
    body["choices"][0]["content_filter_results"] = verdict();
    body
}

/// A stream with what the filters say of it. It opens with a chunk that is about the prompt only: without choices, and with
/// neither id nor model.
pub fn filtered_chunks(chunks: Vec<(Part, Value)>) -> Vec<(Part, Value)> {
    let first = json!({
        "choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": prompt_verdict(),
    });
    let chunks = chunks.into_iter().map(|(part, mut chunk)| {
        if let Some(choice) = chunk["choices"].get_mut(0) {
            choice["content_filter_results"] = if part == Part::Content { verdict() } else { json!({}) };
        }
        (part, chunk)
    });
    [(Part::Opening, first)].into_iter().chain(chunks).collect()
}
