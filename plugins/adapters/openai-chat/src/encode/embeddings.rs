//! A request for embeddings, for a server of this protocol.

use pointsman_sdk::codec::chat::{Part, Request};
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use serde_json::{Map, Value, json};

/// The body, and the names of the fields that it cannot say.
pub fn body(request: Request) -> Result<(Vec<u8>, Vec<String>), Fault> {
    let mut body = Map::new();
    body.insert("model".into(), request.model.into());
    let input: Vec<Value> = request
        .messages
        .iter()
        .enumerate()
        .map(|(position, message)| match message.parts.as_slice() {
            [Part::Text(text)] => Ok(json!(text.text)),
            _ => Err(fault_at(FaultKind::Unsupported, format!("input[{position}]"), "an input is one text")),
        })
        .collect::<Result<_, _>>()?;
    body.insert("input".into(), input.into());
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
