//! The conversation: `system` and `messages`.

use super::content;
use pointsman_sdk::codec::chat::{Message, Part, Role};
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use pointsman_sdk::json::{self, Fields};

/// The `system` field as a message before all others.
pub fn system(top: &mut Fields) -> Result<Option<Message>, Fault> {
    let Some(value) = top.take("system") else { return Ok(None) };
    let parts = content::parts(&top.at("system"), value, Role::System)?;
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
