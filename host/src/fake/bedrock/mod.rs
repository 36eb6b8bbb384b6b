//! Bedrock's runtime, as it looks from outside: Converse for every model, InvokeModel for Claude and embeddings.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html>
//!
//! A signature of Converse is the base64 of `fake/bedrock/<text of the thought>`; those of InvokeModel are the Messages API's.

mod auth;
mod content;
mod converse;
mod embed;
mod errors;
mod frames;
mod invoke;
mod models;
mod pairs;
mod rules;
#[cfg(test)]
mod tests;
mod tools;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::answer::{Answer, is_known};
use super::reply::{Refused, Script};
use super::state::Seen;
use super::{Protocol, prefill};

use self::errors::{invalid, refused};

pub use self::errors::failure;

/// Model and operation.
fn place(path: &str) -> Option<(String, &str)> {
    let (model, operation) = path.split('?').next()?.strip_prefix("/model/")?.rsplit_once('/')?;
    Some((percent_decode_str(model).decode_utf8_lossy().into_owned(), operation))
}

pub fn model(path: &str) -> Option<String> {
    place(path).map(|(model, _)| model)
}

/// The name that Anthropic gives a model: `claude-sonnet-4` of `us.anthropic.claude-sonnet-4-v1:0`.
fn claude(model: &str) -> Option<&str> {
    let (_, name) = model.rsplit_once("anthropic.")?;
    Some(name.rsplit_once("-v").map_or(name, |(name, _)| name))
}

pub fn headers(number: usize) -> Vec<(&'static str, String)> {
    vec![("x-amzn-requestid", format!("00000000-0000-4000-8000-{number:012}"))]
}

pub fn script(seen: &Seen, body: &Value, number: usize) -> Result<Script, Refused> {
    auth::check(seen)?;
    let place = place(&seen.path).filter(|_| seen.method == "POST");
    let (model, operation) = place.ok_or_else(|| refused(404, "UnknownOperationException", "Unknown operation"))?;
    if !is_known(&model) {
        return Err(match model.starts_with("missing") {
            true => failure(404),
            false => invalid("The provided model identifier is invalid."),
        });
    }
    match operation {
        "converse" | "converse-stream" => {
            let asked = prefill::read(seen, body, |body| rules::check(&model, body));
            let asked = asked.map_err(|message| invalid(&message))?;
            let answer = Answer::to(&asked, Protocol::Bedrock);
            Ok(match operation {
                "converse" => Script::Whole { body: converse::whole(&answer, number), chunks: answer.chunks() },
                _ => Script::Stream(converse::stream(&answer, number)),
            })
        }
        "invoke" => embed::script(&model, body).unwrap_or_else(|| invoke::script(&model, seen, body, false, number)),
        "invoke-with-response-stream" => invoke::script(&model, seen, body, true, number),
        "count-tokens" => count(&model, body),
        _ => Err(refused(404, "UnknownOperationException", "Unknown operation")),
    }
}

fn count(model: &str, body: &Value) -> Result<Script, Refused> {
    let input = &body["input"];
    let asked = match (input.get("converse"), input["invokeModel"]["body"].as_str()) {
        (Some(request), None) => rules::check(model, request).map_err(|message| invalid(&message))?,
        (None, Some(encoded)) => {
            let body = STANDARD.decode(encoded).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
            invoke::check(model, &body.ok_or_else(|| invalid("The body of invokeModel is not base64 of JSON."))?)?
        }
        _ => return Err(invalid("Exactly one of converse and invokeModel must be set at 'input'.")),
    };
    let tokens = Answer::to(&asked, Protocol::Bedrock).input_tokens;
    Ok(Script::Whole { body: json!({ "inputTokens": tokens }), chunks: 1 })
}

/// The error that may come after a 200.
pub fn error_event() -> Bytes {
    frames::exception("serviceUnavailableException", &json!({ "message": errors::UNAVAILABLE }))
}

/// A frame whose check sum is wrong.
pub fn garbage() -> Bytes {
    let mut bytes = frames::event("messageStart", json!({ "role": "assistant" }), 3).to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 0xff;
    }
    bytes.into()
}
