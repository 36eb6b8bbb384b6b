//! The port that operators use, through `pointsman plugin …`. Every path needs the token.

use std::sync::Arc;

use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::edge::{error, json};
use super::keys::{bearer, same};
use crate::config::Secret;
use crate::gateway::{Body, Gateway, SlotView};

/// How an operator gets in.
pub const TOKEN_HELP: &str = "set POINTSMAN_ADMIN_TOKEN to the same value for `pointsman serve` and for this command";
/// A plugin's file, and a little more.
const BODY_BYTES_MAX: usize = 33 << 20;

/// What a change of a plugin answers.
#[derive(Debug, Serialize, Deserialize)]
pub struct LoadReply {
    pub slot: SlotView,
}

/// Answer whatever arrives.
pub async fn answer(gateway: Arc<Gateway>, token: &Secret, request: Request<Incoming>) -> Response<Body> {
    if !bearer(request.headers()).is_some_and(|shown| same(shown, token)) {
        return error(
            StatusCode::UNAUTHORIZED,
            "authentication_error",
            &format!("the admin token is wrong: {TOKEN_HELP}"),
        );
    }
    let (head, body) = request.into_parts();
    let path: Vec<&str> = head.uri.path().trim_start_matches('/').split('/').collect();
    let changed = match (&head.method, path.as_slice()) {
        (&Method::GET, ["plugins"]) => {
            return json(StatusCode::OK, &serde_json::json!({ "plugins": gateway.slots() }));
        }
        (&Method::POST, ["plugins", name]) => match Limited::new(body, BODY_BYTES_MAX).collect().await {
            Ok(body) => gateway.load(name, &body.to_bytes()).await,
            Err(error) => Err(anyhow::anyhow!("reading the plugin: {error}")),
        },
        (&Method::POST, ["plugins", name, "swap"]) => gateway.swap(name).await,
        (&Method::POST, ["plugins", name, "rollback"]) => gateway.rollback(name).await,
        (method, _) => {
            return error(StatusCode::NOT_FOUND, "not_found", &format!("nothing answers {method} {}", head.uri.path()));
        }
    };
    match changed {
        Ok(slot) => json(StatusCode::OK, &serde_json::json!({ "slot": slot })),
        Err(fault) => error(StatusCode::UNPROCESSABLE_ENTITY, "refused", &format!("{fault:#}")),
    }
}
