//! The Messages API, as it looks from outside.
//!
//! <https://platform.claude.com/docs/en/api/messages>, <https://platform.claude.com/docs/en/api/errors>

pub mod messages;
mod pairs;
pub mod rules;
#[cfg(test)]
mod tests;
mod tools;

use serde_json::{Value, json};

use self::rules::Wrong;
use super::answer::{Answer, Asked, Finish, fragments};
use super::reply::{Part, Piece, Refused, Script};
use super::state::Seen;
use super::{Protocol, prefill};

/// What a genuine signature starts with here, so that a lost or a foreign one is noticed.
pub const SIGNATURE: &str = "c2lnbmF0dXJl";

pub fn script(seen: &Seen, body: &Value, number: usize) -> Result<Script, Refused> {
    let refused = |wrong: Wrong| refused(wrong.status, wrong.kind, &wrong.message, number);
    let version = rules::check_headers(seen).map_err(refused)?;
    match (seen.method.as_str(), seen.bare_path()) {
        ("POST", "/v1/messages") => {}
        ("POST", "/v1/messages/count_tokens") => {
            let asked = rules::check_count(version, body).map_err(refused)?;
            let body = json!({ "input_tokens": Answer::to(&asked, Protocol::AnthropicMessages).input_tokens });
            return Ok(Script::Whole { body, chunks: 1 });
        }
        _ => return Err(refused(Wrong { status: 404, kind: "not_found_error", message: "Not Found".to_owned() })),
    }
    let asked = prefill::read(seen, body, |body| rules::check(version, body)).map_err(refused)?;
    let answer = Answer::to(&asked, Protocol::AnthropicMessages);
    Ok(match asked.stream {
        true => Script::Stream(events(&asked, &answer, number).iter().map(|(part, data)| sse(*part, data)).collect()),
        false => Script::Whole { body: whole(&asked, &answer, number), chunks: answer.chunks() },
    })
}

fn request_id(number: usize) -> String {
    format!("req_fake{number:06}")
}

pub fn refused(status: u16, kind: &str, message: &str, number: usize) -> Refused {
    let mut body = json!({ "type": "error", "error": error(kind, message), "request_id": request_id(number) });
    if message.starts_with(rules::THREAD_NOT_FOUND) {
        body["error"]["details"] = json!({ "error_code": "thread_not_found" });
    }
    Refused::new(status, body)
}

fn error(kind: &str, message: &str) -> Value {
    json!({ "type": kind, "message": message })
}

/// The error that may come after a 200.
pub fn error_event() -> String {
    let data = json!({ "type": "error", "error": error("overloaded_error", "Overloaded") });
    format!("event: error\ndata: {data}\n\n")
}

pub fn error_body(status: u16, number: usize) -> Value {
    let (kind, message) = match status {
        401 => ("authentication_error", "invalid x-api-key"),
        402 => ("billing_error", "Your credit balance is too low to access the Anthropic API."),
        403 => ("permission_error", "Your API key does not have permission to use the specified resource."),
        404 => ("not_found_error", "model: not found"),
        413 => ("request_too_large", "Request exceeds the maximum allowed number of bytes"),
        429 => ("rate_limit_error", "This request would exceed your account's rate limit. Please try again later."),
        504 => ("timeout_error", "Request timed out"),
        529 => ("overloaded_error", "Overloaded"),
        400..=499 => ("invalid_request_error", "messages: something is wrong with this request"),
        _ => ("api_error", "Internal server error"),
    };
    refused(status, kind, message, number).body
}

/// With every reply, good or bad; limits only where a request was counted. The time at which a limit is whole again lies in
/// the past: a fake reads no clock.
pub fn headers(number: usize, status: u16) -> Vec<(&'static str, String)> {
    let mut headers = vec![("request-id", request_id(number))];
    let (requests, tokens) = match status {
        200 => ("3999", "399000"),
        429 => ("0", "0"),
        _ => return headers,
    };
    let reset = "2026-06-02T10:00:00Z";
    headers.extend(
        [
            ("anthropic-ratelimit-requests-limit", "4000"),
            ("anthropic-ratelimit-requests-remaining", requests),
            ("anthropic-ratelimit-requests-reset", reset),
            ("anthropic-ratelimit-tokens-limit", "400000"),
            ("anthropic-ratelimit-tokens-remaining", tokens),
            ("anthropic-ratelimit-tokens-reset", reset),
        ]
        .map(|(name, value)| (name, value.to_owned())),
    );
    headers
}

fn call_id(number: usize, position: usize) -> String {
    format!("toolu_{number:06}_{position}")
}

