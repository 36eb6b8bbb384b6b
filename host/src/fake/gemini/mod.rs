//! The Gemini API, as it looks from outside: Google AI Studio's and Vertex's. Vertex has Claude, too.
//!
//! <https://ai.google.dev/api/generate-content>, <https://ai.google.dev/gemini-api/docs/troubleshooting>
//!
//! Signatures are the base64 of `fake/gemini/<name of the function>`, or `fake/gemini/text` on text.

mod claude;
mod contents;
mod embed;
mod errors;
mod fields;
mod pairs;
mod rules;
pub mod shape;
#[cfg(test)]
mod tests;
mod tools;

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::answer::{Answer, Asked, Finish, THINKING_TOKENS, fragments, is_known};
use super::reply::{Part, Piece, Refused, Script, Sent};
use super::seal::seal;
use super::state::Seen;
use super::{Protocol, anthropic, prefill};

use self::errors::refused;

pub use self::errors::failure;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Api {
    Studio,
    Vertex,
    Claude,
}

impl Api {
    fn has(self, method: &str) -> bool {
        match self {
            Api::Studio if matches!(method, "batchEmbedContents" | "embedContent") => true,
            Api::Vertex if method == "predict" => true,
            Api::Studio | Api::Vertex => ["generateContent", "streamGenerateContent", "countTokens"].contains(&method),
            Api::Claude => ["rawPredict", "streamRawPredict"].contains(&method),
        }
    }
}

/// `…/models/<model>:<method>`.
struct Place<'a> {
    api: Api,
    model: String,
    method: &'a str,
}

impl Place<'_> {
    fn of(path: &str) -> Option<Place<'_>> {
        let path = path.split('?').next()?;
        let rest = path.strip_prefix("/v1beta/").or_else(|| path.strip_prefix("/v1beta1/"));
        let rest = rest.or_else(|| path.strip_prefix("/v1/"))?;
        let (api, named) = match rest.strip_prefix("models/") {
            Some(named) => (Api::Studio, named),
            None => vertex_model(rest)?,
        };
        let (model, method) = named.rsplit_once(':')?;
        Some(Place { api, model: percent_decode_str(model).decode_utf8_lossy().into_owned(), method })
    }
}

/// What stands after `projects/<project>/locations/<location>/publishers/<publisher>/models/`.
fn vertex_model(path: &str) -> Option<(Api, &str)> {
    let (_project, rest) = path.strip_prefix("projects/")?.split_once('/')?;
    let (_location, rest) = rest.strip_prefix("locations/")?.split_once('/')?;
    let gemini = rest.strip_prefix("publishers/google/models/").map(|named| (Api::Vertex, named));
    gemini.or_else(|| Some((Api::Claude, rest.strip_prefix("publishers/anthropic/models/")?)))
}

/// Where Claude's tokens are counted the body names the model.
pub fn model(path: &str) -> Option<String> {
    Place::of(path).filter(|place| !claude::counts(&place.model)).map(|place| place.model)
}

fn is_claude(seen: &Seen) -> bool {
    Place::of(&seen.path).is_some_and(|place| place.api == Api::Claude)
}

/// Without `alt=sse` a stream is a JSON array.
fn is_array(seen: &Seen) -> bool {
    Place::of(&seen.path).is_some_and(|place| place.method == "streamGenerateContent")
        && seen.query("alt") != Some("sse")
}

pub fn stream_type(seen: &Seen) -> &'static str {
    if is_array(seen) { "application/json; charset=UTF-8" } else { "text/event-stream" }
}

pub fn headers() -> Vec<(&'static str, String)> {
    vec![("server", "scaffolding on HTTPServer2".to_owned()), ("server-timing", "gfet4t7; dur=9".to_owned())]
}

