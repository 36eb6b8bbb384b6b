//! A request whose last turn is the model's own: what a fake says is the rest of it.

use serde_json::Value;

use super::answer::Asked;
use super::state::Seen;

/// What is asked, read by the protocol's own `check`, with what is to be continued and how this fake speaks.
pub fn read<E>(seen: &Seen, body: &Value, check: impl Fn(&Value) -> Result<Asked, E>) -> Result<Asked, E> {
    let mut asked = check(body)?;
    // What is continued is the answer to what stands before it.
    if let Some((before, prefill)) = split(body)
        && let Ok(earlier) = check(&before)
    {
        asked = Asked { prefill, input_chars: asked.input_chars, ..earlier };
    }
    asked.speech = seen.behaviour.speech;
    Ok(asked)
}

/// The body without its last turn, and that turn's text, if it is a text of the model's.
fn split(body: &Value) -> Option<(Value, String)> {
    let field = ["messages", "contents", "input"].into_iter().find(|field| body[*field].is_array())?;
    let mut before = body.clone();
    let last = before[field].as_array_mut()?.pop()?;
    let is_own = matches!(last["role"].as_str(), Some("assistant" | "model")) && last.get("tool_calls").is_none();
    let parts = if field == "contents" { &last["parts"] } else { &last["content"] };
    let text = match parts {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts: Option<Vec<&str>> = parts.iter().map(|part| part["text"].as_str()).collect();
            texts?.concat()
        }
        _ => return None,
    };
    (is_own && !text.is_empty()).then_some((before, text))
}
