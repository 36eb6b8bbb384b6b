//! What other providers made, taken out of a body that cannot be said anew.
//!
//! A history with a foreign thought is read and said anew without it. Where it also holds something that the reader
//! refuses, such as a file of its own provider, it can only go on as the caller wrote it; and with the foreign thought it
//! would be refused, now and in every later turn. So the thought alone is taken out, by the mark that is on all of them
//! (`sealed` in the contract's `chat.wit`).

use bytes::Bytes;
use serde_json::Value;

/// What begins a text that another provider sealed.
const MARK: &str = "pointsman:";
/// The same in a signature of Gemini's, in either alphabet of Base64: Google's SDKs send back that of URLs.
const MARK_IN_BASE64: &str = "cG9pbnRzbWFuO";
/// The names that protocols have for a thought, as the type of a block or an item.
const THOUGHTS: [&str; 3] = ["thinking", "redacted_thinking", "reasoning"];

/// The body without foreign thoughts; `None` where it has none.
pub fn without_thoughts(body: &[u8]) -> Option<Bytes> {
    let mut value: Value = serde_json::from_slice(body).ok()?;
    if !strip(&mut value) {
        return None;
    }
    // A turn that has lost its thought goes on without thinking: Anthropic demands that with a budget it begins with one.
    if value["thinking"]["type"] == "enabled" {
        value.as_object_mut()?.shift_remove("thinking");
    }
    Some(Bytes::from(value.to_string()))
}

/// Takes marked thoughts out of arrays, and marked signatures out of what else carries them. Was there one?
fn strip(value: &mut Value) -> bool {
    let mut found = false;
    match value {
        Value::Array(items) => {
            let before = items.len();
            items.retain(|item| !is_foreign_thought(item));
            found |= items.len() < before;
            // A message whose content was nothing else would be refused as empty.
            let is_emptied = |item: &Value| item["content"].as_array().is_some_and(Vec::is_empty);
            for item in items.iter_mut() {
                let was_empty = is_emptied(item);
                found |= strip(item);
                if !was_empty && is_emptied(item) {
                    item["content"] = serde_json::json!([{ "type": "text", "text": "…" }]);
                }
            }
        }
        Value::Object(fields) => {
            let before = fields.len();
            // Only a field that is a signature: a user's text may begin with the same word.
            fields.retain(|name, value| !(is_seal(name) && value.as_str().is_some_and(is_marked)));
            found |= fields.len() < before;
            for field in fields.values_mut() {
                found |= strip(field);
            }
        }
        _ => {}
    }
    found
}

fn is_foreign_thought(item: &Value) -> bool {
    let is_thought = item["type"].as_str().is_some_and(|kind| THOUGHTS.contains(&kind));
    let Some(fields) = item.as_object().filter(|_| is_thought) else { return false };
    fields.iter().any(|(name, value)| is_seal(name) && value.as_str().is_some_and(is_marked))
}

fn is_seal(name: &str) -> bool {
    matches!(name, "signature" | "data" | "encrypted_content" | "thoughtSignature" | "thought_signature")
}

fn is_marked(text: &str) -> bool {
    text.starts_with(MARK) || text.starts_with(MARK_IN_BASE64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
    use serde_json::json;

    fn stripped(body: &Value) -> Option<Value> {
        let bytes = without_thoughts(body.to_string().as_bytes())?;
        Some(serde_json::from_slice(&bytes).expect("JSON"))
    }

    #[test]
    fn thoughts_go_and_everything_else_stays() {
        let body = |content: Value| {
            json!({"model": "m", "container": "c", "thinking": {"type": "adaptive"}, "messages": [
                {"role": "user", "content": "pointsman: what is it?"}, {"role": "assistant", "content": content},
            ]})
        };
        let rest = [
            json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "code_execution", "input": {}}),
            json!({"type": "thinking", "thinking": "own", "signature": "EqQB"}),
            json!({"type": "tool_use", "id": "1", "name": "f", "input": {"signature": "x", "text": "pointsman:a:b"}}),
        ];
        let foreign = [
            json!({"type": "thinking", "thinking": "h", "signature": "pointsman:unknown:"}),
            json!({"type": "redacted_thinking", "data": "pointsman:gemini:abc"}),
        ];
        let all: Vec<Value> = foreign.iter().chain(&rest).cloned().collect();
        assert_eq!(stripped(&body(all.into())), Some(body(rest.to_vec().into())));
        assert_eq!(stripped(&body(rest.to_vec().into())), None);
        let emptied = stripped(&body(foreign.to_vec().into())).expect("thoughts");
        assert_eq!(emptied["messages"][1]["content"], json!([{"type": "text", "text": "…"}]));
    }

    #[test]
    fn a_budget_goes_with_the_thought() {
        let thought = json!({"type": "redacted_thinking", "data": "pointsman:unknown:"});
        let body = json!({"thinking": {"type": "enabled", "budget_tokens": 2000}, "messages": [
            {"role": "assistant", "content": [thought, {"type": "tool_use"}]},
        ]});
        assert_eq!(
            stripped(&body),
            Some(json!({"messages": [{"role": "assistant", "content": [{"type": "tool_use"}]}]}))
        );
    }

    #[test]
    fn items_of_responses_and_signatures_of_gemini() {
        let body = json!({"conversation": "c", "input": [
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "pointsman:gemini:x"},
            {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "gAAA"},
        ]});
        let expected = json!({"conversation": "c", "input": [body["input"][1].clone()]});
        assert_eq!(stripped(&body), Some(expected));
        let call = json!({"functionCall": {"name": "f"}});
        let body = |part: Value| json!({"cachedContent": "c", "contents": [{"role": "model", "parts": [part]}]});
        for sealed in ["pointsman:anthropic-messages:x", "pointsman:unknown:", "pointsman:ollama:~~~???ÿÿ"] {
            for signature in [STANDARD.encode(sealed), URL_SAFE.encode(sealed), URL_SAFE_NO_PAD.encode(sealed)] {
                let mut signed = call.clone();
                signed["thoughtSignature"] = signature.into();
                assert_eq!(stripped(&body(signed)), Some(body(call.clone())), "{sealed}");
            }
        }
        let mut own = call;
        own["thoughtSignature"] = STANDARD.encode("pointsman, a gateway").into();
        assert_eq!(stripped(&body(own)), None);
    }

    #[test]
    fn what_is_no_json_stays() {
        for body in ["", "[]", "3", "{\"a\":\"pointsman:\"}", "{"] {
            assert_eq!(without_thoughts(body.as_bytes()), None, "{body}");
        }
    }
}