pub fn script(seen: &Seen, body: &Value, number: usize) -> Result<Script, Refused> {
    let place = admitted(seen).map_err(|refused| errors::framed(seen, refused))?;
    match place.api {
        Api::Claude => claude::script(&place, seen, body, number),
        Api::Studio | Api::Vertex => {
            answer(&place, seen, body, number).map_err(|refused| errors::framed(seen, refused))
        }
    }
}

/// Where a request may go.
fn admitted(seen: &Seen) -> Result<Place<'_>, Refused> {
    let nowhere = || refused(404, "NOT_FOUND", &format!("The requested URL {} was not found.", seen.bare_path()));
    let place = Place::of(&seen.path).filter(|place| seen.method == "POST" && place.api.has(place.method));
    let place = place.ok_or_else(nowhere)?;
    match place.api {
        Api::Studio => errors::check_key(seen)?,
        Api::Vertex | Api::Claude => errors::check_token(seen)?,
    }
    match place.api {
        _ if is_known(&place.model) => Ok(place),
        Api::Claude => Err(errors::no_publisher_model(seen)),
        Api::Studio | Api::Vertex => Err(errors::no_model(&place.model, place.method)),
    }
}

fn answer(place: &Place, seen: &Seen, body: &Value, number: usize) -> Result<Script, Refused> {
    let invalid = |message: String| errors::invalid(&message);
    let embedded = match place.method {
        "embedContent" => Some(embed::one(&place.model, body)),
        "batchEmbedContents" => Some(embed::batch(&place.model, body)),
        "predict" => Some(embed::predict(&place.model, body)),
        _ => None,
    };
    if let Some(embedded) = embedded {
        return Ok(Script::Whole { body: embedded.map_err(invalid)?, chunks: 1 });
    }
    if place.method == "countTokens" {
        let asked = rules::check_count(&place.model, body, place.api == Api::Vertex).map_err(invalid)?;
        let tokens = Answer::to(&asked, Protocol::Gemini).input_tokens;
        let details = json!([{ "modality": "TEXT", "tokenCount": tokens }]);
        return Ok(Script::Whole { body: json!({ "totalTokens": tokens, "promptTokensDetails": details }), chunks: 1 });
    }
    let asked = prefill::read(seen, body, |body| rules::check(&place.model, body)).map_err(invalid)?;
    let answer = Answer::to(&asked, Protocol::Gemini);
    Ok(match place.method {
        "generateContent" => Script::Whole { body: whole(&asked, &answer, number), chunks: answer.chunks() },
        _ => Script::Stream(framed(stream(&asked, &answer, number), is_array(seen))),
    })
}

/// Events with CRLF and without names, or the elements of an array.
fn framed(chunks: Vec<(Part, Value)>, in_array: bool) -> Vec<Piece> {
    let last = chunks.len().saturating_sub(1);
    let frame = |(index, (part, chunk)): (usize, (Part, Value))| {
        let text = match in_array {
            true => {
                format!("{}{chunk}{}", if index == 0 { "[" } else { ",\r\n" }, if index == last { "]" } else { "" })
            }
            false => format!("data: {chunk}\r\n\r\n"),
        };
        Piece::new(part, text)
    };
    chunks.into_iter().enumerate().map(frame).collect()
}

/// The error that may come after a 200.
pub fn error_event(seen: &Seen, sent: Sent) -> String {
    if is_claude(seen) {
        return anthropic::error_event();
    }
    let body = errors::plain(503, None).body;
    match (is_array(seen), sent.pieces) {
        (true, 0) => format!("[{body}]"),
        (true, _) => format!(",\r\n{body}]"),
        (false, _) => format!("data: {body}\r\n\r\n"),
    }
}

fn finish(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Sequence(_) | Finish::Tools => "STOP",
        Finish::Length => "MAX_TOKENS",
    }
}

/// Models that think by themselves sign what they say, and give ids to calls.
fn is_third(asked: &Asked) -> bool {
    asked.model.starts_with("gemini-3")
}

