//! Chat Completions and embeddings, as they look from outside, also as Azure serves them.
//!
//! <https://platform.openai.com/docs/api-reference/chat>, <https://platform.openai.com/docs/guides/error-codes>

mod azure;
mod embeddings;
pub mod messages;
pub mod rules;
#[cfg(test)]
mod tests;
pub mod tools;

use std::borrow::Cow;

use serde_json::{Value, json};

use self::rules::Wrong;
use super::answer::{Answer, Asked, Finish, fragments};
use super::reply::{Part, Piece, Refused, Script};
use super::state::Seen;
use super::{Protocol, prefill};

pub use self::azure::deployment;

/// 2 June 2026, when it all began.
pub const CREATED: u64 = 1_780_394_400;
/// What thinking costs, where it is asked for.
const REASONING_TOKENS: usize = 7;
const INVALID: &str = "invalid_request_error";

pub fn script(seen: &Seen, body: &Value, number: usize) -> Result<Script, Refused> {
    let is_azure = azure::is_azure(seen);
    let mut body = Cow::Borrowed(body);
    if is_azure {
        azure::check(seen)?;
        if let Some(deployment) = deployment(&seen.path).filter(|_| body.is_object()) {
            body.to_mut()["model"] = json!(deployment);
        }
    } else {
        rules::check_key(seen).map_err(refusal)?;
    }
    match (seen.method.as_str(), operation(seen)) {
        ("POST", "chat/completions") => {}
        ("GET", "models") => return Ok(Script::Whole { body: models(), chunks: 1 }),
        ("POST", "embeddings") => {
            let body = embeddings::answer(&body).map_err(refusal)?;
            return Ok(Script::Whole { body, chunks: 1 });
        }
        _ if is_azure => return Err(azure::not_found()),
        _ => return Err(invalid_url(seen)),
    }
    let asked = prefill::read(seen, &body, rules::check).map_err(refusal)?;
    let answer = Answer::to(&asked, Protocol::OpenAiChat);
    Ok(match asked.stream {
        true => {
            let chunks = stream(&asked, &answer, number);
            let chunks = if is_azure { azure::filtered_chunks(chunks) } else { chunks };
            let pieces = chunks.into_iter().map(|(part, chunk)| Piece::new(part, format!("data: {chunk}\n\n")));
            let done = Piece::new(Part::Closing, "data: [DONE]\n\n");
            Script::Stream(pieces.chain([done]).collect())
        }
        false => {
            let body = whole(&asked, &answer, number);
            Script::Whole { body: if is_azure { azure::filtered(body) } else { body }, chunks: answer.chunks() }
        }
    })
}

/// A few of those that the fake knows, which are nearly all.
fn models() -> Value {
    let model = |id| json!({ "id": id, "object": "model", "created": CREATED, "owned_by": "openai" });
    let models = ["gpt-5", "gpt-4o", "text-embedding-3-small"].map(model);
    json!({ "object": "list", "data": models })
}

/// What stands after the version or the deployment.
fn operation(seen: &Seen) -> &str {
    let path = seen.bare_path();
    let deployed = || path.strip_prefix("/openai/deployments/")?.split_once('/').map(|(_, operation)| operation);
    let plain = path.strip_prefix("/v1/").or_else(|| path.strip_prefix("/openai/v1/"));
    plain.or_else(deployed).unwrap_or_default()
}

pub fn invalid_url(seen: &Seen) -> Refused {
    let text = format!("Invalid URL ({} {})", seen.method, seen.path);
    refused(404, INVALID, None, &text, None)
}

pub fn refusal(wrong: Wrong) -> Refused {
    refused(wrong.status, INVALID, wrong.param.as_deref(), &wrong.message, wrong.code)
}

fn refused(status: u16, kind: &str, param: Option<&str>, message: &str, code: Option<&str>) -> Refused {
    let error = json!({ "message": message, "type": kind, "param": param, "code": code });
    Refused::new(status, json!({ "error": error }))
}

/// The error that may come after a 200.
pub fn error_event() -> String {
    let overloaded = refused(503, "server_error", None, "The server is overloaded.", Some("overloaded"));
    format!("data: {}\n\n", overloaded.body)
}

pub fn failure(seen: &Seen, status: u16, retry_after_s: Option<u64>) -> Refused {
    if azure::is_azure(seen) {
        return azure::failure(status, retry_after_s);
    }
    Refused::new(status, error_body(status)).with_retry_after(retry_after_s)
}

fn error_body(status: u16) -> Value {
    let (kind, code, message) = match status {
        401 => (INVALID, Some("invalid_api_key"), "Incorrect API key provided."),
        403 => (INVALID, Some("unsupported_country_region_territory"), "Country, region, or territory not supported"),
        404 => (INVALID, Some("model_not_found"), "The model does not exist or you do not have access to it."),
        413 => (INVALID, None, "Request body is too large."),
        429 => ("requests", Some("rate_limit_exceeded"), "Rate limit reached for requests. Please try again later."),
        400..=499 => (INVALID, None, "Something is wrong with this request."),
        503 => ("server_error", Some("overloaded"), "The engine is currently overloaded, please try again later"),
        _ => ("server_error", None, "The server had an error while processing your request."),
    };
    refused(status, kind, None, message, code).body
}

