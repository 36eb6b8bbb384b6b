//! The Messages API, as it looks from outside.
//!
//! <https://platform.claude.com/docs/en/api/messages>, <https://platform.claude.com/docs/en/api/errors>

use serde_json::{Value, json};

use super::Protocol;
use super::answer::{Answer, Asked, Finish};
use super::anthropic_rules;
use super::reply::{Piece, Refused, Script};
use super::server::Seen;

pub fn script(seen: &Seen, body: &Value, number: usize) -> Result<Script, Refused> {
    if seen.method != "POST" || seen.path.split('?').next() != Some("/v1/messages") {
        return Err(refused(404, "not_found_error", "Not found"));
    }
    let asked = anthropic_rules::check(seen, body)?;
    let answer = Answer::to(&asked, Protocol::AnthropicMessages);
    let (content_type, pieces) = match asked.stream {
        true => ("text/event-stream; charset=utf-8", stream(&asked, &answer, number)),
        false => ("application/json", vec![Piece { bytes: whole(&asked, &answer, number).to_string(), content: true }]),
    };
    let headers = vec![
        ("request-id", format!("req_{number:06}")),
        ("anthropic-ratelimit-requests-limit", "4000".to_owned()),
        ("anthropic-ratelimit-requests-remaining", "3999".to_owned()),
        ("anthropic-ratelimit-requests-reset", "2026-06-02T10:00:00Z".to_owned()),
    ];
    let error_event = event("error", &json!({ "error": error("overloaded_error", "Overloaded") }));
    Ok(Script { pieces, error_event, content_type, headers })
}

pub fn refused(status: u16, kind: &str, message: &str) -> Refused {
    Refused { status, body: json!({ "type": "error", "error": error(kind, message), "request_id": "req_fake" }) }
}

fn error(kind: &str, message: &str) -> Value {
    json!({ "type": kind, "message": message })
}

pub fn error_body(status: u16) -> Value {
    let (kind, message) = match status {
        400 => ("invalid_request_error", "messages: something is wrong with this request"),
        401 => ("authentication_error", "invalid x-api-key"),
        402 => ("billing_error", "Your credit balance is too low"),
        403 => ("permission_error", "Your API key does not have permission to use the specified resource."),
        404 => ("not_found_error", "model: not found"),
        413 => ("request_too_large", "Request exceeds the maximum allowed number of bytes"),
        429 => ("rate_limit_error", "This request would exceed your account's rate limit. Please try again later."),
        504 => ("timeout_error", "Request timed out"),
        529 => ("overloaded_error", "Overloaded"),
        _ => ("api_error", "Internal server error"),
    };
    refused(status, kind, message).body
}

fn blocks(answer: &Answer, number: usize) -> Vec<Value> {
    let mut blocks = Vec::new();
    if let Some(thinking) = answer.thinking {
        blocks
            .push(json!({ "type": "thinking", "thinking": thinking, "signature": format!("c2lnbmF0dXJl{number:04}") }));
    }
    if !answer.text.is_empty() {
        blocks.push(json!({ "type": "text", "text": answer.text.concat() }));
    }
    for (position, call) in answer.calls.iter().enumerate() {
        let input: Value = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
        let id = format!("toolu_{number:04}_{position}");
        blocks.push(json!({ "type": "tool_use", "id": id, "name": call.name, "input": input }));
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
        "id": format!("msg_{number:06}"), "type": "message", "role": "assistant", "model": asked.model, "content": [],
        "stop_reason": null, "stop_sequence": null,
        "usage": {
            "input_tokens": answer.input_tokens, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            "output_tokens": output_tokens, "service_tier": "standard",
        },
    })
}

fn whole(asked: &Asked, answer: &Answer, number: usize) -> Value {
    let (reason, sequence) = stop(&answer.finish);
    let mut message = message(asked, answer, number, answer.output_tokens);
    message["content"] = json!(blocks(answer, number));
    message["stop_reason"] = json!(reason);
    message["stop_sequence"] = sequence;
    message
}

fn event(name: &str, fields: &Value) -> String {
    let mut data = json!({ "type": name });
    if let (Some(data), Some(fields)) = (data.as_object_mut(), fields.as_object()) {
        data.extend(fields.clone());
    }
    format!("event: {name}\ndata: {data}\n\n")
}

fn stream(asked: &Asked, answer: &Answer, number: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut say =
        |name: &str, fields: Value, content: bool| pieces.push(Piece { bytes: event(name, &fields), content });
    say("message_start", json!({ "message": message(asked, answer, number, 1) }), false);
    say("ping", json!({}), false);
    for (index, block) in blocks(answer, number).into_iter().enumerate() {
        let mut opening = block.clone();
        let mut deltas = Vec::new();
        match block["type"].as_str() {
            Some("text") => {
                opening["text"] = json!("");
                deltas.extend(answer.text.iter().map(|text| json!({ "type": "text_delta", "text": text })));
            }
            Some("thinking") => {
                opening["thinking"] = json!("");
                opening["signature"] = json!("");
                deltas.push(json!({ "type": "thinking_delta", "thinking": block["thinking"] }));
                deltas.push(json!({ "type": "signature_delta", "signature": block["signature"] }));
            }
            _ => {
                opening["input"] = json!({});
                deltas.push(json!({ "type": "input_json_delta", "partial_json": "" }));
                let text = block["input"].to_string();
                let letters: Vec<char> = if text == "{}" { Vec::new() } else { text.chars().collect() };
                deltas.extend(letters.chunks(5).map(
                    |part| json!({ "type": "input_json_delta", "partial_json": part.iter().collect::<String>() }),
                ));
            }
        }
        say("content_block_start", json!({ "index": index, "content_block": opening }), false);
        for delta in deltas {
            say("content_block_delta", json!({ "index": index, "delta": delta }), true);
        }
        say("content_block_stop", json!({ "index": index }), false);
    }
    let (reason, sequence) = stop(&answer.finish);
    let delta = json!({ "stop_reason": reason, "stop_sequence": sequence });
    say("message_delta", json!({ "delta": delta, "usage": { "output_tokens": answer.output_tokens } }), false);
    say("message_stop", json!({}), false);
    pieces
}
