//! A request for embeddings, said as the body of `/api/embed`.

use super::Dropped;
use crate::settings::Settings;
use pointsman_adapter_sdk::chat::Request;
use pointsman_adapter_sdk::{Fault, embeddings};
use serde_json::{Map, Value, json};

/// The body, and the names of the fields that it cannot say.
pub fn body(settings: &Settings, request: &Request) -> Result<(Vec<u8>, Vec<String>), Fault> {
    let mut dropped = Dropped::default();
    let mut body = Map::new();
    body.insert("model".into(), request.model.as_str().into());
    body.insert("input".into(), embeddings::inputs(request)?.into());
    let (dimensions, others) = embeddings::dimensions(request)?;
    others.into_iter().for_each(|name| dropped.add(name));
    if let Some(count) = dimensions {
        body.insert("dimensions".into(), count.into());
    }
    // Else a text that is too long loses its end without a word.
    body.insert("truncate".into(), false.into());
    if let Some(tokens) = settings.num_ctx {
        body.insert("options".into(), json!({ "num_ctx": tokens }));
    }
    if let Some(keep_alive) = &settings.keep_alive {
        body.insert("keep_alive".into(), keep_alive.clone());
    }
    dropped.add_if(request.user.is_some(), "user");
    Ok((Value::Object(body).to_string().into_bytes(), dropped.0.into_list()))
}
