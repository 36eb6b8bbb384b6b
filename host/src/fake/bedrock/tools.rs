//! The rules for tools.

use serde_json::Value;

use super::super::answer::{Asked, Choice, Tool};
use super::rules::{constraint, fields};

const NAME_CHARS_MAX: usize = 64;

pub fn check(config: &Value, asked: &mut Asked) -> Result<(), String> {
    if config.is_null() {
        return Ok(());
    }
    fields("toolConfig", config, &["tools", "toolChoice"])?;
    let tools = config["tools"].as_array();
    let Some(tools) = tools.filter(|tools| !tools.is_empty()) else {
        return constraint(&config["tools"], "toolConfig.tools", "Member must have length greater than or equal to 1");
    };
    for (index, tool) in tools.iter().enumerate() {
        let at = format!("toolConfig.tools.{index}");
        fields(&at, tool, &["toolSpec", "cachePoint", "systemTool"])?;
        if tool.as_object().is_none_or(|tool| tool.len() != 1) {
            return Err(format!("Exactly one of toolSpec, cachePoint and systemTool must be set at {at}."));
        }
        if let Some(spec) = tool.get("toolSpec") {
            let tool = check_spec(&format!("{at}.toolSpec"), spec)?;
            if asked.tools.iter().any(|known| known.name == tool.name) {
                return Err(format!("The tool name {} at {at} is already used by another tool.", tool.name));
            }
            asked.tools.push(tool);
        }
    }
    check_choice(&config["toolChoice"], asked)
}

fn check_spec(at: &str, spec: &Value) -> Result<Tool, String> {
    fields(at, spec, &["name", "description", "inputSchema", "strict"])?;
    let name = spec["name"].as_str().unwrap_or_default();
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
        let rule = "Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+";
        return constraint(&spec["name"], &format!("{at}.name"), rule);
    }
    if name.len() > NAME_CHARS_MAX {
        return constraint(&spec["name"], &format!("{at}.name"), "Member must have length less than or equal to 64");
    }
    if spec.get("description").is_some_and(|text| text.as_str().is_none_or(str::is_empty)) {
        let rule = "Member must have length greater than or equal to 1";
        return constraint(&spec["description"], &format!("{at}.description"), rule);
    }
    fields(&format!("{at}.inputSchema"), &spec["inputSchema"], &["json"])?;
    let schema = &spec["inputSchema"]["json"];
    if schema["type"] != "object" {
        return Err(format!("The value at {at}.inputSchema.json.type must be one of the following: object."));
    }
    Ok(Tool { name: name.to_owned(), schema: schema.clone() })
}

/// There is no choice of none.
fn check_choice(choice: &Value, asked: &mut Asked) -> Result<(), String> {
    if choice.is_null() {
        return Ok(());
    }
    fields("toolConfig.toolChoice", choice, &["auto", "any", "tool"])?;
    if choice.as_object().is_none_or(|choice| choice.len() != 1) {
        return Err("Exactly one of auto, any and tool must be set at toolConfig.toolChoice.".to_owned());
    }
    let named = choice["tool"]["name"].as_str();
    asked.choice = match named {
        _ if choice.get("auto").is_some() => Choice::Auto,
        _ if choice.get("any").is_some() => Choice::Any,
        Some(name) if asked.tools.iter().any(|tool| tool.name == name) => Choice::Named(name.to_owned()),
        _ => {
            let name = named.unwrap_or_default();
            return Err(format!("The tool {name} at toolConfig.toolChoice.tool is not one of toolConfig.tools."));
        }
    };
    Ok(())
}