fn blocks(answer: &Answer, number: usize) -> Vec<Value> {
    let mut blocks = Vec::new();
    if let Some(thinking) = answer.thinking {
        let signature = format!("{SIGNATURE}{number:08}");
        blocks.push(json!({ "type": "thinking", "thinking": thinking, "signature": signature }));
    }
    if !answer.text.is_empty() {
        blocks.push(json!({ "type": "text", "text": answer.text.concat() }));
    }
    for (position, call) in answer.calls.iter().enumerate() {
        let input: Value = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
        blocks.push(json!({ "type": "tool_use", "id": call_id(number, position), "name": call.name, "input": input }));
    }
    blocks
}

fn stop(finish: &Finish) -> (&'static str, Value) {
    match finish {
        Finish::Stop => ("end_turn", Value::Null),
        Finish::Length => ("max_tokens", Value::Null),
        Finish::Sequence(text) => ("stop_sequence", json!(text)),
        Finish::Tools => ("tool_use", Value::Null),
    }
}

fn message(asked: &Asked, answer: &Answer, number: usize, output_tokens: usize) -> Value {
    json!({
        "id": format!("msg_fake{number:06}"), "type": "message", "role": "assistant", "model": asked.model,
        "content": [], "stop_reason": null, "stop_sequence": null, "stop_details": null,
        "usage": {
            "input_tokens": answer.input_tokens, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            "cache_creation": { "ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0 },
            "output_tokens": output_tokens, "service_tier": "standard",
        },
    })
}

pub fn whole(asked: &Asked, answer: &Answer, number: usize) -> Value {
    let (reason, sequence) = stop(&answer.finish);
    let mut message = message(asked, answer, number, answer.output_tokens);
    message["content"] = json!(blocks(answer, number));
    message["stop_reason"] = json!(reason);
    message["stop_sequence"] = sequence;
    message
}

pub fn sse(part: Part, data: &Value) -> Piece {
    Piece::new(part, format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default()))
}

pub fn events(asked: &Asked, answer: &Answer, number: usize) -> Vec<(Part, Value)> {
    let mut events = Vec::new();
    let mut say = |part: Part, name: &str, mut data: Value| {
        data["type"] = json!(name);
        events.push((part, data));
    };
    say(Part::Opening, "message_start", json!({ "message": message(asked, answer, number, 1) }));
    say(Part::Opening, "ping", json!({}));
    let mut calls = answer.calls.iter();
    for (index, mut block) in blocks(answer, number).into_iter().enumerate() {
        let deltas = match block["type"].as_str() {
            Some("text") => text_deltas(answer),
            Some("thinking") => thinking_deltas(&block),
            _ => input_deltas(calls.next().map_or("{}", |call| call.arguments.as_str())),
        };
        empty(&mut block);
        say(Part::Frame, "content_block_start", json!({ "index": index, "content_block": block }));
        for delta in deltas {
            say(Part::Content, "content_block_delta", json!({ "index": index, "delta": delta }));
        }
        say(Part::Frame, "content_block_stop", json!({ "index": index }));
    }
    let (reason, sequence) = stop(&answer.finish);
    let delta = json!({ "stop_reason": reason, "stop_sequence": sequence, "stop_details": null });
    let usage = json!({
        "input_tokens": answer.input_tokens, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
        "output_tokens": answer.output_tokens,
    });
    say(Part::Closing, "message_delta", json!({ "delta": delta, "usage": usage }));
    say(Part::Closing, "message_stop", json!({}));
    events
}

/// A block as it starts: its fields are there and empty.
fn empty(block: &mut Value) {
    for field in ["text", "thinking", "signature"] {
        if block.get(field).is_some() {
            block[field] = json!("");
        }
    }
    if block.get("input").is_some() {
        block["input"] = json!({});
    }
}

fn text_deltas(answer: &Answer) -> Vec<Value> {
    answer.text.iter().map(|text| json!({ "type": "text_delta", "text": text })).collect()
}

fn thinking_deltas(block: &Value) -> Vec<Value> {
    let text = fragments(block["thinking"].as_str().unwrap_or_default());
    let mut deltas: Vec<_> =
        text.into_iter().map(|text| json!({ "type": "thinking_delta", "thinking": text })).collect();
    deltas.push(json!({ "type": "signature_delta", "signature": block["signature"] }));
    deltas
}

/// The first is empty, and `{}` is not spelt out: the real API does both, and both have broken decoders.
fn input_deltas(arguments: &str) -> Vec<Value> {
    let rest = if arguments == "{}" { Vec::new() } else { fragments(arguments) };
    let delta = |part: String| json!({ "type": "input_json_delta", "partial_json": part });
    [String::new()].into_iter().chain(rest).map(delta).collect()
}
