//! A body whose conversation holds what only its own protocol knows (a file of its provider, a block of tomorrow). It cannot be said
//! anew, but it can go to another model of that protocol: its top-level fields are read beside a conversation that stands in for its
//! own, and mended as those of any other body.

use bytes::Bytes;
use serde_json::{Value, json};

use super::dialect::with_fields;
use super::exchange::Exchange;
use super::scan;
use crate::facts::Facts;
use crate::plugin::bindings::chat::Request;

/// The protocol in which instructions between turns have a place at the top.
const ANTHROPIC: &str = "anthropic-messages";

/// The request with one word of the user in place of its conversation; `None` where that cannot be read either.
pub async fn top(exchange: &Exchange) -> Option<Request> {
    let stand_ins = [
        ("messages", json!([{ "role": "user", "content": "…" }])),
        ("input", json!("…")),
        ("contents", json!([{ "role": "user", "parts": [{ "text": "…" }] }])),
    ];
    let mut stand_ins = stand_ins.into_iter();
    let (name, stand_in) = stand_ins.find(|(name, _)| scan::value_at(&exchange.body, name).is_some())?;
    let body = with_fields(&exchange.body, &[(name.to_owned(), Some(stand_in))]);
    let codec = exchange.endpoint.codec()?;
    let mut request = codec.read(&exchange.endpoint.operation, &[], &body).await.ok()?.ok()?.request;
    request.stream = exchange.asked.stream;
    Some(request)
}

/// The body with its system messages at the top, where the model takes none between turns; `None` where nothing has to change.
pub fn without_late_system(exchange: &Exchange, facts: &Facts) -> Option<Bytes> {
    let is_refused = facts.mid_system == Some(false) && exchange.endpoint.protocol == ANTHROPIC;
    if is_refused { system_at_top(&exchange.body) } else { None }
}

fn system_at_top(body: &[u8]) -> Option<Bytes> {
    let mut body: Value = serde_json::from_slice(body).ok()?;
    let mut late = Vec::new();
    let messages = body.get_mut("messages")?.as_array_mut()?;
    messages.retain(|message| {
        let is_late = message["role"] == "system";
        if is_late {
            late.extend(blocks(&message["content"]));
        }
        !is_late
    });
    if late.is_empty() {
        return None;
    }
    let mut system = blocks(&body["system"]);
    system.append(&mut late);
    body["system"] = system.into();
    Some(body.to_string().into())
}

fn blocks(content: &Value) -> Vec<Value> {
    match content {
        Value::String(text) if !text.is_empty() => vec![json!({ "type": "text", "text": text })],
        Value::Array(blocks) => blocks.clone(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_between_turns_go_to_the_top() {
        let odd = json!({ "type": "container_upload", "file_id": "file_1" });
        let user = json!({ "role": "user", "content": [odd, { "type": "text", "text": "hello" }] });
        let late = |content: Value| json!({ "role": "system", "content": content });
        let text = |text: &str| json!({ "type": "text", "text": text });
        for (system, messages, expected) in [
            (json!("First."), vec![user.clone(), late(json!("Brief."))], json!([text("First."), text("Brief.")])),
            (json!([text("First.")]), vec![late(json!([text("Brief.")]))], json!([text("First."), text("Brief.")])),
            (Value::Null, vec![user.clone(), late(json!("Brief.")), user.clone()], json!([text("Brief.")])),
        ] {
            let spoken: Vec<Value> = messages.iter().filter(|message| message["role"] == "user").cloned().collect();
            let body = json!({ "system": system, "messages": messages }).to_string();
            let mended = system_at_top(body.as_bytes()).expect("it changes");
            let mended: Value = serde_json::from_slice(&mended).expect("JSON");
            assert_eq!(mended, json!({ "system": expected, "messages": spoken }));
        }
        for same in [json!({ "messages": [user] }), json!({ "input": [] }), json!([]), json!({ "messages": "x" })] {
            assert_eq!(system_at_top(same.to_string().as_bytes()), None, "{same}");
        }
    }
}
