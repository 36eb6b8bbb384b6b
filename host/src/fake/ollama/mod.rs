//! Ollama's own API, as it looks from outside.
//!
//! <https://github.com/ollama/ollama/blob/main/docs/api.md>

mod embed;
mod rules;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use super::answer::{Answer, Asked, Finish, fragments, is_known};
use super::reply::{Part, Piece, Refused, Script};
use super::state::Seen;
use super::{Protocol, prefill};

/// A fake reads no clock.
const CREATED: &str = "2026-06-02T10:00:00.123456789Z";
const BUSY: &str = "server busy, please try again.  maximum pending requests exceeded";

pub fn script(seen: &Seen, body: &Value, number: usize) -> Result<Script, Refused> {
    match (seen.method.as_str(), seen.bare_path()) {
        ("POST", "/api/chat" | "/api/embed") => {}
        ("GET", "/api/tags") => return Ok(Script::Whole { body: tags(), chunks: 1 }),
        ("GET", "/api/version") => return Ok(Script::Whole { body: json!({ "version": "0.30.0" }), chunks: 1 }),
        _ => return Err(refused(404, "404 page not found")),
    }
    if seen.header("authorization").is_some_and(|value| value.starts_with("Bearer bad-")) {
        return Err(refused(401, "unauthorized"));
    }
    if seen.bare_path() == "/api/embed" {
        return embed::script(body);
    }
    let asked = prefill::read(seen, body, rules::check).map_err(|message| refused(400, &message))?;
    if !is_known(&asked.model) {
        return Err(refused(404, &format!("model '{}' not found", asked.model)));
    }
    if body["messages"].as_array().is_none_or(Vec::is_empty) {
        let mut body = line(&asked, json!({ "content": "" }));
        (body["done"], body["done_reason"]) = (json!(true), json!("load"));
        return Ok(Script::Whole { body, chunks: 1 });
    }
    let answer = Answer::to(&asked, Protocol::Ollama);
    Ok(match asked.stream {
        true => Script::Stream(stream(&asked, &answer, number)),
        false => Script::Whole { body: whole(&asked, &answer, number), chunks: answer.chunks() },
    })
}

fn refused(status: u16, message: &str) -> Refused {
    Refused::new(status, json!({ "error": message }))
}

/// What the server says with this status, or with the nearest that it has.
pub fn failure(status: u16) -> Refused {
    match status {
        401 | 403 => refused(status, "unauthorized"),
        404 => refused(404, "model not found, try pulling it first"),
        413 => refused(413, "http: request body too large"),
        429 => refused(429, "too many requests"),
        400..=499 => refused(status, "invalid request"),
        503 | 529 => refused(503, BUSY),
        _ => refused(status, "llama runner process has terminated: exit status 2"),
    }
}

/// The error that may come after a 200: a line of its own.
pub fn error_event() -> String {
    format!("{}\n", json!({ "error": BUSY }))
}

fn tags() -> Value {
    let details = json!({ "format": "gguf", "family": "fake", "parameter_size": "8B", "quantization_level": "Q4_K_M" });
    json!({ "models": [{
        "name": "fake:latest", "model": "fake:latest", "modified_at": CREATED, "size": 1, "digest": "0", "details": details,
    }] })
}

fn line(asked: &Asked, mut message: Value) -> Value {
    message["role"] = json!("assistant");
    json!({ "model": asked.model, "created_at": CREATED, "message": message, "done": false })
}

/// The same reason for a stop and for calls: who reads it must look whether there were any.
fn close(line: &mut Value, answer: &Answer) {
    let reason = if answer.finish == Finish::Length { "length" } else { "stop" };
    let last = json!({
        "done": true, "done_reason": reason, "total_duration": 9_000_000, "load_duration": 1_000_000,
        "prompt_eval_count": answer.input_tokens, "prompt_eval_duration": 2_000_000,
        "eval_count": answer.output_tokens, "eval_duration": 6_000_000,
    });
    if let (Some(line), Value::Object(last)) = (line.as_object_mut(), last) {
        line.extend(last);
    }
}

fn calls(answer: &Answer, number: usize) -> Vec<Value> {
    let call = |(index, call): (usize, &super::answer::Call)| {
        let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
        let function = json!({ "index": index, "name": call.name, "arguments": arguments });
        json!({ "id": format!("call_{number:06}_{index}"), "function": function })
    };
    answer.calls.iter().enumerate().map(call).collect()
}

fn whole(asked: &Asked, answer: &Answer, number: usize) -> Value {
    let mut message = json!({ "content": answer.text.concat() });
    if let Some(thinking) = answer.thinking {
        message["thinking"] = json!(thinking);
    }
    if !answer.calls.is_empty() {
        message["tool_calls"] = json!(calls(answer, number));
    }
    let mut whole = line(asked, message);
    close(&mut whole, answer);
    whole
}

/// Text word by word, each call whole on a line of its own.
fn stream(asked: &Asked, answer: &Answer, number: usize) -> Vec<Piece> {
    let thinking = answer.thinking.map(fragments).unwrap_or_default();
    let thinking = thinking.into_iter().map(|part| json!({ "content": "", "thinking": part }));
    let text = answer.text.iter().map(|part| json!({ "content": part }));
    let calls = calls(answer, number).into_iter().map(|call| json!({ "content": "", "tool_calls": [call] }));
    let piece = |part, line: &Value| Piece::new(part, format!("{line}\n"));
    let messages = thinking.chain(text).chain(calls);
    let mut pieces: Vec<Piece> = messages.map(|message| piece(Part::Content, &line(asked, message))).collect();
    let mut last = line(asked, json!({ "content": "" }));
    close(&mut last, answer);
    pieces.push(piece(Part::Closing, &last));
    pieces
}
