//! `/faults` on operators' port: what they break on purpose (`pointsman fault`).

use http_body_util::{BodyExt as _, Limited};
use hyper::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::edge::{error, json};
use super::unread::Unread;
use crate::gateway::{Body, Gateway, InjectionView, Order};

/// An order is a few words.
const BODY_BYTES_MAX: usize = 16 << 10;

/// What is on.
#[derive(Debug, Serialize, Deserialize)]
pub struct FaultsReply {
    /// The configuration allows more of them.
    pub enabled: bool,
    pub faults: Vec<InjectionView>,
}

/// What was added.
#[derive(Debug, Serialize, Deserialize)]
pub struct AddedReply {
    pub fault: InjectionView,
}

/// What was on until now.
#[derive(Debug, Serialize, Deserialize)]
pub struct RemovedReply {
    pub removed: Vec<InjectionView>,
}

pub fn list(gateway: &Gateway) -> Response<Body> {
    let (enabled, faults) = (gateway.table().config.game_day, gateway.injections());
    json(StatusCode::OK, &serde_json::json!(FaultsReply { enabled, faults }))
}

pub async fn add(gateway: &Gateway, body: Unread) -> Response<Body> {
    let added = async {
        let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("reading the fault: {error}"))?.to_bytes();
        let order: Order = serde_json::from_slice(&body)?;
        gateway.inject(order).await
    };
    match added.await {
        Ok(fault) => json(StatusCode::OK, &serde_json::json!(AddedReply { fault })),
        Err(why) => error(StatusCode::UNPROCESSABLE_ENTITY, "refused", &format!("{why:#}")),
    }
}

pub fn remove(gateway: &Gateway, id: &str) -> Response<Body> {
    match gateway.remove_injection(id) {
        Ok(removed) => json(StatusCode::OK, &serde_json::json!(RemovedReply { removed: vec![removed] })),
        Err(why) => error(StatusCode::NOT_FOUND, "not_found", &format!("{why:#}")),
    }
}

pub fn remove_all(gateway: &Gateway) -> Response<Body> {
    let removed = gateway.remove_injections("an operator removed all");
    json(StatusCode::OK, &serde_json::json!(RemovedReply { removed }))
}
