//! A request for embeddings, said as the body of `/api/embed`.

use super::{Dropped, unsupported};
use crate::settings::Settings;
use pointsman_adapter_sdk::chat::{Message, Part, Request};
use pointsman_adapter_sdk::{Fault, FaultKind, fault_at};
use serde_json::{Map, Value, json};

/// The body, and the names of the fields that it cannot say.
pub fn body(settings: &Settings, request: &Request) -> Result<(Vec<u8>, Vec<String>), Fault> {
    let mut dropped = Dropped::default();
    let mut body = Map::new();
    body.insert("model".into(), request.model.as_str().into());
    body.insert("input".into(), inputs(&request.messages)?.into());
    if let Some(count) = dimensions(request, &mut dropped)? {
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
    Ok((Value::Object(body).to_string().into_bytes(), dropped.0))
}

fn inputs(messages: &[Message]) -> Result<Vec<&str>, Fault> {
    let texts = messages.iter().enumerate().map(|(position, message)| match message.parts.as_slice() {
        [Part::Text(text)] => Ok(text.text.as_str()),
        _ => Err(unsupported(&format!("input[{position}]"), "an input is one text")),
    });
    texts.collect()
}

/// As OpenAI's callers ask for them. All other extras are dropped.
fn dimensions(request: &Request, dropped: &mut Dropped) -> Result<Option<u64>, Fault> {
    let mut count = None;
    for extra in &request.extras {
        if request.protocol != "openai-chat" || extra.name != "dimensions" {
            dropped.add(&extra.name);
            continue;
        }
        let wrong = |_| fault_at(FaultKind::InvalidRequest, "dimensions", "`dimensions` must be a whole number");
        count = serde_json::from_str(&extra.value).map_err(wrong)?;
    }
    Ok(count)
}
