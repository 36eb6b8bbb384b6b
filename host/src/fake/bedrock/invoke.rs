//! InvokeModel for Claude: the Messages API in another envelope.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::answer::{Answer, Asked};
use super::super::reply::{Piece, Refused, Script};
use super::super::state::Seen;
use super::super::{Protocol, anthropic, prefill};
use super::claude;
use super::errors::invalid;
use super::frames::event;
use super::models::check_reserved;

const VERSION: &str = "bedrock-2023-05-31";
/// The Messages API's own version that this one stands for.
pub const MESSAGES_VERSION: &str = "2023-06-01";
const CONTEXT_MANAGEMENT: &str = "context-management-2025-06-27";
/// Those of the Messages API that Bedrock knows, too.
const BETAS: &[&str] = &[
    "computer-use-2024-10-22",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "token-efficient-tools-2025-02-19",
    "output-128k-2025-02-19",
    "search-results-2025-06-09",
    "interleaved-thinking-2025-05-14",
    "dev-full-thinking-2025-05-14",
    "fine-grained-tool-streaming-2025-05-14",
    CONTEXT_MANAGEMENT,
    "context-1m-2025-08-07",
    "tool-search-tool-2025-10-19",
    "tool-examples-2025-10-29",
    "effort-2025-11-24",
];

pub fn script(model: &str, seen: &Seen, body: &Value, streamed: bool, number: usize) -> Result<Script, Refused> {
    let asked = prefill::read(seen, body, |body| check(model, body))?;
    let answer = Answer::to(&Asked { model: model.to_owned(), ..asked }, Protocol::Bedrock);
    let named = Asked { model: claude(model).unwrap_or_default().to_owned(), ..Asked::default() };
    if !streamed {
        return Ok(Script::Whole { body: anthropic::whole(&named, &answer, number), chunks: answer.chunks() });
    }
    let events = anthropic::events(&named, &answer, number).into_iter();
    let events = events.filter(|(_, data)| data["type"] != "ping").enumerate().map(|(index, (part, mut data))| {
        if data["type"] == "message_stop" {
            data["amazon-bedrock-invocationMetrics"] = json!({
                "inputTokenCount": answer.input_tokens, "outputTokenCount": answer.output_tokens,
                "invocationLatency": 9, "firstByteLatency": 3,
            });
        }
        let chunk = json!({ "bytes": STANDARD.encode(data.to_string()) });
        Piece::new(part, event("chunk", chunk, 3 + index * 7))
    });
    Ok(Script::Stream(events.collect()))
}

pub fn check(model: &str, body: &Value) -> Result<Asked, Refused> {
    let malformed =
        |what: &str| invalid(&format!("Malformed input request: {what}, please reformat your input and try again."));
    let name = claude(model).ok_or_else(|| invalid("This fake invokes only models of Anthropic."))?;
    let mut body = body.clone();
    let fields = body.as_object_mut().ok_or_else(|| malformed("expected type: JSONObject, found: String"))?;
    if let Some(extra) = ["model", "stream"].into_iter().find(|field| fields.contains_key(*field)) {
        return Err(malformed(&format!("#: extraneous key [{extra}] is not permitted")));
    }
    match fields.remove("anthropic_version") {
        None => return Err(malformed("#: required key [anthropic_version] not found")),
        Some(version) if version != VERSION => {
            return Err(malformed(&format!("#/anthropic_version: {version} is not a valid enum value")));
        }
        Some(_) => {}
    }
    let betas = fields.remove("anthropic_beta").unwrap_or_default();
    check_betas(&betas).map_err(|message| invalid(&message))?;
    let has_beta = betas.as_array().is_some_and(|betas| betas.iter().any(|beta| beta == CONTEXT_MANAGEMENT));
    if fields.contains_key("context_management") && !has_beta {
        return Err(invalid("context_management: Extra inputs are not permitted"));
    }
    check_reserved(fields.get("system").unwrap_or(&Value::Null)).map_err(|message| invalid(&message))?;
    if fields.get("messages").is_some_and(has_url) {
        return Err(invalid("messages: URL sources are not supported"));
    }
    fields.insert("model".to_owned(), json!(name));
    anthropic::rules::check(MESSAGES_VERSION, &body).map_err(|wrong| invalid(&wrong.message))
}

/// Does any image or document among these blocks have to be fetched?
fn has_url(value: &Value) -> bool {
    let fetched = |block: &Value| block["source"]["type"] == "url" || has_url(&block["content"]);
    value.as_array().is_some_and(|list| list.iter().any(fetched))
}

pub fn check_betas(betas: &Value) -> Result<(), String> {
    let known = |beta: &Value| beta.as_str().is_some_and(|beta| BETAS.contains(&beta));
    match betas {
        Value::Null => Ok(()),
        Value::Array(betas) if betas.iter().all(known) => Ok(()),
        _ => Err("invalid beta flag".to_owned()),
    }
}