/// With every reply, good or bad; limits only where a request was counted.
pub fn headers(seen: &Seen, number: usize, status: u16) -> Vec<(&'static str, String)> {
    if azure::is_azure(seen) {
        return azure::headers(number, status);
    }
    let mut headers = vec![("x-request-id", format!("req_fake{number:06}"))];
    let (requests, tokens, reset) = match status {
        200 => ("4999", "799000", "12ms"),
        429 => ("0", "0", "1s"),
        _ => return headers,
    };
    headers.extend(
        [
            ("openai-processing-ms", "9"),
            ("openai-version", "2020-10-01"),
            ("x-ratelimit-limit-requests", "5000"),
            ("x-ratelimit-remaining-requests", requests),
            ("x-ratelimit-reset-requests", reset),
            ("x-ratelimit-limit-tokens", "800000"),
            ("x-ratelimit-remaining-tokens", tokens),
            ("x-ratelimit-reset-tokens", reset),
        ]
        .map(|(name, value)| (name, value.to_owned())),
    );
    headers
}

fn finish(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Sequence(_) => "stop",
        Finish::Length => "length",
        Finish::Tools => "tool_calls",
    }
}

fn usage(asked: &Asked, answer: &Answer) -> Value {
    let reasoning = if asked.thinking { REASONING_TOKENS } else { 0 };
    let output = answer.output_tokens + reasoning;
    json!({
        "prompt_tokens": answer.input_tokens, "completion_tokens": output, "total_tokens": answer.input_tokens + output,
        "prompt_tokens_details": { "cached_tokens": 0, "audio_tokens": 0 },
        "completion_tokens_details": {
            "reasoning_tokens": reasoning, "audio_tokens": 0, "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}

fn id(number: usize) -> String {
    format!("chatcmpl-fake{number:06}")
}

fn call_id(number: usize, position: usize) -> String {
    format!("call_{number:06}_{position}")
}

fn whole(asked: &Asked, answer: &Answer, number: usize) -> Value {
    let content = if answer.calls.is_empty() { json!(answer.text.concat()) } else { Value::Null };
    let mut message = json!({ "role": "assistant", "content": content, "refusal": null, "annotations": [] });
    if !answer.calls.is_empty() {
        let calls = answer.calls.iter().enumerate().map(|(position, call)| {
            let function = json!({ "name": call.name, "arguments": call.arguments });
            json!({ "id": call_id(number, position), "type": "function", "function": function })
        });
        message["tool_calls"] = calls.collect();
    }
    json!({
        "id": id(number), "object": "chat.completion", "created": CREATED, "model": asked.model,
        "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": finish(&answer.finish) }],
        "usage": usage(asked, answer), "service_tier": "default", "system_fingerprint": "fp_fake",
    })
}

fn stream(asked: &Asked, answer: &Answer, number: usize) -> Vec<(Part, Value)> {
    let chunk = |choices: Value| {
        let mut chunk = json!({
            "id": id(number), "object": "chat.completion.chunk", "created": CREATED, "model": asked.model,
            "service_tier": "default", "system_fingerprint": "fp_fake", "choices": choices,
        });
        if asked.stream_usage {
            chunk["usage"] = Value::Null;
        }
        chunk
    };
    let delta = |part: Part, delta: Value, finish: Value| {
        let choice = json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish });
        (part, chunk(json!([choice])))
    };
    let content = if answer.calls.is_empty() { json!("") } else { Value::Null };
    let opening = json!({ "role": "assistant", "content": content, "refusal": null });
    let mut chunks = vec![delta(Part::Opening, opening, Value::Null)];
    chunks.extend(deltas(answer, number).into_iter().map(|fields| delta(Part::Content, fields, Value::Null)));
    chunks.push(delta(Part::Closing, json!({}), json!(finish(&answer.finish))));
    if asked.stream_usage {
        let mut last = chunk(json!([]));
        last["usage"] = usage(asked, answer);
        chunks.push((Part::Closing, last));
    }
    chunks
}

/// Text word by word; calls one after another, id and name only in the first piece of each.
fn deltas(answer: &Answer, number: usize) -> Vec<Value> {
    let mut deltas: Vec<Value> = answer.text.iter().map(|text| json!({ "content": text })).collect();
    for (index, call) in answer.calls.iter().enumerate() {
        let function = json!({ "name": call.name, "arguments": "" });
        let first = json!({ "index": index, "id": call_id(number, index), "type": "function", "function": function });
        let rest = fragments(&call.arguments);
        let rest = rest.into_iter().map(|part| json!({ "index": index, "function": { "arguments": part } }));
        deltas.extend([first].into_iter().chain(rest).map(|call| json!({ "tool_calls": [call] })));
    }
    deltas
}
