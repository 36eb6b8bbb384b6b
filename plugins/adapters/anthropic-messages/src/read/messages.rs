//! The conversation: `system` and `messages`.

use super::content;
use crate::ATTRIBUTION;
use pointsman_sdk::codec::chat::{Extra, Message, Part, Role};
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use pointsman_sdk::json::{self, Fields};
use serde_json::Value;

/// What Claude Code's attribution line begins with. It tells Anthropic which client asks, and no other provider may get
/// it: Bedrock refuses it as a reserved keyword (anthropics/claude-code#24168).
const ATTRIBUTION_BEGINS: &str = "x-anthropic-billing-header";

/// The `system` field as a message before all others. The attribution line becomes an extra of the request.
pub fn system(top: &mut Fields, extras: &mut Vec<Extra>) -> Result<Option<Message>, Fault> {
    let Some(value) = top.take("system") else { return Ok(None) };
    let mut parts = content::parts(&top.at("system"), value, Role::System)?;
    parts.retain_mut(|part| {
        let Part::Text(text) = part else { return true };
        if !text.text.starts_with(ATTRIBUTION_BEGINS) {
            return true;
        }
        let (line, rest) = text.text.split_once('\n').unwrap_or((&text.text, ""));
        extras.push(Extra { name: ATTRIBUTION.into(), value: Value::from(line).to_string() });
        text.text = rest.trim_start_matches('\n').to_owned();
        !text.text.is_empty()
    });
    Ok((!parts.is_empty()).then(|| Message { role: Role::System, parts, extras: Vec::new() }))
}

pub fn messages(top: &mut Fields) -> Result<Vec<Message>, Fault> {
    let list = top.required("messages")?;
    let list = json::items("messages", list)?;
    if list.is_empty() {
        return Err(fault_at(FaultKind::InvalidRequest, "messages", "messages must not be empty"));
    }
    list.into_iter().map(|(path, value)| message(Fields::new(path, value)?)).collect()
}

fn message(mut fields: Fields) -> Result<Message, Fault> {
    let role = match fields.string("role")?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        // Clients that take the model for a new one put instructions between the turns.
        "system" => Role::System,
        _ => return Err(json::wrong(fields.at("role"), "one of user, assistant and system")),
    };
    let content = fields.required("content")?;
    let mut parts = content::parts(&fields.at("content"), content, role)?;
    // The contract wants results first, and the API's own order is the same.
    parts.sort_by_key(|part| !matches!(part, Part::ToolResult(_)));
    Ok(Message { role, parts, extras: fields.rest() })
}
