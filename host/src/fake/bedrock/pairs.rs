//! Calls and results: all of one turn's calls are answered in the one message that follows.

use serde_json::Value;

use super::rules::constraint;

const ID_CHARS_MAX: usize = 64;

pub fn check(messages: &[Value], is_claude: bool) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let blocks: Vec<&Value> = message["content"].as_array().into_iter().flatten().collect();
        let at = format!("messages.{index}.content");
        if message["role"] == "user" {
            check_results(&at, &open, &blocks, is_claude)?;
            open.clear();
            continue;
        }
        for (position, call) in blocks.iter().enumerate().filter(|(_, block)| block.get("toolUse").is_some()) {
            let id = &call["toolUse"]["toolUseId"];
            check_id(&format!("messages.{}.member.content.{}.member.toolUse.toolUseId", index + 1, position + 1), id)?;
            let id = id.as_str().unwrap_or_default();
            if open.contains(&id) {
                return Err(format!("The toolUse blocks at {at} contain duplicate Ids: {id}"));
            }
            open.push(id);
        }
    }
    match open.as_slice() {
        [] => Ok(()),
        open => Err(format!(
            "Expected toolResult blocks at messages.{}.content for the following Ids: {}",
            messages.len(),
            open.join(", ")
        )),
    }
}

fn check_results(at: &str, open: &[&str], blocks: &[&Value], is_claude: bool) -> Result<(), String> {
    let mut results = Vec::new();
    for (position, block) in blocks.iter().enumerate() {
        let Some(result) = block.get("toolResult") else { continue };
        if is_claude && position != results.len() {
            return Err(format!("{at}: `tool_result` blocks must come first in the content"));
        }
        results.push(result["toolUseId"].as_str().unwrap_or_default());
    }
    let missing: Vec<&str> = open.iter().filter(|id| !results.contains(*id)).copied().collect();
    if !missing.is_empty() {
        return Err(format!("Expected toolResult blocks at {at} for the following Ids: {}", missing.join(", ")));
    }
    if results.len() > open.len() {
        return Err(format!(
            "The number of toolResult blocks at {at} exceeds the number of toolUse blocks of previous turn."
        ));
    }
    Ok(())
}

fn check_id(at: &str, id: &Value) -> Result<(), String> {
    let legal = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte));
    let text = id.as_str().unwrap_or_default();
    if text.is_empty() || !legal(text) {
        return constraint(id, at, "Member must satisfy regular expression pattern: [a-zA-Z0-9_.:-]+");
    }
    if text.len() > ID_CHARS_MAX {
        return constraint(id, at, "Member must have length less than or equal to 64");
    }
    Ok(())
}
