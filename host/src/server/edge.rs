//! The port that callers use: who may pass, and where requests go.

use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue, UPGRADE};
use hyper::{Method, Request, Response, StatusCode};

use super::cors::{self, Cors};
use super::hosts;
use super::keys::{self, Who};
use super::models;
use super::unread::Unread;
use crate::config::Origins;
use crate::gateway::{self, Body, Gateway, Readiness, Table};

/// Answer whatever arrives.
pub async fn answer(gateway: Arc<Gateway>, request: Request<Unread>) -> Response<Body> {
    let table = gateway.table();
    let cors = Cors::of(request.headers(), &table.config.server.origins);
    if request.method() == Method::OPTIONS && is_known(&table, request.uri().path()) {
        return cors::options(request.headers(), cors.as_ref());
    }
    let mut answer = routed(Arc::clone(&gateway), table, request).await;
    if gateway.readiness().is_draining() {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(cors) = cors {
        cors.mark(answer.headers_mut());
    }
    answer
}

fn is_known(table: &Table, path: &str) -> bool {
    models::is_there(path) || table.endpoints.iter().any(|endpoint| endpoint.path.fits(path))
}

async fn routed(gateway: Arc<Gateway>, table: Arc<Table>, request: Request<Unread>) -> Response<Body> {
    let path = request.uri().path();
    // Clients probe with `HEAD /`, load balancers ask for health: neither has a key.
    let probe = matches!(path, "/" | "/livez" | "/readyz" | "/health");
    if probe && matches!(*request.method(), Method::GET | Method::HEAD) {
        if path == "/readyz" {
            return ready(gateway.readiness());
        }
        return json(StatusCode::OK, &serde_json::json!({ "status": "ok" }));
    }
    let server_origins = &table.config.server.origins;
    let caller = match keys::who(&request, &table.config.server.callers) {
        Who::Anyone if cors::is_foreign_page(request.headers(), server_origins) => {
            let message = "a page of another site may not call a gateway that asks for no key: add its origin to `cors_origins` in \
                           `[server]`, or give callers keys";
            return error_at(path, StatusCode::FORBIDDEN, "permission_error", message);
        }
        Who::Anyone if *server_origins != Origins::All && !hosts::is_own(&request, &table.config.server.hosts) => {
            let message = "a gateway that asks for no key answers only to addresses, to `localhost` and to names without a dot: a page in \
                           a browser may lead any other name here. Add the name in `Host` to `hosts` in `[server]`, or give \
                           callers keys";
            return error_at(path, StatusCode::FORBIDDEN, "permission_error", message);
        }
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
    if is_websocket(request.headers()) && is_known(&table, path) {
        return no_websocket(path);
    }
    // What stands behind a model's name may be a method of Google's.
    let is_endpoint = table.endpoints.iter().any(|endpoint| endpoint.path.fits(path));
    let listed = if is_endpoint { None } else { models::answer(&table, caller.as_deref(), &request) };
    listed.unwrap_or_else(|| unknown(&table, request.method(), path))
}

/// A handshake: RFC 6455, 4.1.
fn is_websocket(headers: &HeaderMap) -> bool {
    let protocols = headers.get_all(UPGRADE).iter().filter_map(|value| value.to_str().ok());
    protocols.flat_map(|list| list.split(',')).any(|protocol| protocol.trim().eq_ignore_ascii_case("websocket"))
}

/// 426 is the status at which Codex asks by HTTP at once; after any other it tries the handshake five times more.
fn no_websocket(path: &str) -> Response<Body> {
    let path: String = path.chars().take(100).collect();
    let message = format!("there is no WebSocket at {path}: send a POST, and read events with `stream`");
    let mut answer = error(StatusCode::UPGRADE_REQUIRED, "invalid_request_error", &message);
    // RFC 9110, 15.5.22: it names what to use instead.
    answer.headers_mut().insert(UPGRADE, HeaderValue::from_static("HTTP/1.1"));
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    answer
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

/// 503 while the process stops. A background task that broke down is reported, and is no reason to send requests elsewhere.
fn ready(readiness: &Readiness) -> Response<Body> {
    if readiness.is_draining() {
        return json(StatusCode::SERVICE_UNAVAILABLE, &serde_json::json!({ "status": "stopping" }));
    }
    let restarts = readiness.restarts();
    if restarts.is_empty() {
        return json(StatusCode::OK, &serde_json::json!({ "status": "ok" }));
    }
    json(StatusCode::OK, &serde_json::json!({ "status": "ok", "restarted_tasks": restarts }))
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
