//! Claude on Vertex: the Messages API behind Google's front, which lets in, finds models and counts quotas. What is wrong with
//! a body is said by Anthropic.
//!
//! <https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude>
//!
//! What no page says is here as users met it: the words on betas (github.com/anthropics/claude-code, issues 11154 and 34802), on
//! URLs (github.com/BerriAI/litellm, 18430) and on the version (github.com/jordigilh/kubernaut, 686), and the event that is
//! Google's own (github.com/vercel/ai, 11309).

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use super::super::answer::{Answer, Asked};
use super::super::anthropic::rules::{self, Wrong};
use super::super::reply::{Part, Refused, Script};
use super::super::state::Seen;
use super::super::{Protocol, anthropic, prefill};
use super::Place;

const VERSION: &str = "vertex-2023-10-16";
/// The Messages API's own version that this one stands for.
const MESSAGES_VERSION: &str = "2023-06-01";
/// Stands where a model would.
const COUNT: &str = "count-tokens";
/// Of the Messages API, and unknown here.
const NOT_HERE: &[&str] = &["cache_control", "diagnostics", "inference_geo", "service_tier", "speed"];
const CONTEXT_MANAGEMENT: &str = "context-management-2025-06-27";
/// Those of the Messages API that Vertex knows, too.
const BETAS: &[&str] = &[
    CONTEXT_MANAGEMENT,
    "claude-code-20250219",
    "compact-2026-01-12",
    "computer-use-2024-10-22",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "context-1m-2025-08-07",
    "dev-full-thinking-2025-05-14",
    "fine-grained-tool-streaming-2025-05-14",
    "interleaved-thinking-2025-05-14",
    "output-128k-2025-02-19",
    "search-results-2025-06-09",
    "token-efficient-tools-2025-02-19",
    "tool-search-tool-2025-10-19",
    "web-search-2025-03-05",
];
/// Those that counting does not know.
const NOT_COUNTED: &[&str] = &["context-1m-2025-08-07", "web-search-2025-03-05"];
/// Failures that come from behind Google's front.
const STATUSES: &[u16] = &[400, 413, 500, 529];

pub fn counts(model: &str) -> bool {
    model == COUNT
}

pub fn script(place: &Place, seen: &Seen, body: &Value, number: usize) -> Result<Script, Refused> {
    let refused = |wrong: Wrong| anthropic::refused(wrong.status, wrong.kind, &wrong.message, number);
    let asked = prefill::read(seen, body, |body| check(place, seen, body)).map_err(refused)?;
    let answer = Answer::to(&asked, Protocol::Gemini);
    if counts(&place.model) {
        return Ok(Script::Whole { body: json!({ "input_tokens": answer.input_tokens }), chunks: 1 });
    }
    // A reply has Anthropic's name for the model: `claude-sonnet-4-5-20250929`.
    let named = Asked { model: asked.model.replace('@', "-"), ..Asked::default() };
    if !asked.stream {
        return Ok(Script::Whole { body: anthropic::whole(&named, &answer, number), chunks: answer.chunks() });
    }
    let mut events = anthropic::events(&named, &answer, number).into_iter();
    let start = events.next().into_iter();
    let events = start.chain([(Part::Opening, google_event(&answer))]).chain(events);
    Ok(Script::Stream(events.map(|(part, data)| anthropic::sse(part, &data)).collect()))
}

/// What no client of the Messages API knows. Nulls stand where that API has numbers.
fn google_event(answer: &Answer) -> Value {
    let usage = json!({
        "input_tokens": answer.input_tokens, "output_tokens": 1, "cache_creation_input_tokens": null,
        "cache_read_input_tokens": null, "web_search_requests": null,
        "cache_creation": { "ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0 },
    });
    json!({ "type": "vertex_event", "usage": usage })
}

fn check(place: &Place, seen: &Seen, body: &Value) -> Result<Asked, Wrong> {
    let mut body = body.clone();
    let fields = body.as_object_mut().ok_or("The request body is not valid JSON")?;
    let counts = counts(&place.model);
    check_betas(seen, fields, counts)?;
    match fields.remove("anthropic_version") {
        // Counting works without it.
        None if !counts => return Err("anthropic_version: Field required".into()),
        Some(version) if version != VERSION => {
            return Err(format!("anthropic_version: Input should be '{VERSION}'").into());
        }
        _ => {}
    }
    let unknown = NOT_HERE.iter().chain((!counts).then_some(&"model")).find(|name| fields.contains_key(**name));
    if let Some(unknown) = unknown {
        return Err(format!("{unknown}: Extra inputs are not permitted").into());
    }
    if let Some((message, block)) = fields.get("messages").and_then(place_of_url) {
        // The words are the same for documents.
        let at = format!("messages.{message}.content.{block}.image.source.base64.data");
        return Err(format!("{at}: URL sources are not supported").into());
    }
    if counts {
        return rules::check_count(MESSAGES_VERSION, &body);
    }
    // The real one may take less care, but a path and a body that do not agree are a mistake.
    let is_streamed = place.method == "streamRawPredict";
    if (fields.get("stream") == Some(&json!(true))) != is_streamed {
        return Err(format!("stream: Input should be {is_streamed} for {}", place.method).into());
    }
    fields.insert("model".to_owned(), json!(place.model));
    rules::check(MESSAGES_VERSION, &body)
}

/// They stand in a header, and are refused even if nothing in the body needs them.
fn check_betas(seen: &Seen, fields: &Map<String, Value>, counts: bool) -> Result<(), String> {
    let given = seen.header("anthropic-beta").unwrap_or_default().split(',').map(str::trim);
    let given: Vec<&str> = given.filter(|beta| !beta.is_empty()).collect();
    let is_known = |beta: &str| BETAS.contains(&beta) && !(counts && NOT_COUNTED.contains(&beta));
    let unknown: Vec<String> = given.iter().filter(|beta| !is_known(beta)).map(|beta| format!("`{beta}`")).collect();
    if !unknown.is_empty() {
        let advice = "Please consult our documentation at docs.anthropic.com or try again without the header.";
        return Err(format!("Unexpected value(s) {} for the `anthropic-beta` header. {advice}", unknown.join(", ")));
    }
    if fields.contains_key("context_management") && !given.contains(&CONTEXT_MANAGEMENT) {
        return Err("context_management: Extra inputs are not permitted".to_owned());
    }
    Ok(())
}

/// The message and the block with an image or a document that would have to be fetched.
fn place_of_url(messages: &Value) -> Option<(usize, usize)> {
    messages.as_array()?.iter().enumerate().find_map(|(message, said)| {
        let block = said["content"].as_array()?.iter().position(has_url)?;
        Some((message, block))
    })
}

/// Results of tools have blocks, too.
fn has_url(block: &Value) -> bool {
    block["source"]["type"] == "url" || block["content"].as_array().is_some_and(|blocks| blocks.iter().any(has_url))
}

/// What Anthropic says with this status, if it is one of Anthropic's.
pub fn failure(status: u16, retry_after_s: Option<u64>, number: usize) -> Option<Refused> {
    let body = STATUSES.contains(&status).then(|| anthropic::error_body(status, number))?;
    Some(Refused::new(status, body).with_retry_after(retry_after_s))
}
