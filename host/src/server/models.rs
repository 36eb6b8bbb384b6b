//! The lists of models: the configured names that a caller may use, in the shape that its client reads.

use hyper::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::edge;
use crate::config::Caller;
use crate::gateway::{Body, Table};

const LIST: &str = "/v1/models";
/// Google's.
const GEMINI_LIST: &str = "/v1beta/models";
/// Codex says its version when it asks for the list, and reads another shape: codex-rs, `ModelsResponse`.
const CODEX_VERSION: &str = "client_version";
/// Codex has instructions of its own for OpenAI's models, and what a list says of a model replaces them.
const KNOWN_TO_CODEX: [&str; 3] = ["gpt-", "codex-", "openai/gpt-"];
/// What Codex tells a model of which it knows nothing but what stands in this list.
const CODEX_INSTRUCTIONS: &str = "You are Codex, a coding agent that works in the user's terminal and repository. Use the \
    tools to read the code before you change it, keep changes small and in the style of the code around them, run the tests \
    that concern them, and say briefly what you did and what is left to do.";
/// Of a model whose context is not known: what Codex assumes of any.
const CODEX_OUTPUT_BYTES: u64 = 10_000;

/// Does a list or a model's own entry stand at this path?
pub fn is_there(path: &str) -> bool {
    [LIST, GEMINI_LIST]
        .iter()
        .any(|list| path == *list || path.strip_prefix(list).is_some_and(|rest| rest.starts_with('/')))
}

/// The answer, if the request asks for a list or for one model.
pub fn answer<B>(table: &Table, caller: Option<&Caller>, request: &Request<B>) -> Option<Response<Body>> {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    if !matches!(*request.method(), Method::GET | Method::HEAD) || !is_there(path) {
        return None;
    }
    let is_codex = query.split('&').any(|pair| pair.split('=').next() == Some(CODEX_VERSION));
    let found = match path {
        LIST if is_codex => Ok(codex_list(table, caller)),
        LIST => Ok(list(table, caller)),
        GEMINI_LIST => Ok(gemini_list(table, caller)),
        path => {
            let (list, one): (_, fn(&str) -> Value) = match path.starts_with(GEMINI_LIST) {
                true => (GEMINI_LIST, gemini_model),
                false => (LIST, model),
            };
            let name = percent_decode_str(&path[list.len() + 1..]).decode_utf8_lossy();
            // Any name that a route would answer is a model.
            let is_there = table.route(&name).is_some() && caller.is_none_or(|caller| caller.may_use(&name));
            if is_there { Ok(one(&name)) } else { Err((list, name)) }
        }
    };
    Some(match found {
        Ok(found) => edge::json(StatusCode::OK, &found),
        Err((list, name)) => missing(list, &name),
    })
}

fn missing(list: &str, name: &str) -> Response<Body> {
    let name: String = name.chars().take(100).collect();
    let message = format!("no model `{name}` is configured; GET {list} lists the names");
    if list == GEMINI_LIST {
        let error = json!({ "code": 404, "message": message, "status": "NOT_FOUND" });
        return edge::json(StatusCode::NOT_FOUND, &json!({ "error": error }));
    }
    edge::error(StatusCode::NOT_FOUND, "not_found_error", &message)
}

/// In a shape that OpenAI's, Anthropic's and Google's clients read.
fn list(table: &Table, caller: Option<&Caller>) -> Value {
    let data: Vec<_> = names(table, caller).map(|name| model(&name)).collect();
    let end = |model: Option<&Value>| model.map_or(Value::Null, |model| model["id"].clone());
    json!({
        "object": "list", "has_more": false, "first_id": end(data.first()), "last_id": end(data.last()), "data": data,
        "models": gemini_list(table, caller)["models"],
    })
}

fn names(table: &Table, caller: Option<&Caller>) -> impl Iterator<Item = String> {
    // Patterns are not names.
    let names = table.routes.iter().map(|route| route.pattern.to_string()).filter(|name| !name.ends_with('*'));
    names.filter(move |name| caller.is_none_or(|caller| caller.may_use(name)))
}

fn model(name: &str) -> Value {
    json!({
        "id": name, "object": "model", "created": 0, "owned_by": "pointsman",
        "type": "model", "display_name": name, "created_at": "1970-01-01T00:00:00Z",
    })
}

fn gemini_list(table: &Table, caller: Option<&Caller>) -> Value {
    json!({ "models": names(table, caller).map(|name| gemini_model(&name)).collect::<Vec<_>>() })
}

fn gemini_model(name: &str) -> Value {
    json!({
        "name": format!("models/{name}"), "displayName": name,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
    })
}

/// Every field that Codex requires: it takes the whole list, or says that it cannot read it.
fn codex_list(table: &Table, caller: Option<&Caller>) -> Value {
    let unknown = names(table, caller).filter(|name| !KNOWN_TO_CODEX.iter().any(|known| name.starts_with(known)));
    let models = unknown.enumerate().map(|(priority, name)| {
        json!({
            "slug": name, "display_name": name, "description": null, "visibility": "list", "supported_in_api": true,
            "priority": priority, "base_instructions": CODEX_INSTRUCTIONS,
            "supported_reasoning_levels": [], "default_reasoning_level": null, "supports_reasoning_summaries": false,
            "default_reasoning_summary": "auto", "support_verbosity": false, "default_verbosity": null,
            "shell_type": "shell_command", "apply_patch_tool_type": null, "supports_parallel_tool_calls": true,
            "truncation_policy": { "mode": "bytes", "limit": CODEX_OUTPUT_BYTES }, "experimental_supported_tools": [],
            "availability_nux": null, "upgrade": null, "input_modalities": ["text", "image"],
        })
    });
    json!({ "models": models.collect::<Vec<_>>() })
}