/// Calls, of which only the first is signed.
fn calls(asked: &Asked, answer: &Answer, number: usize) -> Vec<Value> {
    let signs = is_third(asked) || asked.thinking;
    let call = |(position, call): (usize, &super::answer::Call)| {
        let args: Value = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
        let mut function = json!({ "name": call.name, "args": args });
        if is_third(asked) {
            function["id"] = json!(format!("call-{number:06}-{position}"));
        }
        let mut part = json!({ "functionCall": function });
        if signs && position == 0 {
            part["thoughtSignature"] = json!(seal(Protocol::Gemini, &call.name));
        }
        part
    };
    answer.calls.iter().enumerate().map(call).collect()
}

/// What ends a text.
fn text_signature(asked: &Asked, answer: &Answer) -> Option<String> {
    (is_third(asked) && answer.calls.is_empty()).then(|| seal(Protocol::Gemini, "text"))
}

fn usage(asked: &Asked, answer: &Answer, written: usize) -> Value {
    let thoughts = if asked.thinking { THINKING_TOKENS } else { 0 };
    let mut usage = json!({
        "promptTokenCount": answer.input_tokens, "candidatesTokenCount": written,
        "totalTokenCount": answer.input_tokens + written + thoughts,
        "promptTokensDetails": [{ "modality": "TEXT", "tokenCount": answer.input_tokens }],
    });
    if asked.thinking {
        usage["thoughtsTokenCount"] = json!(thoughts);
    }
    usage
}

fn reply(asked: &Asked, candidate: Value, usage: Value, number: usize) -> Value {
    json!({
        "candidates": [candidate], "usageMetadata": usage, "modelVersion": asked.model,
        "responseId": format!("fake{number:06}"),
    })
}

/// Tokens of the answer itself.
fn written(asked: &Asked, answer: &Answer) -> usize {
    answer.output_tokens - if asked.thinking { THINKING_TOKENS } else { 0 }
}

fn whole(asked: &Asked, answer: &Answer, number: usize) -> Value {
    let mut parts: Vec<Value> =
        answer.thinking.iter().map(|thought| json!({ "text": thought, "thought": true })).collect();
    if !answer.text.is_empty() {
        let mut part = json!({ "text": answer.text.concat() });
        if let Some(signature) = text_signature(asked, answer) {
            part["thoughtSignature"] = json!(signature);
        }
        parts.push(part);
    }
    parts.extend(calls(asked, answer, number));
    let candidate = json!({
        "content": { "role": "model", "parts": parts }, "finishReason": finish(&answer.finish), "index": 0,
    });
    reply(asked, candidate, usage(asked, answer, written(asked, answer)), number)
}

/// Text word by word, calls whole. The last chunk has no text, only the reason to finish, and what signs the text.
fn stream(asked: &Asked, answer: &Answer, number: usize) -> Vec<(Part, Value)> {
    let thoughts = answer.thinking.map(fragments).unwrap_or_default();
    let thoughts = thoughts.into_iter().map(|text| json!({ "text": text, "thought": true }));
    let texts = answer.text.iter().map(|text| json!({ "text": text }));
    let parts = thoughts.chain(texts).chain(calls(asked, answer, number));
    let chunk = |(index, part): (usize, Value)| {
        let candidate = json!({ "content": { "role": "model", "parts": [part] }, "index": 0 });
        (Part::Content, reply(asked, candidate, usage(asked, answer, index + 1), number))
    };
    let mut chunks: Vec<(Part, Value)> = parts.enumerate().map(chunk).collect();
    let mut last = json!({ "text": "" });
    if let Some(signature) = text_signature(asked, answer) {
        last["thoughtSignature"] = json!(signature);
    }
    let candidate = json!({
        "content": { "role": "model", "parts": [last] }, "finishReason": finish(&answer.finish), "index": 0,
    });
    chunks.push((Part::Closing, reply(asked, candidate, usage(asked, answer, written(asked, answer)), number)));
    chunks
}
