//! The port that callers use: who may pass, and where requests go.

use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::keys::{self, Who};
use super::unread::Unread;
use crate::config::Caller;
use crate::gateway::{self, Body, Gateway, Table};

/// Answer whatever arrives.
pub async fn answer(gateway: Arc<Gateway>, request: Request<Unread>) -> Response<Body> {
    let table = gateway.table();
    let path = request.uri().path();
    // Clients probe with `HEAD /`, load balancers ask for health: neither has a key.
    let probe = matches!(path, "/" | "/livez" | "/readyz" | "/health");
    if probe && matches!(*request.method(), Method::GET | Method::HEAD) {
        return json(StatusCode::OK, &serde_json::json!({ "status": "ok" }));
    }
    let caller = match keys::who(&request, &table.config.server.callers) {
        Who::Anyone => None,
        Who::Caller(caller) => Some(caller),
        Who::Stranger => {
            let message = "this gateway needs a key: send it as your client sends its provider's, for example as \
                           `Authorization: Bearer …`";
            return error_at(path, StatusCode::UNAUTHORIZED, "authentication_error", message);
        }
    };
    if let Some(endpoint) = table.endpoint(request.method(), path) {
        let endpoint = Arc::clone(endpoint);
        return gateway::answer(gateway, table, endpoint, caller, request).await;
    }
    let caller = caller.as_deref();
    match (request.method(), path) {
        (&Method::GET, "/v1/models") => json(StatusCode::OK, &models(&table, caller)),
        (&Method::GET, "/v1beta/models") => json(StatusCode::OK, &gemini_models(&table, caller)),
        (&Method::GET, path) if path.starts_with("/v1/models/") => {
            one_model(&table, caller, &path["/v1/models/".len()..])
        }
        _ => unknown(&table, request.method(), path),
    }
}

fn unknown(table: &Table, method: &Method, path: &str) -> Response<Body> {
    let there: Vec<String> =
        table.endpoints.iter().map(|endpoint| format!("{} {}", endpoint.method, endpoint.path)).collect();
    let status = match table.endpoints.iter().any(|endpoint| endpoint.path.fits(path)) {
        true => StatusCode::METHOD_NOT_ALLOWED,
        false => StatusCode::NOT_FOUND,
    };
    let shown: String = path.chars().take(100).collect();
    let message = format!("nothing answers {method} {shown}; there are: {}", there.join(", "));
    error_at(path, status, "not_found_error", &message)
}

/// The configured names that the caller may use, in a shape that both families' clients read. Patterns are not names.
fn models(table: &Table, caller: Option<&Caller>) -> serde_json::Value {
    let data: Vec<_> = names(table, caller).map(|name| model(&name)).collect();
    let end = |model: Option<&serde_json::Value>| model.map_or(serde_json::Value::Null, |model| model["id"].clone());
    serde_json::json!({
        "object": "list", "has_more": false, "first_id": end(data.first()), "last_id": end(data.last()), "data": data,
        // Google's clients ask here too.
        "models": gemini_models(table, caller)["models"],
    })
}

fn names(table: &Table, caller: Option<&Caller>) -> impl Iterator<Item = String> {
    let names = table.routes.iter().map(|route| route.pattern.to_string()).filter(|name| !name.ends_with('*'));
    names.filter(move |name| caller.is_none_or(|caller| caller.may_use(name)))
}

fn model(name: &str) -> serde_json::Value {
    serde_json::json!({
        "id": name, "object": "model", "created": 0, "owned_by": "pointsman",
        "type": "model", "display_name": name, "created_at": "1970-01-01T00:00:00Z",
    })
}

/// Any name that a route would answer is a model, if the caller may use it.
fn one_model(table: &Table, caller: Option<&Caller>, name: &str) -> Response<Body> {
    match table.route(name) {
        Some(_) if caller.is_none_or(|caller| caller.may_use(name)) => json(StatusCode::OK, &model(name)),
        _ => error(StatusCode::NOT_FOUND, "not_found_error", "no such model is configured"),
    }
}

/// The same for Gemini's clients.
fn gemini_models(table: &Table, caller: Option<&Caller>) -> serde_json::Value {
    let methods = ["generateContent", "streamGenerateContent", "countTokens"];
    let model = |name: String| {
        serde_json::json!({
            "name": format!("models/{name}"), "displayName": name, "supportedGenerationMethods": methods,
        })
    };
    serde_json::json!({ "models": names(table, caller).map(model).collect::<Vec<_>>() })
}

pub fn json(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    let body = Full::new(value.to_string().into()).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub fn error(status: StatusCode, kind: &str, message: &str) -> Response<Body> {
    json(status, &serde_json::json!({ "type": "error", "error": { "type": kind, "message": message, "code": kind } }))
}

/// An error in the shape that callers of this path read: Google's, whose paths name its versions or its verbs, or the other
/// families'.
fn error_at(path: &str, status: StatusCode, kind: &str, message: &str) -> Response<Body> {
    let is_googles = path.starts_with("/v1beta") || path.starts_with("/v1/models/") && path.contains(':');
    if !is_googles {
        return error(status, kind, message);
    }
    let name = match status {
        StatusCode::UNAUTHORIZED => "UNAUTHENTICATED",
        StatusCode::NOT_FOUND => "NOT_FOUND",
        _ => "INVALID_ARGUMENT",
    };
    json(status, &serde_json::json!({ "error": { "code": status.as_u16(), "message": message, "status": name } }))
}
