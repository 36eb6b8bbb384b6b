//! A request for embeddings, for a server of this protocol.

use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::Request;
use pointsman_sdk::embeddings;
use serde_json::{Map, Value};

/// The body, and the names of the fields that it cannot say.
pub fn body(request: Request) -> Result<(Vec<u8>, Vec<String>), Fault> {
    let mut body = Map::new();
    let input = embeddings::inputs(&request)?.into();
    body.insert("model".into(), request.model.into());
    body.insert("input".into(), input);
    if let Some(user) = request.user {
        body.insert("user".into(), user.into());
    }
    let own = request.protocol == crate::PROTOCOL;
    let mut dropped = Vec::new();
    for extra in request.extras {
        match serde_json::from_str(&extra.value) {
            Ok(value) if own => drop(body.insert(extra.name, value)),
            _ => dropped.push(extra.name),
        }
    }
    Ok((Value::Object(body).to_string().into_bytes(), dropped))
}
