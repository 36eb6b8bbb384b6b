//! Chat Completions, as they look from outside.
//!
//! <https://platform.openai.com/docs/api-reference/chat>, <https://platform.openai.com/docs/guides/error-codes>

use serde_json::{Value, json};

use super::Protocol;
use super::answer::{Answer, Asked, Finish};
use super::openai_rules;
use super::reply::{Piece, Refused, Script};
use super::server::Seen;

/// 2 June 2026, when it all began.
const CREATED: u64 = 1_780_394_400;

pub fn script(seen: &Seen, body: &Value, number: usize) -> Result<Script, Refused> {
    if seen.method != "POST" || seen.path.split('?').next() != Some("/v1/chat/completions") {
        return Err(refused(
            404,
            "invalid_request_error",
            None,
            &format!("Invalid URL ({} {})", seen.method, seen.path),
            Value::Null,
        ));
    }
    let asked = openai_rules::check(seen, body)?;
    let answer = Answer::to(&asked, Protocol::OpenAiChat);
    let (content_type, pieces) = match asked.stream {
        true => ("text/event-stream; charset=utf-8", stream(&asked, &answer, number)),
        false => ("application/json", vec![Piece { bytes: whole(&asked, &answer, number).to_string(), content: true }]),
    };
    let headers = vec![
        ("x-request-id", format!("req_{number:06}")),
        ("x-ratelimit-limit-requests", "5000".to_owned()),
        ("x-ratelimit-remaining-requests", "4999".to_owned()),
        ("x-ratelimit-reset-requests", "12ms".to_owned()),
    ];
    let error = json!({ "error": { "message": "The server is overloaded", "type": "server_error", "param": null, "code": "overloaded" } });
    Ok(Script { pieces, error_event: format!("data: {error}\n\n"), content_type, headers })
}

pub fn refused(status: u16, kind: &str, param: Option<&str>, message: &str, code: Value) -> Refused {
    Refused { status, body: json!({ "error": { "message": message, "type": kind, "param": param, "code": code } }) }
}

pub fn error_body(status: u16) -> Value {
    let (kind, code, message) = match status {
        401 => ("invalid_request_error", json!("invalid_api_key"), "Incorrect API key provided."),
        403 => (
            "invalid_request_error",
            json!("unsupported_country_region_territory"),
            "Country, region, or territory not supported",
        ),
        404 => (
            "invalid_request_error",
            json!("model_not_found"),
            "The model does not exist or you do not have access to it.",
        ),
        400 => ("invalid_request_error", Value::Null, "Something is wrong with this request."),
        429 => ("requests", json!("rate_limit_exceeded"), "Rate limit reached for requests. Please try again later."),
        503 => ("server_error", json!("overloaded"), "The engine is currently overloaded, please try again later"),
        _ => ("server_error", Value::Null, "The server had an error while processing your request."),
    };
    refused(status, kind, None, message, code).body
}

fn finish(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Sequence(_) => "stop",
        Finish::Length => "length",
        Finish::Tools => "tool_calls",
    }
}

fn usage(asked: &Asked, answer: &Answer) -> Value {
    let reasoning = if asked.thinking { 7 } else { 0 };
    let output = answer.output_tokens + reasoning;
    json!({
        "prompt_tokens": answer.input_tokens, "completion_tokens": output, "total_tokens": answer.input_tokens + output,
        "prompt_tokens_details": { "cached_tokens": 0 }, "completion_tokens_details": { "reasoning_tokens": reasoning },
    })
}

fn id(number: usize) -> String {
    format!("chatcmpl-{number:06}")
}

fn call_id(number: usize, position: usize) -> String {
    format!("call_{number:06}_{position}")
}

fn whole(asked: &Asked, answer: &Answer, number: usize) -> Value {
    let text = answer.text.concat();
    let content = if answer.calls.is_empty() { json!(text) } else { Value::Null };
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

fn stream(asked: &Asked, answer: &Answer, number: usize) -> Vec<Piece> {
    let chunk = |choices: Value| {
        let mut chunk = json!({
            "id": id(number), "object": "chat.completion.chunk", "created": CREATED, "model": asked.model,
            "system_fingerprint": "fp_fake", "choices": choices,
        });
        if asked.stream_usage {
            chunk["usage"] = Value::Null;
        }
        chunk
    };
    let delta = |delta: Value, finish: Value| {
        chunk(json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish }]))
    };
    let piece = |value: Value, content: bool| Piece { bytes: format!("data: {value}\n\n"), content };
    let mut pieces =
        vec![piece(delta(json!({ "role": "assistant", "content": "", "refusal": null }), Value::Null), false)];
    for text in &answer.text {
        pieces.push(piece(delta(json!({ "content": text }), Value::Null), true));
    }
    for (position, call) in answer.calls.iter().enumerate() {
        let function = json!({ "name": call.name, "arguments": "" });
        let opening =
            json!({ "index": position, "id": call_id(number, position), "type": "function", "function": function });
        pieces.push(piece(delta(json!({ "tool_calls": [opening] }), Value::Null), true));
        let letters: Vec<char> = call.arguments.chars().collect();
        for part in letters.chunks(5) {
            let fragment = json!({ "index": position, "function": { "arguments": part.iter().collect::<String>() } });
            pieces.push(piece(delta(json!({ "tool_calls": [fragment] }), Value::Null), true));
        }
    }
    pieces.push(piece(delta(json!({}), json!(finish(&answer.finish))), false));
    if asked.stream_usage {
        let mut last = chunk(json!([]));
        last["usage"] = usage(asked, answer);
        pieces.push(piece(last, false));
    }
    pieces.push(Piece { bytes: "data: [DONE]\n\n".to_owned(), content: false });
    pieces
}
